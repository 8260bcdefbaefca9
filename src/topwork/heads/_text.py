"""The text head: an image is what the text that lies nearest to it says; and its blend with a probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from topwork._arrays import AnyArray, Float32Array
from topwork.errors import ModelError

from ._linear import LinearHead
from ._rows import check_query, row_chunks
from ._temperature import TemperatureScaled

_UNIT = 1e-3  # how far the length of a text's embedding may be from one


@dataclass(frozen=True, eq=False)
class TextHead(TemperatureScaled):
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
        temperature: > 0; one, or as fitted on labelled images.

    Raises:
        ModelError: Shapes that do not fit each other, fewer than two classes, NaN or Inf, a text that is not of length
            one, a scale or temperature that is not positive.
    """

    projection: Float32Array
    offset: Float32Array
    texts: Float32Array
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
        self._require_shapes(projection=(width, joint), offset=(joint,), texts=(len(self.texts), joint))
        if (np.abs(np.linalg.norm(self.texts, axis=1) - 1) > _UNIT).any():
            raise ModelError("texts: expected rows of length one")
        self._require_positive("scale", "temperature")

    @property
    def n_classes(self) -> int:
        return len(self.texts)

    def logits(self, features: AnyArray) -> Float32Array:
        check_query(features, self.n_features)
        out = np.empty((len(features), self.n_classes), np.float32)
        for part in row_chunks(*features.shape):
            images = features[part].astype(np.float32, copy=False) @ self.projection + self.offset
            lengths = np.linalg.norm(images, axis=1, keepdims=True)
            out[part] = (images / np.maximum(lengths, np.finfo(np.float32).tiny)) @ self.texts.T
        out *= np.float32(self.scale)
        return out


@dataclass(frozen=True, eq=False)
class BlendHead(TemperatureScaled):
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
        self._require_positive("temperature")

    @property
    def n_features(self) -> int:
        return self.words.n_features

    @property
    def n_classes(self) -> int:
        return self.words.n_classes

    def logits(self, features: AnyArray) -> Float32Array:
        words = self.words.logits(features) / np.float32(self.words.temperature)
        probe = self.probe.logits(features) / np.float32(self.probe.temperature)
        return blended(words, probe, self.share)


def blended(words: Float32Array, probe: Float32Array, share: float) -> Float32Array:
    """Two heads' logits (N, C), each at its own temperature, mixed."""
    return np.float32(share) * words + np.float32(1 - share) * probe
