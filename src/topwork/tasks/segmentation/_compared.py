"""Two segmenters on the same images."""

from __future__ import annotations

from dataclasses import dataclass

from topwork.data import MaskDataset
from topwork.errors import DataError
from topwork.features import Progress
from topwork.metrics import SegmentationComparison, compare_segmentations
from topwork.tasks.segmentation._evaluated import SegmentationEvaluated
from topwork.tasks.segmentation._model import Segmenter


@dataclass(frozen=True)
class SegmentationCompared:
    """Two segmenters' evaluations on the same images, and their difference on the same resamples of these."""

    first: SegmentationEvaluated
    second: SegmentationEvaluated
    comparison: SegmentationComparison


def compare(
    first: Segmenter,
    second: Segmenter,
    dataset: MaskDataset,
    *,
    seed: int = 0,
    cache: bool = True,
    progress: Progress | None = None,
    tile: int | None = None,
) -> SegmentationCompared:
    """Measure two segmenters on the same images and tell whether one is better or it may be chance.

    Args:
        first: One.
        second: Of the same classes in the same order.
        dataset: With the models' classes.
        seed: Of the bootstrap.
        cache: Nothing is kept of maps: they are too large.
        progress: Called with (images done, images in all), for each model.
        tile: As both models' ``evaluate`` takes it.

    Raises:
        DataError: The models do not have the same classes in the same order, or an image changed during the run.
    """
    if first.classes != second.classes:
        odd = sorted(set(first.classes) ^ set(second.classes))[:3]
        why = f"{', '.join(map(repr, odd))} are in only one of them" if odd else "they have them in another order"
        raise DataError(
            f"the two models do not have the same classes: {why}",
            hint="compare models of the same classes, or evaluate each by itself",
        )
    one = first.evaluate(dataset, seed=seed, cache=cache, progress=progress, tile=tile)
    other = second.evaluate(dataset, seed=seed, cache=cache, progress=progress, tile=tile)
    if one.dataset.paths != other.dataset.paths:
        raise DataError("an image changed during the run", hint="run it again")
    how = {"has_background": dataset.has_background, "seed": seed}
    found = compare_segmentations(one.counts, other.counts, len(first.classes), **how)  # type: ignore[arg-type]
    return SegmentationCompared(one, other, found)
