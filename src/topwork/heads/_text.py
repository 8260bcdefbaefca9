"""The text head: an image is what the text that lies nearest to it says; and its blend with a probe."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from topwork.errors import ModelError

from ._checks import Floats, check_array, check_names, check_query, row_chunks, scalar
from ._linear import LinearHead

_NAMES = ("offset", "projection", "scale", "temperature", "texts")
_UNIT = 1e-3  # how far the length of a text's embedding may be from one


@dataclass(frozen=True, eq=False)
class TextHead:
    """Zero-shot classification: softmax(scale * cosine(image, text) / temperature) over the texts of the classes.

    Source: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision". SigLIP is
    trained with a sigmoid for each text (Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training"), and the
    head is the same: where exactly one of the texts is true, independent sigmoids make each as likely as the product
    of its own sigmoid and the others' complements, which is the softmax; the bias, equal for all, cancels.

    Args:
        projection: (D, E) float32, from the image features to the space that images and texts share.
        offset: (E,) float32, added after the projection.
        texts: (C, E) float32, each class's embedding, of length one.
        scale: > 0; what the model learnt to multiply cosines by.
        temperature: > 0; one, or what labelled images have shown to be honest.

    Raises:
        ModelError: Shapes that do not fit each other, fewer than two classes, NaN or Inf, a text that is not of length
            one, a scale or temperature that is not positive.
    """

    projection: Floats
    offset: Floats
    texts: Floats
    scale: float
    temperature: float = 1.0

    kind: ClassVar[str] = "text"

    def __post_init__(self) -> None:
        if self.projection.ndim != 2 or self.texts.ndim != 2 or len(self.texts) < 2:
            raise ModelError(
                f"projection, texts: expected float32 (D, E) and (C, E) with C >= 2, got {self.projection.shape} "
                f"and {self.texts.shape}"
            )
        width, joint = self.projection.shape
        check_array("projection", self.projection, (width, joint), "f")
        check_array("offset", self.offset, (joint,), "f")
        check_array("texts", self.texts, (len(self.texts), joint), "f")
        if (np.abs(np.linalg.norm(self.texts, axis=1) - 1) > _UNIT).any():
            raise ModelError("texts: expected rows of length one")
        for name in ("scale", "temperature"):
            _require_positive(name, getattr(self, name))

    @property
    def n_features(self) -> int:
        """Number of features it reads, D."""
        return len(self.projection)

    @property
    def n_classes(self) -> int:
        """Number of classes, C; none of them needs an image."""
        return len(self.texts)

    def logits(self, features: npt.NDArray[Any]) -> Floats:
        """Features (N, D) to logits (N, C), before the temperature; memory-mapped features stay on disk.

        Raises:
            DataError: The features are not (N, D) with this head's D.
        """
        check_query(features, self.n_features)
        out = np.empty((len(features), self.n_classes), np.float32)
        for part in row_chunks(*features.shape):
            images = features[part].astype(np.float32, copy=False) @ self.projection + self.offset
            lengths = np.linalg.norm(images, axis=1, keepdims=True)
            out[part] = (images / np.maximum(lengths, np.finfo(np.float32).tiny)) @ self.texts.T
        out *= np.float32(self.scale)
        return out

    def probabilities(self, features: npt.NDArray[Any]) -> Floats:
        """Features (N, D) to probabilities (N, C): the softmax of logits / temperature.

        Raises:
            DataError: The features are not (N, D) with this head's D.
        """
        return _softmax(self.logits(features) / np.float32(self.temperature))

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
            "projection": self.projection,
            "offset": self.offset,
            "texts": self.texts,
            "scale": np.array([self.scale], np.float32),
            "temperature": np.array([self.temperature], np.float32),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, npt.NDArray[Any]]) -> TextHead:
        """The head that `to_tensors` wrote.

        Raises:
            ModelError: A tensor is missing, extra, misshapen, not finite or out of range.
        """
        check_names(tensors, _NAMES)
        return cls(
            projection=tensors["projection"],
            offset=tensors["offset"],
            texts=tensors["texts"],
            scale=scalar("scale", tensors["scale"], "f"),
            temperature=scalar("temperature", tensors["temperature"], "f"),
        )


@dataclass(frozen=True, eq=False)
class BlendHead:
    """Words and a probe together: p is proportional to (words ** share * probe ** (1 - share)) ** (1 / temperature).

    A logarithmic opinion pool: the logits of both, each at its own temperature, are mixed before the softmax.

    Args:
        words: Reads the same features as ``probe``.
        probe: Of the same classes.
        share: Of the words, between 0 and 1.
        temperature: > 0.

    Raises:
        ModelError: The two do not fit each other, or a number is out of its range.
    """

    words: TextHead
    probe: LinearHead
    share: float
    temperature: float = 1.0

    kind: ClassVar[str] = "blend"

    def __post_init__(self) -> None:
        sizes = [(head.n_features, head.n_classes) for head in (self.words, self.probe)]
        if sizes[0] != sizes[1]:
            raise ModelError(f"words, probe: expected the same features and classes, got {sizes[0]} and {sizes[1]}")
        if not 0 <= self.share <= 1:
            raise ModelError(f"share: expected a number from 0 to 1, got {self.share}")
        _require_positive("temperature", self.temperature)

    @property
    def n_features(self) -> int:
        """Number of features it reads."""
        return self.words.n_features

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return self.words.n_classes

    def probabilities(self, features: npt.NDArray[Any]) -> Floats:
        """Features (N, D) to probabilities (N, C).

        Raises:
            DataError: The features are not (N, D) with this head's D.
        """
        words = self.words.logits(features) / np.float32(self.words.temperature)
        probe = self.probe.logits(features) / np.float32(self.probe.temperature)
        return _softmax(blended(words, probe, self.share) / np.float32(self.temperature))

    @property
    def calibration(self) -> dict[str, float]:
        """The temperature."""
        return {"temperature": self.temperature}

    def uncalibrated(self) -> Any:
        """The same head at temperature 1."""
        return dataclasses.replace(self, temperature=1.0)

    def to_tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Both heads' tensors with their names in front, and the two numbers."""
        return {
            **{f"words.{name}": tensor for name, tensor in self.words.to_tensors().items()},
            **{f"probe.{name}": tensor for name, tensor in self.probe.to_tensors().items()},
            "share": np.array([self.share], np.float32),
            "temperature": np.array([self.temperature], np.float32),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, npt.NDArray[Any]]) -> BlendHead:
        """The head that `to_tensors` wrote.

        Raises:
            ModelError: A tensor is missing, extra, misshapen, not finite or out of range.
        """
        rest = {name: tensor for name, tensor in tensors.items() if not name.startswith(("words.", "probe."))}
        check_names(rest, ("share", "temperature"))
        return cls(
            words=TextHead.from_tensors(_beneath("words.", tensors)),
            probe=LinearHead.from_tensors(_beneath("probe.", tensors)),
            share=scalar("share", rest["share"], "f"),
            temperature=scalar("temperature", rest["temperature"], "f"),
        )


def blended(words: Floats, probe: Floats, share: float) -> Floats:
    """Two heads' logits (N, C), each at its own temperature, mixed."""
    return np.float32(share) * words + np.float32(1 - share) * probe


def _beneath(prefix: str, tensors: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _require_positive(name: str, value: float) -> None:
    if not (np.isfinite(value) and value > 0):
        raise ModelError(f"{name}: expected a positive number, got {value}")


def _softmax(logits: Floats) -> Floats:
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits
