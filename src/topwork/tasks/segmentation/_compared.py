"""Two segmenters on the same images."""

from __future__ import annotations

from dataclasses import dataclass, replace

from topwork.data import MaskDataset, quoted, read_masks
from topwork.errors import DataError
from topwork.features import Progress
from topwork.metrics import SegmentationComparison, compare_segmentations, segmentation_report
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
        second: Of the same classes, in whatever order.
        dataset: With the classes of the first.
        seed: Of the bootstrap.
        cache: Nothing is kept of maps: they are too large.
        progress: Called with (images done, images in all), for each model.
        tile: As both models' ``evaluate`` takes it.

    Raises:
        DataError: The models do not have the same classes, or not the same background; or an image changed during the
            run.
    """
    _require_same(first, second)
    one = first.evaluate(dataset, seed=seed, cache=cache, progress=progress, tile=tile)
    theirs = read_masks(dataset, classes=second.classes)
    other = second.evaluate(theirs, seed=seed, cache=cache, progress=progress, tile=tile)
    if one.dataset.paths != other.dataset.paths:
        raise DataError("an image changed during the run", hint="run it again")
    if first.classes != second.classes:
        other = _as_in(one, other, seed)
    how = {"has_background": dataset.has_background, "seed": seed}
    found = compare_segmentations(one.counts, other.counts, len(first.classes), **how)  # type: ignore[arg-type]
    return SegmentationCompared(one, other, found)


def _require_same(first: Segmenter, second: Segmenter) -> None:
    """Refuse models that tell of other things."""
    odd = sorted(set(first.classes) ^ set(second.classes))[:3]
    hint = "compare models of the same classes, or evaluate each by itself"
    if odd:
        why = f"{quoted(odd)} are in only one of them"
        raise DataError(f"the two models do not have the same classes: {why}", hint=hint)
    grounds = [model.classes[: int(model.record.task.has_background)] for model in (first, second)]
    if grounds[0] != grounds[1]:
        raise DataError("the two models do not have the same background", hint=hint)


def _as_in(one: SegmentationEvaluated, other: SegmentationEvaluated, seed: int) -> SegmentationEvaluated:
    """What one model said, told in another's order of the classes."""
    classes, background = one.dataset.classes, one.dataset.has_background
    places = [other.dataset.classes.index(name) for name in classes]
    counts = tuple(each.ordered(places) for each in other.counts)
    report = segmentation_report(counts, classes, has_background=background, seed=seed)
    return replace(other, report=report, counts=counts, dataset=one.dataset)
