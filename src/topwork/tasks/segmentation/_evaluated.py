"""What images with masks say of a segmenter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from topwork._arrays import Float32Array
from topwork.data import LeftOut, MaskDataset
from topwork.features import FeatureTable
from topwork.metrics import MaskCounts, SegmentationReport, mask_counts, segmentation_report
from topwork.tasks.segmentation._decide import decided, semantic, whole
from topwork.tasks.segmentation.network import Placed, SegmentationHead, strips


@dataclass(frozen=True, eq=False)
class SegmentationEvaluated:
    """What an evaluation gave.

    Attributes:
        report: The figures with their intervals.
        split: The split of the data that was measured; empty where the data has none.
        seen_in_training: Whether the model was made from these data, or from some of these images, so that the figures
            are better than it is.
        dataset: The images that were measured, row by row; under ``left_out`` those that could not be read and count in
            no figure.
        counts: What each image adds to the figures.
        trained: How many of them the model was made from, byte for byte; None where it cannot tell.
    """

    report: SegmentationReport
    split: str
    seen_in_training: bool
    dataset: MaskDataset
    counts: tuple[MaskCounts, ...]
    trained: int | None = None

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Images that could not be read."""
        return self.dataset.left_out


def counted(
    table: FeatureTable,
    head: SegmentationHead,
    threshold: float | None,
    *,
    done: Callable[[int, int], None] | None = None,
) -> Iterator[MaskCounts]:
    """What each image of a table adds to the figures, one at a time: no mask is kept."""
    dataset: MaskDataset = table.dataset
    for row, (height, width) in enumerate(dataset.sizes.tolist()):
        logits = head.logits(np.asarray(table.values[row : row + 1], np.float32))[0]
        placed = Placed.of(head.spec.grid, table.backbone.preprocessing, height, width)
        yield _of_one(dataset, row, whole(strips(logits, placed)), threshold)
        if done is not None:
            done(row + 1, len(table))


def _of_one(dataset: MaskDataset, row: int, probabilities: Float32Array, threshold: float | None) -> MaskCounts:
    count = len(dataset.classes)
    told = semantic(probabilities, count)
    how = {"has_background": dataset.has_background, "probabilities": told}
    return mask_counts(dataset.mask(row), decided(told, threshold), count, **how)  # type: ignore[arg-type]


def measure(
    table: FeatureTable,
    head: SegmentationHead,
    *,
    threshold: float | None,
    trained: npt.NDArray[np.uint64] | None = None,
    split: str = "",
    seen_in_training: bool = False,
    seed: int = 0,
) -> SegmentationEvaluated:
    """Measure a head on features of images with known masks, in the columns that it reads.

    Args:
        table: One row or more.
        head: Of the table's classes.
        threshold: Of two classes, the probability of the second from which on a pixel is told to be of it.
        trained: Digests of the images that the head has learnt from, ascending.
        split: What the images are to be called.
        seen_in_training: Whether the model is known to be made from them.
        seed: Of the bootstrap.
    """
    dataset: MaskDataset = table.dataset
    found = tuple(counted(table, head, threshold))
    overlap = None if trained is None or table.digests is None else int(np.isin(table.digests, trained).sum())
    report = segmentation_report(found, dataset.classes, has_background=dataset.has_background, seed=seed)
    return SegmentationEvaluated(report, split, seen_in_training or bool(overlap), dataset, found, overlap)
