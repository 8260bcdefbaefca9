"""From which score on a detection is shown: a threshold for each class, and what thresholds give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from topwork._arrays import BoolArray, Float32Array, Float64Array
from topwork.errors import DataError
from topwork.metrics._decision import allowed_misses
from topwork.metrics._detections import Detections
from topwork.metrics._estimates import rate, share
from topwork.metrics._intervals import RESAMPLES, resample
from topwork.metrics._values import Estimate, Saved

from ._boxes import Objects
from ._matching import Matches, match_at


@dataclass(frozen=True)
class OperatingPoint:
    """What a threshold gives.

    Attributes:
        boxes: Number of objects, crowds left out.
        right: Objects that were found.
        inventions: Detections from the threshold on that are no object, or one that was found already.
        precision: Share of what is shown that is right; None where nothing is shown.
        recall: Share of the objects that are found; None where there are none.
        f1: Of both; None where there are no objects.
        misses_per_image: Objects that were not found.
        inventions_per_image: False alarms.
    """

    boxes: int
    right: int
    inventions: int
    precision: Estimate | None
    recall: Estimate | None
    f1: Estimate | None
    misses_per_image: Estimate
    inventions_per_image: Estimate

    @property
    def misses(self) -> int:
        """Objects that were not found."""
        return self.boxes - self.right


@dataclass(frozen=True)
class OperatingReport(Saved):
    """What thresholds give on labelled images, with 95 % bootstrap intervals over images.

    Attributes:
        images: How many there are.
        iou: The overlap from which on a detection is right.
        classes: Class names, in index order.
        thresholds: Of each class.
        overall: Of all classes together.
        per_class: One for each class, in index order.
    """

    images: int
    iou: float
    classes: tuple[str, ...]
    thresholds: tuple[float, ...]
    overall: OperatingPoint
    per_class: tuple[OperatingPoint, ...]

    _what = "report of thresholds"

    def __post_init__(self) -> None:
        if not len(self.classes) == len(self.thresholds) == len(self.per_class):
            raise ValueError(
                f"{len(self.classes)} classes, {len(self.thresholds)} thresholds, {len(self.per_class)} points"
            )


@dataclass(frozen=True)
class DetectionThresholds(Saved):
    """A threshold for each class, and what they give on the images that they were chosen on.

    Attributes:
        recall: The recall that was asked for; None of the best F1.
        own: Whether each class's threshold is its own. A class without an object to choose on has the one of all
            classes together.
        reached: Whether each class's recall is what was asked for, and can be expected of new objects; true of F1.
        report: What the thresholds give. They were chosen on these images, so it is a little too good; `at_thresholds`
            gives it on others.
    """

    recall: float | None
    own: tuple[bool, ...]
    reached: tuple[bool, ...]
    report: OperatingReport

    _what = "choice of thresholds"

    def __post_init__(self) -> None:
        if not len(self.own) == len(self.reached) == len(self.report.classes):
            raise ValueError(f"{len(self.report.classes)} classes, {len(self.own)} choices")

    @property
    def values(self) -> tuple[float, ...]:
        """The thresholds, in index order: a detection is shown from its class's score on."""
        return self.report.thresholds


