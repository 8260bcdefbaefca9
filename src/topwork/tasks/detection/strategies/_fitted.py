"""What every strategy of detection gives: a head, what it reads, and what it says of images that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from topwork._arrays import IntpArray
from topwork.advising import Advice, Trial
from topwork.data import BoxDataset
from topwork.features import FeatureTable
from topwork.metrics import DetectionReport, Detections, Estimate, detection_report
from topwork.tasks.detection.network import AnyHead, in_image

if TYPE_CHECKING:
    from topwork.train import EpochRecord


@dataclass(frozen=True, eq=False)
class Judged:
    """What a detector says of images that it has not learnt from, as it will say it.

    Attributes:
        dataset: The images, with their boxes.
        rows: (n,) their places in the strategy's table.
        found: Detections in each, in pixels of the image.
    """

    dataset: BoxDataset
    rows: IntpArray
    found: tuple[Detections, ...]

    @cached_property
    def report(self) -> DetectionReport:
        """COCO's figures of them, with intervals."""
        return detection_report(self.dataset.all_boxes(), self.found, self.dataset.classes)

    def beats(self, other: Judged) -> bool:
        """Whether average precision, mean over overlaps, is higher on the same images."""
        return _value(self.report.ap) > _value(other.report.ap)

    @property
    def ap50(self) -> float:
        """Average precision at half an overlap, a mean over classes; 0 where there is nothing to be found."""
        return _value(self.report.ap50)


def _value(figure: Estimate | None) -> float:
    return 0.0 if figure is None else figure.value


def judged(head: AnyHead, table: FeatureTable, rows: IntpArray) -> Judged:
    """What a head says of some rows of a table, by the code that predicts."""
    part = table.select(rows)
    preprocessing = part.backbone.preprocessing
    found = head.detect(part.values)
    sizes = part.dataset.sizes.tolist()
    placed = (in_image(each, preprocessing, *size) for each, size in zip(found, sizes, strict=True))
    return Judged(part.dataset, rows, tuple(placed))


@dataclass(frozen=True)
class Fitted:
    """A detector.

    Attributes:
        head: Maps to boxes.
        table: Maps of every row of the data set, in the columns that the head reads, by the backbone that is kept.
        validation: What it says of the images that told when to stop.
        strategy: ``finetune``, or ``probe`` where the backbone is the pretrained one; ``as-is`` and ``zero-shot`` where
            nothing was trained.
        trials: What was compared on the way, the winners marked.
        history: What each epoch of the training gave.
        notes: What the user should know.
        advice: Of the climb that chose the strategy; None where it was named.
    """

    head: AnyHead
    table: FeatureTable
    validation: Judged
    strategy: Literal["probe", "finetune", "as-is", "zero-shot"] = "probe"
    trials: tuple[Trial, ...] = ()
    history: tuple[EpochRecord, ...] = ()
    notes: tuple[str, ...] = ()
    advice: Advice | None = None

    @property
    def head_kind(self) -> str:
        """What is written down as ``head``."""
        return "detector"

    @property
    def cross_validation(self) -> Mapping[str, float]:
        """Nothing: a detector is validated on images that are set aside once."""
        return {}
