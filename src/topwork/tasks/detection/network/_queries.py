"""The head of a detector that is already trained: one linear layer on its candidates tells which classes they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from topwork._arrays import AnyArray, Float32Array, IntpArray
from topwork.backbones import DetectorNetwork, Scoring
from topwork.engines import Precision
from topwork.errors import ModelError
from topwork.metrics import Detections
from topwork.tasks.detection.network._decode import Decoding
from topwork.tasks.detection.network._suppress import suppress


@dataclass(frozen=True)
class QuerySpec:
    """What such a head is, without its numbers.

    Attributes:
        queries: K, candidates an image.
        channels: d, numbers a candidate.
        size: Side of the square that the network sees, in pixels.
        n_classes: C, of the model.
        rows: For each of the layer's R logits the class of the model that it is for, or -1.
        scoring: How scores follow from the logits.
        overlap: Intersection over union beyond which two boxes of one class are one object; 1 where the network sees to
            that itself.

    Raises:
        ModelError: A value is out of its range.
    """

    queries: int
    channels: int
    size: int
    n_classes: int
    rows: tuple[int, ...]
    scoring: Scoring
    overlap: float = 1.0

    def __post_init__(self) -> None:
        sizes = (self.queries, self.channels, self.size, self.n_classes)
        fine = (
            all(type(each) is int and 0 < each <= 10_000 for each in sizes)
            and bool(self.rows)
            and all(type(each) is int and -1 <= each < self.n_classes for each in self.rows)
            and self.scoring in get_args(Scoring)
            and 0 < self.overlap <= 1
        )
        if not fine:
            raise ModelError(f"a detector's class layer cannot be {self}")

    @classmethod
    def of(cls, network: DetectorNetwork, n_classes: int, rows: tuple[int, ...], **changes: Any) -> QuerySpec:
        """The spec that reads a network."""
        told: dict[str, Any] = {"scoring": network.scoring, **changes}
        return cls(network.queries, network.channels, network.preprocessing.size, n_classes, rows, **told)

    @property
    def n_features(self) -> int:
        """D, numbers that are read for each image."""
        return self.queries * (4 + self.channels)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {"reads": "queries", **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> QuerySpec:
        """Inverse of ``to_dict``.

        Raises:
            ModelError: A field is missing, unknown or out of its range.
        """
        try:
            return cls(**{**{k: v for k, v in fields.items() if k != "reads"}, "rows": tuple(fields["rows"])})
        except (TypeError, KeyError) as error:
            raise ModelError(f"a detector's class layer is not as expected: {error}") from error


@dataclass(frozen=True, eq=False)
class QueryHead:
    """A class layer on a detector's candidates: features in, detections out.

    Attributes:
        spec: What it is.
        weight: float32 (d, R).
        bias: float32 (R,).

    Raises:
        ModelError: An array is misshapen or not finite.
    """

    spec: QuerySpec
    weight: Float32Array
    bias: Float32Array

    def __post_init__(self) -> None:
        logits = len(self.spec.rows)
        for name, shape in {"weight": (self.spec.channels, logits), "bias": (logits,)}.items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != np.float32:
                raise ModelError(f"{name}: expected float32 {shape}, got {array.dtype} {array.shape}")
            if not np.isfinite(array).all():
                raise ModelError(f"{name}: {int((~np.isfinite(array)).sum())} of {array.size} numbers are NaN or Inf")

    def to_tensors(self) -> dict[str, AnyArray]:
        """Its numbers, fit for safetensors."""
        return {"weight": self.weight, "bias": self.bias}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, AnyArray], spec: QuerySpec) -> QueryHead:
        """The head that ``to_tensors`` wrote.

        Raises:
            ModelError: A tensor is missing, extra, misshapen or not finite.
        """
        if set(tensors) != {"weight", "bias"}:
            raise ModelError(f"a detector's class layer is weight and bias, not {', '.join(sorted(tensors))}")
        return cls(spec, tensors["weight"], tensors["bias"])

    def boxes(self, features: Float32Array) -> Float32Array:
        """(N, K, 4), the candidates of N images, edges in pixels of the square.

        Raises:
            ModelError: The features are of another width.
        """
        spec = self.spec
        if features.ndim != 2 or features.shape[1] != spec.n_features:
            raise ModelError(f"the head reads {spec.n_features} features, not {features.shape}")
        found: Float32Array = (features[:, : 4 * spec.queries] * np.float32(spec.size)).clip(0, spec.size)
        return found.reshape(-1, spec.queries, 4)

    def detect(
        self, features: Float32Array, decoding: Decoding | None = None, *, precision: Precision = "f32"
    ) -> list[Detections]:
        """What is found in each of N images, in pixels of the square, as the network's own library tells it.

        Args:
            features: float32 (N, D): boxes, then queries.
            decoding: Which are given; the defaults when None. ``overlap`` and ``candidates`` have no say.
            precision: float32 in any case; what other heads can be asked for.

        Raises:
            ModelError: The features are of another width.
        """
        how = decoding or Decoding()
        corners = self.boxes(features)
        queries = features[:, 4 * self.spec.queries :].reshape(*corners.shape[:2], -1)
        pairs = zip(corners, queries, strict=True)
        return [told(each @ self.weight + self.bias, boxes, self.spec, how) for boxes, each in pairs]


def told(logits: Float32Array, corners: Float32Array, spec: QuerySpec, how: Decoding) -> Detections:
    """What is found in one image: logits (K, R), and the candidates' corners (K, 4)."""
    scores, places, best = _scored(logits, spec.scoring)
    labels = np.array(spec.rows)[best]
    sure = np.flatnonzero((scores > how.threshold) & (labels >= 0))
    scores, labels, corners = scores[sure], labels[sure].astype(np.int32), corners[places[sure]]
    if spec.overlap < 1:
        kept = suppress(corners, scores, labels, spec.overlap, how.most)
    else:
        kept = np.argsort(-scores, kind="stable")[: how.most]
    return Detections(corners[kept], scores[kept], labels[kept])


def _scored(logits: Float32Array, scoring: Scoring) -> tuple[Float32Array, IntpArray, IntpArray]:
    """Scores, the candidates that have them and the logits that they are of; (K, R) are given."""
    if scoring == "softmax":
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores = (raised / raised.sum(axis=1, keepdims=True))[:, :-1]
    else:
        scores = 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
    if scoring != "sigmoid":
        best = scores.argmax(axis=1)
        return scores[np.arange(len(best)), best], np.arange(len(best)), best
    surest = np.argsort(-scores.ravel(), kind="stable")[: len(scores)]
    places, best = np.unravel_index(surest, scores.shape)
    return scores[places, best], places, best