def detection_thresholds(
    truth: Sequence[Objects],
    found: Sequence[Detections],
    classes: Sequence[str],
    *,
    recall: float | None = None,
    iou: float = 0.5,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> DetectionThresholds:
    """Choose a threshold for each class on images that the detector has not learnt from.

    Without a recall it is the one of the best F1 (of equal ones the highest). With one it is the highest that finds so
    many of the class's objects, which raises the fewest false alarms; as `recall_threshold` does, it leaves room for
    the next object where there are enough of them. Where even all detections find fewer, it is the lowest score that
    finds any, and ``reached`` says so.

    Args:
        truth: N images' objects.
        found: N images' detections, all that were found.
        classes: C names.
        recall: Above 0 and below 1.
        iou: The overlap from which on a detection is right.
        seed: Of the bootstrap.
        resamples: How many.

    Raises:
        DataError: What `detection_report` refuses, a recall that is none, or no image has an object.
    """
    if recall is not None and not 0 < recall < 1:
        raise DataError(f"a recall of {recall:.4g} cannot be asked for", hint="Give one above 0 and below 1.")
    matches = match_at(truth, found, len(classes), iou=iou)
    if not matches.counted.any():
        raise DataError("no image that thresholds would be chosen on has an object", hint="Give images with boxes.")
    shared, _ = _chosen(*_scores(matches, slice(None), slice(None)), recall)
    chosen = []
    for place in range(len(classes)):
        scores, right, boxes = _scores(matches, *matches.of_class(place))
        own = _chosen(scores, right, boxes, recall) if boxes else (shared, recall is None)
        chosen.append((*own, boxes > 0))
    values, reached, known = zip(*chosen, strict=True)
    return DetectionThresholds(
        recall, known, reached, _report(matches, classes, np.array(values), iou, seed, resamples)
    )


def at_thresholds(
    truth: Sequence[Objects],
    found: Sequence[Detections],
    classes: Sequence[str],
    thresholds: Sequence[float] | float,
    *,
    iou: float = 0.5,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> OperatingReport:
    """What thresholds give: what is found, missed and invented on labelled images.

    The arguments are those of `detection_thresholds`, and a threshold for each class, or one for all.

    Raises:
        DataError: What `detection_report` refuses, or as many thresholds as there are no classes.
    """
    values = thresholds_of(thresholds, len(classes))
    return _report(match_at(truth, found, len(classes), iou=iou), classes, values, iou, seed, resamples)


def thresholds_of(given: Sequence[float] | float, n_classes: int) -> Float64Array:
    """(C,), where one for all may be given.

    Raises:
        DataError: As many as there are no classes, or one that is no number.
    """
    values = np.array(given, np.float64) if np.ndim(given) else np.full(n_classes, given)
    if values.shape != (n_classes,) or not np.isfinite(values).all():
        raise DataError(f"{n_classes} classes, but thresholds {values.tolist()}", hint="Give one for each class.")
    return values


def _scores(matches: Matches, mine: slice, theirs: slice) -> tuple[Float64Array, BoolArray, int]:
    """Scores (d,) of the detections that count, falling, whether each is right, and the number of objects."""
    kept = ~matches.ignored[0, 0, mine]
    scores, right = matches.found.scores[mine][kept], matches.right[0, 0, mine][kept]
    order = np.argsort(-scores, kind="stable")
    return scores[order], right[order], int(matches.counted[0, theirs].sum())


def _chosen(scores: Float64Array, right: BoolArray, boxes: int, recall: float | None) -> tuple[float, bool]:
    """A threshold, and whether it gives what was asked for; 1 where nothing is right."""
    hits = np.flatnonzero(right)
    if not hits.size:
        return 1.0, recall is None
    if recall is None:
        last = np.append(scores[1:] != scores[:-1], True)  # equal scores are shown together
        f1 = 2 * np.cumsum(right) / (np.arange(1, len(right) + 1) + boxes)
        return float(scores[np.where(last, f1, -1).argmax()]), True
    misses, enough = allowed_misses(boxes, recall)
    needed = boxes - misses
    return float(scores[hits[min(needed, len(hits)) - 1]]), enough and len(hits) >= needed


def _report(
    matches: Matches, classes: Sequence[str], thresholds: Float64Array, iou: float, seed: int, resamples: int
) -> OperatingReport:
    images = matches.n_images
    tables = _tables(matches, thresholds)
    ones = np.ones((images, 1), np.float32)
    values = _figures(tables, ones)[..., 0]
    drawn = np.concatenate([_figures(tables, counts) for counts in resample(images, seed, resamples)], axis=2)
    totals = tables.sum(axis=2).astype(int)
    totals = np.concatenate([totals.sum(axis=1, keepdims=True), totals], axis=1)
    overall, *per_class = (_point(*each, images) for each in zip(totals.T, values.T, drawn.swapaxes(0, 1), strict=True))
    return OperatingReport(images, iou, tuple(classes), tuple(thresholds.tolist()), overall, tuple(per_class))


def _tables(matches: Matches, thresholds: Float64Array) -> Float32Array:
    """Objects, right detections and those shown (3, C, N) of each class in each image."""
    found, truth = matches.found, matches.truth
    shown = (found.scores >= thresholds[found.labels]) & ~matches.ignored[0, 0]
    right = shown & matches.right[0, 0]
    size = matches.n_classes * matches.n_images
    keys = found.labels * matches.n_images + found.rows
    there = (truth.labels * matches.n_images + truth.rows)[matches.counted[0]]
    tables = [np.bincount(each, minlength=size) for each in (there, keys[right], keys[shown])]
    return np.stack(tables).reshape(3, matches.n_classes, matches.n_images).astype(np.float32)


def _figures(tables: Float32Array, counts: Float32Array) -> Float64Array:
    """Precision, recall, F1, misses and inventions an image (5, 1 + C, r): all classes together, then each."""
    each = (tables @ counts).astype(np.float64)
    boxes, right, shown = np.concatenate([each.sum(axis=1, keepdims=True), each], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = right / shown, right / boxes, np.where(boxes > 0, 2 * right / (shown + boxes), np.nan)
    return np.stack([*shares, (boxes - right) / len(counts), (shown - right) / len(counts)])


def _point(totals: Float64Array, values: Float64Array, drawn: Float64Array, images: int) -> OperatingPoint:
    boxes, right, shown = totals.tolist()
    precision, recall, f1 = (share(*each, images) for each in zip(values[:3], drawn[:3], strict=True))
    misses, inventions = (rate(*each, images) for each in zip(values[3:], drawn[3:], strict=True))
    return OperatingPoint(boxes, right, shown - right, precision, recall, f1, misses, inventions)
