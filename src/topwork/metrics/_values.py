"""What metrics take, checked, and the values that an evaluation is made of, with how JSON holds them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from pydantic import TypeAdapter, ValidationError

from topwork._arrays import AnyArray, Int64Array
from topwork.errors import DataError

_SUM_TOLERANCE = 1e-3  # float16 probabilities over a thousand classes still pass


class Saved:
    """Base of frozen data classes that go to JSON and come back."""

    _what: ClassVar[str]

    @classmethod
    @functools.cache
    def _adapter(cls) -> TypeAdapter[Any]:
        return TypeAdapter(cls)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; `from_dict` gives an equal value back."""
        fields: dict[str, Any] = self._adapter().dump_python(self, mode="json")
        return fields

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The value that `to_dict` gave.

        Raises:
            DataError: A field is missing or does not fit the others.
        """
        try:
            found: Self = cls._adapter().validate_python(data)
        except ValidationError as wrong:
            first = wrong.errors(include_url=False)[0]
            place, told = first["loc"], first["msg"].removeprefix("Value error, ")
            if first["type"] == "missing":
                told = f"field {place[-1]!r} is missing"
            elif place and first["type"] != "value_error":
                told = f"{'.'.join(map(str, place))}: {told}"
            raise DataError(f"not a saved {cls._what}: {told}") from wrong
        return found


@dataclass(frozen=True)
class Estimate(Saved):
    """A figure and its 95 % interval.

    Raises:
        ValueError: Not finite, or not low <= value <= high.
    """

    value: float
    low: float
    high: float

    _what = "estimate"

    def __post_init__(self) -> None:
        if not (np.isfinite([self.value, self.low, self.high]).all() and self.low <= self.value <= self.high):
            raise ValueError(f"expected finite low <= value <= high, got {self.low}, {self.value}, {self.high}")

    def as_percent(self) -> str:
        """``98.1% (97.0 to 98.8)``."""
        return f"{self.value:.1%} ({100 * self.low:.1f} to {100 * self.high:.1f})"


def as_percent(found: Estimate | None) -> str:
    """``98.1% (97.0 to 98.8)``; a dash where nothing is known."""
    return found.as_percent() if found else "–"


@dataclass(frozen=True)
class ClassReport:
    """One class of the test set.

    Attributes:
        name: The class.
        support: Number of its images.
        precision: None where the class was never predicted.
        recall: None where the class has no image.
        f1: None where the class has no image: it has no say in macro-F1 either.
    """

    name: str
    support: int
    precision: Estimate | None
    recall: Estimate | None
    f1: float | None


class ReliabilityBin(NamedTuple):
    """Images whose confidence lies in one bin; a sound model's accuracy equals its confidence there.

    Attributes:
        images: How many, at least 1.
        confidence: Mean probability of the predicted class.
        accuracy: Share of them that are right.
    """

    images: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Uncalibrated:
    """The same predictions before temperature scaling.

    Attributes:
        log_loss: In nats.
        ece: Expected calibration error over 15 bins.
        brier: Mean squared distance, 0..2.
        reliability: The bins that hold an image, by rising confidence.
    """

    log_loss: float
    ece: float
    brier: float
    reliability: tuple[ReliabilityBin, ...]


def check_labels(labels: AnyArray, n_classes: int, name: str = "labels") -> Int64Array:
    """Class indices (N,) as int64; DataError where they are none, of another kind, or outside 0..n_classes-1."""
    if labels.ndim != 1 or (labels.size and labels.dtype.kind not in "iu"):
        raise DataError(f"{name} must be integers of shape (N,), got {labels.dtype} {labels.shape}")
    if not labels.size:
        raise DataError(f"there are no {name} to evaluate", hint="Evaluate at least one image.")
    outside = int(np.sum((labels < 0) | (labels >= n_classes)))
    if outside:
        raise DataError(f"{outside} of {len(labels)} {name} are outside 0..{n_classes - 1}")
    return labels.astype(np.int64)


def check_probabilities(probabilities: AnyArray, labels: AnyArray) -> tuple[AnyArray, Int64Array]:
    """Probabilities (N, C) and labels (N,) as they are, once they are of that shape and rows sum to one."""
    if probabilities.ndim != 2 or probabilities.dtype.kind != "f" or probabilities.shape[1] < 2:
        raise DataError(
            f"probabilities must be floats of shape (N, C) with C >= 2, got {probabilities.dtype} {probabilities.shape}"
        )
    if len(probabilities) != len(labels):
        raise DataError(f"{len(probabilities)} rows of probabilities but {len(labels)} labels")
    checked = check_labels(labels, probabilities.shape[1])
    broken = int(np.sum(~np.isfinite(probabilities).all(axis=1)))
    if broken:
        raise DataError(f"{broken} of {len(probabilities)} rows of probabilities hold NaN or Inf")
    off = np.abs(probabilities.sum(axis=1, dtype=np.float64) - 1) > _SUM_TOLERANCE
    wrong = int(np.sum(off | (probabilities < -_SUM_TOLERANCE).any(axis=1)))
    if wrong:
        raise DataError(
            f"{wrong} of {len(probabilities)} rows of probabilities do not sum to 1 or are negative",
            hint="Pass probabilities, not logits.",
        )
    return probabilities, checked


def answers_of(probabilities: AnyArray, answers: AnyArray | None) -> Int64Array:
    """The answers (N,) that were given, checked; the most probable classes where none were."""
    if answers is None:
        return np.asarray(probabilities.argmax(axis=1), np.int64)
    if answers.shape != (len(probabilities),):
        raise DataError(f"{len(probabilities)} rows of probabilities but answers {answers.shape}")
    return check_labels(answers, probabilities.shape[1], "answers")
