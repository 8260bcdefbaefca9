"""What ``model.json`` tells of a segmenter, beside what it tells of every model."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from topwork.errors import DataError
from topwork.metrics import Estimate, SegmentationReport
from topwork.model import ModelRecord, Strict, TaskRecord
from topwork.tasks.segmentation._decide import Deciding
from topwork.tasks.segmentation.instances import Splitting


class FoldRecord(Strict):
    """One fold of a cross-validation.

    Attributes:
        training: Images that it was fitted on.
        images: Images that measured it.
        strategy: The rung that it chose.
        iou: Mean intersection over union of the foreground classes.
    """

    training: int
    images: int
    strategy: str
    iou: float


class FoldsRecord(Strict):
    """What k folds say together of the whole procedure.

    Attributes:
        split: What was dealt into the folds: ``all`` images, or those of ``train``.
        folds: Each of them.
        iou: Their mean, with an interval.
    """

    split: Literal["all", "train"]
    folds: tuple[FoldRecord, ...]
    iou: Estimate


class SegmentationRecord(TaskRecord):
    """The block of a segmenter.

    Attributes:
        classes: Names of its classes, in the order of the labels. Order is meaning.
        has_background: Whether the first class is what belongs to none of the others.
        training: Pixels of each class that the training images show.
        unlabelled: Their pixels of which nothing is told.
        objects: Objects that the training images show; None where they are not told apart.
        head: The ``to_dict`` of the head's spec: its kind, which maps it reads, and what it is.
        threshold: Of two classes, the probability of the second from which on a pixel is told to be of it; None where
            the most probable class is told.
        splitting: ``instances.Splitting.to_dict``: how objects are told apart; None where they are not.
        metrics: ``metrics.SegmentationReport.to_dict`` on held-out images; None where none were held out.
        folds: What cross-validation said; None where there was none.
    """

    files: ClassVar[tuple[str, ...]] = ("head", "training")

    classes: tuple[str, ...] = Field(min_length=2)
    has_background: bool
    training: tuple[int, ...]
    unlabelled: int = 0
    objects: int | None = None
    head: dict[str, Any]
    threshold: float | None = Field(default=None, ge=0, le=1)
    splitting: dict[str, Any] | None = None
    metrics: dict[str, Any] | None = None
    folds: FoldsRecord | None = None

    @model_validator(mode="after")
    def _agrees(self) -> SegmentationRecord:
        count = len(self.classes)
        if len(set(self.classes)) != count:
            raise ValueError("a class name comes twice")
        if len(self.training) != count:
            raise ValueError(f"{count} classes, but training of {len(self.training)}")
        if self.threshold is not None and count != 2:
            raise ValueError(f"a threshold is of two classes, and there are {count}")
        try:
            found, _ = self.report, self.deciding
        except (DataError, OverflowError) as error:
            raise ValueError(f"metrics or splitting: {error}") from error
        if found is not None and found.classes != self.classes:
            raise ValueError("metrics: they are of other classes than the model's")
        return self

    @property
    def report(self) -> SegmentationReport | None:
        """Figures on held-out images; None where none were held out."""
        return None if self.metrics is None else SegmentationReport.from_dict(self.metrics)

    @property
    def deciding(self) -> Deciding:
        """How its probabilities become labels and objects."""
        return Deciding(self.threshold, None if self.splitting is None else Splitting.from_dict(self.splitting))


SegmenterRecord = ModelRecord[SegmentationRecord]
"""The whole record of a segmenter."""
