"""What every strategy of segmentation gives: a head, what it reads, and what it says of images it has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from topwork._arrays import IntpArray
from topwork.advising import Advice, Trial
from topwork.data import MaskDataset
from topwork.metrics import MaskCounts, SegmentationReport, segmentation_report
from topwork.tasks.segmentation._decide import Deciding
from topwork.tasks.segmentation._evaluated import counted
from topwork.tasks.segmentation._seen import Seen
from topwork.tasks.segmentation.network import SegmentationHead

if TYPE_CHECKING:
    from topwork.train import EpochRecord


@dataclass(frozen=True, eq=False)
class Judged:
    """What a segmenter says of images that it has not learnt from, as it will say it.

    Attributes:
        dataset: The images, with their masks.
        rows: (n,) their places in the strategy's table.
        counts: What each adds to the figures.
    """

    dataset: MaskDataset
    rows: IntpArray
    counts: tuple[MaskCounts, ...]

    @cached_property
    def report(self) -> SegmentationReport:
        """Figures of them, with intervals."""
        data = self.dataset
        return segmentation_report(self.counts, data.classes, has_background=data.has_background)

    @property
    def iou(self) -> float:
        """Mean intersection over union; 0 where nothing is to be found."""
        return 0.0 if self.report.iou is None else self.report.iou.value


def judged(head: SegmentationHead, table: Seen, rows: IntpArray, deciding: Deciding | None = None) -> Judged:
    """What a head says of some rows, by the code that predicts."""
    part = table.select(rows)
    return Judged(part.dataset, rows, counted(part, head, deciding or Deciding()))


@dataclass(frozen=True)
class Fitted:
    """A segmenter.

    Attributes:
        head: Maps to classes of pixels.
        table: Every row of the data set that can be read, and the way to its maps by the backbone that is kept.
        validation: What it says of images that it has not learnt from; None where there were none to set aside.
        deciding: How its probabilities become labels and objects.
        strategy: Which rung it stands on.
        trials: What was compared on the way, the winners marked.
        history: What each epoch of the training gave.
        notes: What the user should know.
        advice: Of the climb that chose the strategy; None where it was named.
    """

    head: SegmentationHead
    table: Seen
    validation: Judged | None = None
    deciding: Deciding = field(default_factory=Deciding)
    strategy: Literal["probe", "decoder", "finetune", "as-is", "zero-shot"] = "probe"
    trials: tuple[Trial, ...] = ()
    history: tuple[EpochRecord, ...] = ()
    notes: tuple[str, ...] = ()
    advice: Advice | None = None

    @property
    def head_kind(self) -> str:
        """What is written down as ``head``."""
        return str(self.head.spec.to_dict()["kind"])

    @property
    def cross_validation(self) -> Mapping[str, float]:
        """Nothing: a segmenter is validated on images that are set aside once."""
        return {}
