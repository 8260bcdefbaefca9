"""What ``model.json`` tells of a detector, beside what it tells of every model."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from topwork.errors import DataError
from topwork.metrics import DetectionReport, DetectionThresholds, Estimate, OperatingReport
from topwork.model import ModelRecord, Strict, TaskRecord


class FoldRecord(Strict):
    """One fold of a cross-validation.

    Attributes:
        training: Images that it was fitted on.
        images: Images that measured it.
        strategy: The rung that it chose.
        ap50: Average precision where boxes overlap by half.
        ap: COCO's average precision.
    """

    training: int
    images: int
    strategy: str
    ap50: float
    ap: float


class FoldsRecord(Strict):
    """What k folds say together of the whole procedure.

    Attributes:
        split: What was dealt into the folds: ``all`` images, or those of ``train``.
        folds: Each of them.
        ap50: Their mean, with an interval.
        ap: The same of COCO's average precision.
    """

    split: Literal["all", "train"]
    folds: tuple[FoldRecord, ...]
    ap50: Estimate
    ap: Estimate


class DetectionRecord(TaskRecord):
    """The block of a detector.

    Attributes:
        classes: Names of its classes, in the order of the labels. Order is meaning.
        training: Boxes of each class that trained it, crowds left out.
        empty: Training images without a box.
        head: ``network.HeadSpec.to_dict``: which maps it reads, and how wide and deep it is.
        thresholds: Score of each class from which on an object is told of.
        choice: ``metrics.DetectionThresholds.to_dict``: what they gave on the validation images that they were chosen
            on; None where these show no object, so that the thresholds are the default.
        metrics: ``metrics.DetectionReport.to_dict`` on held-out images; None where none were held out.
        operating: ``metrics.OperatingReport.to_dict``, what the thresholds give there; None where it is not known.
        folds: What cross-validation said; None where there was none.
    """

    files: ClassVar[tuple[str, ...]] = ("head", "training")

    classes: tuple[str, ...] = Field(min_length=1)
    training: tuple[int, ...]
    empty: int = 0
    head: dict[str, Any]
    thresholds: tuple[float, ...]
    choice: dict[str, Any] | None = None
    metrics: dict[str, Any] | None = None
    operating: dict[str, Any] | None = None
    folds: FoldsRecord | None = None

    @model_validator(mode="after")
    def _agrees(self) -> DetectionRecord:
        count = len(self.classes)
        if len(set(self.classes)) != count:
            raise ValueError("a class name comes twice")
        for name in ("training", "thresholds"):
            if len(getattr(self, name)) != count:
                raise ValueError(f"{count} classes, but {name} of {len(getattr(self, name))}")
        for name in ("choice", "metrics", "operating"):
            self._check(name)
        return self

    def _check(self, name: str) -> None:
        """Refuse figures that cannot be read, or are of other classes."""
        try:
            found = self._saved(name)
        except (DataError, OverflowError) as error:
            raise ValueError(f"{name}: {error}") from error
        if found is not None and getattr(found, "report", found).classes != self.classes:
            raise ValueError(f"{name}: they are of other classes than the model's")

    def _saved(self, name: str) -> Any:
        kinds: dict[str, type[Any]] = {
            "choice": DetectionThresholds,
            "metrics": DetectionReport,
            "operating": OperatingReport,
        }
        fields = getattr(self, name)
        return None if fields is None else kinds[name].from_dict(fields)

    @property
    def report(self) -> DetectionReport | None:
        """Figures on held-out images; None where none were held out."""
        found: DetectionReport | None = self._saved("metrics")
        return found

    @property
    def chosen(self) -> DetectionThresholds | None:
        """How the thresholds were chosen; None where they are the default."""
        found: DetectionThresholds | None = self._saved("choice")
        return found

    @property
    def at_thresholds(self) -> OperatingReport | None:
        """What the thresholds give on held-out images; None where that is not known."""
        found: OperatingReport | None = self._saved("operating")
        return found


DetectorRecord = ModelRecord[DetectionRecord]
"""The whole record of a detector."""
