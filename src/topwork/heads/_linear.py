"""The linear head: standardise, one matrix product, softmax at a fitted temperature."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from topwork.errors import ModelError

from ._checks import Floats, check_array, check_names, check_query, row_chunks, scalar

_NAMES = ("bias", "mean", "scale", "temperature", "weight")


@dataclass(frozen=True, eq=False)
class LinearHead:
    """A multinomial logistic regression on standardised features.

    Args:
        mean: (D,) float32, subtracted from the features.
        scale: (D,) float32 > 0, the features are divided by it.
        weight: (D, C) float32, acts on the standardised features.
        bias: (C,) float32.
        temperature: > 0; logits are divided by it before the softmax (Guo et al. 2017, "On Calibration of
            Modern Neural Networks").

    Raises:
        ModelError: Shapes that do not fit each other, fewer than two classes, NaN or Inf, a scale or
            temperature that is not positive.
    """

    mean: Floats
    scale: Floats
    weight: Floats
    bias: Floats
    temperature: float

    kind: ClassVar[str] = "linear"

    def __post_init__(self) -> None:
        if self.weight.ndim != 2 or self.weight.shape[1] < 2:
            raise ModelError(f"weight: expected float32 (D, C) with C >= 2, got {self.weight.shape}")
        width, n_classes = self.weight.shape
        check_array("weight", self.weight, (width, n_classes), "f")
        check_array("mean", self.mean, (width,), "f")
        check_array("scale", self.scale, (width,), "f")
        check_array("bias", self.bias, (n_classes,), "f")
        if not (self.scale > 0).all():
            raise ModelError("scale: expected positive numbers only")
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise ModelError(f"temperature: expected a positive number, got {self.temperature}")

    @property
    def n_features(self) -> int:
        """Number of features it reads, D."""
        return len(self.mean)

    @property
    def n_classes(self) -> int:
        """Number of classes, those without a training image included."""
        return int(self.weight.shape[1])

    @cached_property
    def _folded(self) -> tuple[Floats, Floats]:
        """Weight (D, C) and bias (C,) that act on raw features; summed in float64, the means may be large."""
        weight = self.weight.astype(np.float64) / self.scale[:, None]
        bias = self.bias - self.mean.astype(np.float64) @ weight
        return weight.astype(np.float32), bias.astype(np.float32)

    def logits(self, features: npt.NDArray[Any]) -> Floats:
        """Features (N, D) to logits (N, C), before the temperature; memory-mapped features stay on disk.

        Raises:
            DataError: The features are not (N, D) with this head's D.
        """
        check_query(features, len(self.mean))
        weight, bias = self._folded
        out = np.empty((len(features), self.n_classes), np.float32)
        for part in row_chunks(*features.shape):
            out[part] = features[part].astype(np.float32, copy=False) @ weight + bias
        return out

    def probabilities(self, features: npt.NDArray[Any]) -> Floats:
        """Features (N, D) to probabilities (N, C): the softmax of logits / temperature.

        Raises:
            DataError: The features are not (N, D) with this head's D.
        """
        out = self.logits(features)
        out /= np.float32(self.temperature)
        out -= out.max(axis=1, keepdims=True)
        np.exp(out, out=out)
        out /= out.sum(axis=1, keepdims=True)
        return out

    @property
    def calibration(self) -> dict[str, float]:
        """The temperature."""
        return {"temperature": self.temperature}

    def uncalibrated(self) -> Any:
        """The same head at temperature 1."""
        return dataclasses.replace(self, temperature=1.0)

    def to_tensors(self) -> dict[str, npt.NDArray[Any]]:
        """The head as named float32 tensors; `from_tensors` gives the same head back."""
        temperature = np.array([self.temperature], np.float32)
        return {
            "mean": self.mean,
            "scale": self.scale,
            "weight": self.weight,
            "bias": self.bias,
            "temperature": temperature,
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, npt.NDArray[Any]]) -> LinearHead:
        """The head that `to_tensors` wrote.

        Raises:
            ModelError: A tensor is missing, extra, misshapen or not finite.
        """
        check_names(tensors, _NAMES)
        return cls(
            mean=tensors["mean"],
            scale=tensors["scale"],
            weight=tensors["weight"],
            bias=tensors["bias"],
            temperature=scalar("temperature", tensors["temperature"], "f"),
        )
