"""The mapped head: a network's own classes answer, and a table says what each of them means to the user."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from topwork.errors import ModelError

from ._checks import Floats, check_array, check_names, check_query, row_chunks, scalar

_NAMES = ("bias", "shares", "softness", "temperature", "weight")
_ROUNDING = 1e-3  # a row of float32 shares may sum to so much more than one


@dataclass(frozen=True, eq=False)
class MappedHead:
    """The network's own probabilities, summed over what its classes mean to the user.

    p(c | x) is proportional to (sum over k of softmax((W'x + b) / softness)[k] * shares[k, c]) ** (1 / temperature).

    Args:
        weight: (D, K) float32, the classifier of the network.
        bias: (K,) float32.
        shares: (K, C) float32 >= 0, how much class k of the network speaks for class c of the user. Network classes
            that speak for none are left out, so that the others' probabilities sum to one without them.
        softness: > 0; above one, the network's second thoughts count for more.
        temperature: > 0; makes the probabilities honest where images have shown how sure to be.

    Raises:
        ModelError: Shapes that do not fit each other, fewer than two classes, NaN or Inf, shares that sum to nothing
            or to more than one, a softness or temperature that is not positive.
    """

    weight: Floats
    bias: Floats
    shares: Floats
    softness: float = 1.0
    temperature: float = 1.0

    kind: ClassVar[str] = "mapped"

    def __post_init__(self) -> None:
        if self.weight.ndim != 2 or self.shares.ndim != 2 or self.shares.shape[1] < 2:
            raise ModelError(
                f"weight, shares: expected float32 (D, K) and (K, C) with C >= 2, got {self.weight.shape} "
                f"and {self.shares.shape}"
            )
        width, own = self.weight.shape
        check_array("weight", self.weight, (width, own), "f")
        check_array("bias", self.bias, (own,), "f")
        check_array("shares", self.shares, (own, self.n_classes), "f")
        sums = self.shares.sum(axis=1)
        if (self.shares < 0).any() or not ((sums > 0) & (sums <= 1 + _ROUNDING)).all():
            raise ModelError("shares: expected rows of positive numbers that sum to one at most")
        if not (self.shares.sum(axis=0) > 0).all():
            raise ModelError("shares: a class has no share in any class of the network")
        for name in ("softness", "temperature"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise ModelError(f"{name}: expected a positive number, got {value}")

    @property
    def n_features(self) -> int:
        """Number of features it reads, D."""
        return len(self.weight)

    @property
    def n_classes(self) -> int:
        """Number of the user's classes, C."""
        return int(self.shares.shape[1])

    def probabilities(self, features: npt.NDArray[Any]) -> Floats:
        """Features (N, D) to probabilities (N, C); memory-mapped features stay on disk.

        Raises:
            DataError: The features are not (N, D) with this head's D.
        """
        check_query(features, self.n_features)
        out = np.empty((len(features), self.n_classes), np.float32)
        for part in row_chunks(len(features), max(self.weight.shape)):
            answers = network_probabilities(features[part], self.weight, self.bias, self.softness)
            out[part] = _softmax(logarithms(answers @ self.shares) / np.float32(self.temperature))
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
        return {
            "weight": self.weight,
            "bias": self.bias,
            "shares": self.shares,
            "softness": np.array([self.softness], np.float32),
            "temperature": np.array([self.temperature], np.float32),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, npt.NDArray[Any]]) -> MappedHead:
        """The head that `to_tensors` wrote.

        Raises:
            ModelError: A tensor is missing, extra, misshapen, not finite or out of range.
        """
        check_names(tensors, _NAMES)
        return cls(
            weight=tensors["weight"],
            bias=tensors["bias"],
            shares=tensors["shares"],
            softness=scalar("softness", tensors["softness"], "f"),
            temperature=scalar("temperature", tensors["temperature"], "f"),
        )


def map_classes(weight: Floats, bias: Floats, groups: Sequence[Collection[int]]) -> MappedHead:
    """The head that gives each of the user's classes its own classes of the network.

    A class of the network counts 1 / (size of its group): the network was trained on equally many images of each of its
    classes, and would otherwise hold dog (118 breeds) to be nine times as likely as cat (13 classes). With the user's
    classes equally likely the posterior is the group's mean (Saerens et al. 2002, "Adjusting the outputs of a
    classifier to new a priori probabilities"). Cats and dogs by Lite0: 98.0 % with the mean, 93.6 % with the sum.

    Args:
        weight: (D, K) float32, the classifier of the network.
        bias: (K,) float32.
        groups: For each of the user's classes, indices in 0..K-1; no index twice, no group empty.
    """
    shares = np.zeros((len(bias), len(groups)), np.float32)
    for column, group in enumerate(groups):
        shares[list(group), column] = 1 / len(group)
    kept = shares.any(axis=1)
    return MappedHead(np.ascontiguousarray(weight[:, kept]), bias[kept], shares[kept])


def network_probabilities(features: npt.NDArray[Any], weight: Floats, bias: Floats, softness: float = 1.0) -> Floats:
    """What the network's own classes say: softmax of (features (N, D) @ weight (D, K) + bias (K,)) / softness."""
    return _softmax((features.astype(np.float32, copy=False) @ weight + bias) / np.float32(softness))


def logarithms(answers: Floats) -> Floats:
    """Logarithms that stay finite where a probability has underflown to zero."""
    return np.log(np.maximum(answers, np.finfo(np.float32).tiny))


def _softmax(logits: Floats) -> Floats:
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits
