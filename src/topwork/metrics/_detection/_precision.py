"""Average precision and recall from matches, for images drawn any number of times: as they are, or resampled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from topwork._arrays import BoolArray, Float32Array, Float64Array
from topwork.metrics._detections import Detections
from topwork.metrics._intervals import RESAMPLES, resample

from ._boxes import Objects, checked
from ._matching import LIMIT, SIZES, Matches, match, match_at

RECALLS = np.linspace(0, 1, 101)
"""The recalls at which COCO reads off precision."""
MOST = (1, 10, 100)
"""The detections an image and class that average recall is given for."""
_EPSILON = float(np.spacing(1))  # as COCO has it
_BLOCK_ELEMENTS = 4_000_000  # 16 MB of weights at a time


class Averages(NamedTuple):
    """Of r resamples; NaN where a class has no object that counts."""

    precision: Float64Array  # (C, A, T, r)
    recall: Float64Array  # (C, 3, r): at 1, 10 and 100 detections, over all sizes, mean over overlaps


def as_they_are(matches: Matches) -> Float32Array:
    """Counts (N, 1): each image once."""
    return np.ones((matches.n_images, 1), np.float32)


def averages(matches: Matches, counts: Float32Array) -> Averages:
    """Average precision and recall where image n is drawn counts[n, r] times; counts (N, r) are whole."""
    sizes, ious, _ = matches.right.shape
    precision = np.full((matches.n_classes, sizes, ious, counts.shape[1]), np.nan)
    recall = np.full((matches.n_classes, len(MOST), counts.shape[1]), np.nan)
    for place in range(matches.n_classes):
        for part in _columns(matches, place, counts.shape[1]):
            _of_class(matches, place, counts[:, part], (precision[place, ..., part], recall[place, :, part]))
    return Averages(precision, recall)


def _columns(matches: Matches, place: int, width: int) -> Iterator[slice]:
    """Parts of the resamples, each with few enough weights of the class's detections."""
    mine, _ = matches.of_class(place)
    step = max(1, _BLOCK_ELEMENTS // max(1, mine.stop - mine.start))
    return (slice(first, first + step) for first in range(0, width, step))


def _of_class(matches: Matches, place: int, counts: Float32Array, out: tuple[Float64Array, Float64Array]) -> None:
    """Fill in the average precision (A, T, r) and recall (3, r) of one class."""
    mine, theirs = matches.of_class(place)
    right, valid = matches.right[..., mine], ~matches.ignored[..., mine]
    drawn = counts[matches.found.rows[mine]]
    positives = matches.counted[:, theirs].astype(np.float32) @ counts[matches.truth.rows[theirs]]
    precision, recall = out
    for size in range(len(right)):
        known = positives[size] > 0
        total = np.where(known, positives[size], 1).astype(np.float64)
        for iou, each in enumerate(_areas(drawn, right[size], valid[size], total)):
            precision[size, iou] = np.where(known, each, np.nan)
        if size == 0:
            first = matches.ranks[mine] < np.array(MOST)[:, None, None]
            found = (right[0] & first).astype(np.float32) @ drawn
            recall[:] = np.where(known, (found / total).mean(axis=1), np.nan)


def _areas(drawn: Float32Array, right: BoolArray, valid: BoolArray, total: Float64Array) -> Iterator[Float64Array]:
    """For each overlap the area (r,) under the curve of precision over recall.

    Only where an object is found does the curve rise, so no other place is kept. What counts at every overlap is added
    up once; the few that count only at some are added to that.
    """
    always: BoolArray = np.logical_and.reduce(valid, axis=0)
    base = np.cumsum(drawn * always[:, None], axis=0)
    for hit, also in zip(right, valid & ~always, strict=True):
        hits, extra = np.flatnonzero(hit), np.flatnonzero(also)
        said = base[hits].astype(np.float64)
        if extra.size:
            more = np.cumsum(drawn[extra], axis=0)
            behind = np.searchsorted(extra, hits, "right")
            said += np.where(behind[:, None] > 0, more[behind - 1], 0)
        yield _area(np.cumsum(drawn[hits], axis=0, dtype=np.float64), said, total)


def _area(found: Float64Array, said: Float64Array, total: Float64Array) -> Float64Array:
    """The mean over COCO's recalls of the best precision (r,) at that recall or a higher one.

    Rows are the detections that are right: found (K, r) of total (r,) objects, among said (K, r) detections.
    """
    best = best_precision(found, said)
    reached = np.searchsorted(RECALLS, found / total, "right")
    steps = np.diff(reached, axis=0, prepend=0)
    area: Float64Array = (best * steps).sum(axis=0) / len(RECALLS)
    return area


def best_precision(found: Float64Array, said: Float64Array) -> Float64Array:
    """Of detections that are right, by falling score: the precision (K, r) there or, if it is better, further on."""
    precision = found / (said + _EPSILON)
    best: Float64Array = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    return best


def precision50(matches: Matches, counts: Float32Array) -> Float64Array:
    """The mean over classes (r,) of average precision of all sizes at the first overlap."""
    return mean_over_classes(averages(matches, counts).precision[:, 0, 0])


def mean_over_classes(values: Float64Array) -> Float64Array:
    """The mean over axis 0 of the classes that have a value; NaN where none has."""
    known = np.isfinite(values)
    many = known.sum(axis=0)
    mean: Float64Array = np.where(known, values, 0).sum(axis=0) / np.maximum(many, 1)
    return np.where(many > 0, mean, np.nan)


def average_precision50(truth: Sequence[Objects], found: Sequence[Detections], n_classes: int) -> float:
    """COCO's AP50: the mean over classes of average precision, where half an overlap is enough.

    Light enough for every epoch of a training. It is the figure of `detection_report` without its interval.

    Args:
        truth: N images' objects.
        found: N images' detections.
        n_classes: C.

    Returns:
        From 0 to 1; NaN where no image has an object that counts.

    Raises:
        DataError: No images, other numbers of both, boxes, scores or labels that are none.
    """
    matches = match_at(truth, found, n_classes, limit=LIMIT)
    return float(precision50(matches, as_they_are(matches))[0])


def average_precision50_resampled(
    truth: Sequence[Objects], found: Sequence[Detections], n_classes: int, *, seed: int = 0, resamples: int = RESAMPLES
) -> Float64Array:
    """``average_precision50`` of resamples of the images, (r,): what bootstraps of several detectors are made of.

    The same seed draws the same images, so that two detectors' figures are paired. NaN where no object was drawn. Takes
    and raises what `average_precision50` does.
    """
    matches = match_at(truth, found, n_classes, limit=LIMIT)
    return np.concatenate([precision50(matches, counts) for counts in resample(len(truth), seed, resamples)])


def average_precision_of_boxes(truth: Sequence[Objects], found: Sequence[Detections], n_classes: int) -> float:
    """COCO's AP: the mean over classes and overlaps from 0.5 to 0.95 of average precision.

    As light as `average_precision50`, and takes, gives and raises what that does.
    """
    matches = match(*checked(truth, found, n_classes), n_classes, len(truth), sizes=SIZES[:1])
    each = averages(matches, as_they_are(matches)).precision[:, 0].mean(axis=1)
    return float(mean_over_classes(each)[0])
