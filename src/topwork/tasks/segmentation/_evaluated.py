"""What images with masks say of a segmenter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from topwork._arrays import Float32Array
from topwork.data import LeftOut, MaskDataset
from topwork.features import Progress
from topwork.heads import one_thread
from topwork.metrics import MaskCounts, PixelConfidences, SegmentationReport, mask_counts, segmentation_report
from topwork.tasks.segmentation._decide import Deciding, semantic, whole
from topwork.tasks.segmentation._seen import Seen
from topwork.tasks.segmentation._told import told
from topwork.tasks.segmentation.network import Placed, SegmentationHead, Strip, strips


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


def probabilities_of(seen: Seen, head: SegmentationHead) -> Callable[[int, Float32Array], Float32Array]:
    """Of a row and its maps the probabilities (K, H, W) of the image's own pixels."""
    return lambda row, maps: whole(_strips(seen, head, row, maps))


def _strips(seen: Seen, head: SegmentationHead, row: int, maps: Float32Array) -> Iterator[Strip]:
    height, width = seen.dataset.sizes[row].tolist()
    return strips(head.logits(maps[None])[0], Placed.of(head.spec.grid, seen.backbone.preprocessing, height, width))


def counted(
    seen: Seen, head: SegmentationHead, deciding: Deciding, progress: Progress | None = None
) -> tuple[MaskCounts, ...]:
    """What each image adds to the figures: no mask is kept, and probabilities are never held whole."""

    def of_one(row: int, maps: Float32Array) -> MaskCounts:
        return counted_in(_strips(seen, head, row, maps), seen.dataset, row, deciding)

    with one_thread():  # images share the cores
        return tuple(seen.each(of_one, progress=progress))


def counted_in(parts: Iterable[Strip], dataset: MaskDataset, row: int, deciding: Deciding) -> MaskCounts:
    """What one image adds.

    Args:
        parts: What is said of it, from the top to the bottom.
        dataset: Where it is.
        row: Its row there.
        deciding: How probabilities become labels and objects.
    """
    truth, count, background = dataset.mask(row), len(dataset.classes), dataset.has_background
    confidences = PixelConfidences(count)

    def watched() -> Iterator[Strip]:
        for part in parts:
            rows = slice(part.top, part.top + part.probabilities.shape[1])
            confidences.add(truth.labels[rows], semantic(part.probabilities, count))
            yield part

    found = told(watched(), truth.labels.shape, deciding, count, has_background=background)
    how = {"has_background": background, "probabilities": confidences, "objects": found.objects}
    return mask_counts(truth, found.labels, count, **how)  # type: ignore[arg-type]


def measure(
    seen: Seen,
    head: SegmentationHead,
    deciding: Deciding,
    *,
    trained: npt.NDArray[np.uint64] | None = None,
    split: str = "",
    seen_in_training: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
    counts: tuple[MaskCounts, ...] | None = None,
) -> SegmentationEvaluated:
    """Measure a head on images with known masks.

    Args:
        seen: One row or more.
        head: Of the data set's classes.
        deciding: How its probabilities become labels and objects.
        trained: Digests of the images that the head has learnt from, ascending.
        split: What the images are to be called.
        seen_in_training: Whether the model is known to be made from them.
        seed: Of the bootstrap.
        progress: Called with (images done, images in all).
        counts: What each image adds, where that is known.
    """
    dataset = seen.dataset
    found = counted(seen, head, deciding, progress) if counts is None else counts
    overlap = None if trained is None else int(np.isin(seen.digests, trained).sum())
    report = segmentation_report(found, dataset.classes, has_background=dataset.has_background, seed=seed)
    return SegmentationEvaluated(report, split, seen_in_training or bool(overlap), dataset, found, overlap)
