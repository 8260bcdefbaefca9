"""How good a segmentation is on images that it has not seen, with intervals over images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import PlainSerializer, PlainValidator, ValidationInfo

from topwork._arrays import Float64Array, Int64Array
from topwork._html import html_table
from topwork.metrics._estimates import offset, rate, share
from topwork.metrics._evaluation import cells_of, from_cells
from topwork.metrics._intervals import RESAMPLES
from topwork.metrics._values import Estimate, ReliabilityBin, Saved, as_percent

from ._counts import MaskCounts
from ._figures import ObjectSums, PixelSums, checked, ratio, summed, values_and_draws
from ._objects import IOUS

FIGURES = ("iou", "dice", "iou_of_images", "dice_of_images", "boundary_f1")


def _table(cells: Any, others: ValidationInfo) -> Int64Array:
    return from_cells(cells, others)


@dataclass(frozen=True)
class MaskClassReport:
    """One class of a segmentation's test set. None where the class neither is there nor was said.

    Attributes:
        name: The class.
        pixels: How many are of it.
        images: How many show it.
        iou: Intersection over union of the pixels of all images together.
        dice: Twice the intersection over the sum of both: F1 of pixels, of all images together.
        iou_of_images: Mean over the images that show it, or were said to.
        dice_of_images: The same of Dice.
        boundary_f1: Mean over images of F1 of its outline's pixels that lie near the other outline.
    """

    name: str
    pixels: int
    images: int
    iou: Estimate | None
    dice: Estimate | None
    iou_of_images: Estimate | None
    dice_of_images: Estimate | None
    boundary_f1: Estimate | None


@dataclass(frozen=True)
class ObjectMaskReport:
    """The objects of one class.

    Attributes:
        name: The class.
        objects: How many there are.
        found: How many were found, right or not.
        ap: Right / (right + invented + missed), mean over overlaps from 0.5 to 0.95; None where there are none of both.
        ap50: The same at an overlap of 0.5.
        pq: Panoptic quality.
        sq: Mean overlap of those that are right; None where none is.
        rq: F1 of objects.
    """

    name: str
    objects: int
    found: int
    ap: Estimate | None
    ap50: Estimate | None
    pq: Estimate | None
    sq: Estimate | None
    rq: Estimate | None


@dataclass(frozen=True)
class ObjectsReport:
    """How well objects were told apart. Means over the foreground classes that have objects.

    Average precision is no area under a curve here, but right / (right + invented + missed). Sources: the Data Science
    Bowl 2018 and StarDist (Schmidt et al. 2018, "Cell Detection with Star-Convex Polygons"); Kirillov et al. 2019,
    "Panoptic Segmentation".

    Attributes:
        objects: How many there are.
        found: How many were found, right or not.
        ap: Mean over overlaps (intersection over union) 0.5, 0.55 to 0.95, of all images' objects together.
        ap_by_iou: At each of the ten overlaps.
        ap_of_images: Mean over images of each one's own, over all overlaps.
        ap50_of_images: The same at an overlap of 0.5.
        pq: Panoptic quality, ``sq`` times ``rq`` of one class.
        sq: Mean overlap of the objects that are right.
        rq: F1 of objects at an overlap above 0.5.
        count_error: How far the number found in an image is off, mean over images.
        count_bias: The number found in an image less the true one, mean over images.
        per_class: One for each class, in index order; background has none.
    """

    objects: int
    found: int
    ap: Estimate | None
    ap_by_iou: tuple[Estimate | None, ...]
    ap_of_images: Estimate | None
    ap50_of_images: Estimate | None
    pq: Estimate | None
    sq: Estimate | None
    rq: Estimate | None
    count_error: Estimate
    count_bias: Estimate
    per_class: tuple[ObjectMaskReport, ...]

    def __post_init__(self) -> None:
        if len(self.ap_by_iou) != len(IOUS):
            raise ValueError(f"expected an average precision at {len(IOUS)} overlaps, got {len(self.ap_by_iou)}")

    @property
    def ap50(self) -> Estimate | None:
        """At an overlap of 0.5: the figure that is quoted of nuclei."""
        return self.ap_by_iou[0]


@dataclass(frozen=True)
class PixelCalibration:
    """Whether probabilities are what they say: of pixels of 0.8, four in five should be right.

    Attributes:
        ece: Expected calibration error over 15 bins; None where no pixel is labelled.
        reliability: The bins that hold a pixel, by rising confidence; their ``images`` are pixels.
    """

    ece: Estimate | None
    reliability: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, eq=False)
class SegmentationReport(Saved):
    """How a segmentation did on images with masks, each figure with a 95 % bootstrap interval over images.

    Means are over the foreground classes (all but background, where there is one) that are there or were said to be,
    and None where none is. Unlabelled pixels count nowhere. Figures without ``of_images`` are of the pixels of all
    images together, so a large image weighs more; ``boundary_f1`` is of images, as it is published.

    Attributes:
        images: How many there are.
        pixels: How many are labelled.
        unlabelled: How many are not.
        classes: C class names, in index order.
        has_background: Whether the first class is background.
        accuracy: Share of pixels that are right, background included.
        iou: Mean intersection over union, the headline figure.
        dice: Mean Dice: F1 of pixels.
        iou_of_images: Mean over images of each one's own.
        dice_of_images: The same of Dice.
        boundary_f1: F1 of outlines: which share lies within the tolerance of the other outline.
        tolerance: In pixels, of the smallest and of the largest image.
        per_class: One for each class, in index order.
        table: (C, C) int64, pixels; rows are the true class, columns what was said.
        calibration: Of the probabilities of pixels; None where none were given.
        objects: Of objects; None where they are not told apart.
        resamples: Of the bootstrap.
    """

    images: int
    pixels: int
    unlabelled: int
    classes: tuple[str, ...]
    has_background: bool
    accuracy: Estimate | None
    iou: Estimate | None
    dice: Estimate | None
    iou_of_images: Estimate | None
    dice_of_images: Estimate | None
    boundary_f1: Estimate | None
    tolerance: tuple[float, float]
    per_class: tuple[MaskClassReport, ...]
    table: Annotated[Int64Array, PlainValidator(_table), PlainSerializer(cells_of)]
    calibration: PixelCalibration | None
    objects: ObjectsReport | None
    resamples: int

    _what = "report of a segmentation"

    def __post_init__(self) -> None:
        size = len(self.classes)
        if self.images < 1 or self.table.shape != (size, size) or int(self.table.sum()) != self.pixels:
            raise ValueError(f"{self.images} images and {self.pixels} pixels, which are not those of the table")
        if tuple(each.name for each in self.per_class) != self.classes:
            raise ValueError("classes are not those of their reports")
        if [each.pixels for each in self.per_class] != self.table.sum(axis=1).tolist():
            raise ValueError("pixels of classes are not those of the table")

    @property
    def measured(self) -> int:
        """Number of foreground classes that are there: the others have no true pixel here."""
        return sum(each.pixels > 0 for each in self.per_class[int(self.has_background) :])

    def figures(self) -> tuple[tuple[str, Estimate | None], ...]:
        """Names and figures that are shares, the headline first."""
        own = [
            ("mean IoU", self.iou),
            ("mean Dice", self.dice),
            ("mean IoU of images", self.iou_of_images),
            ("mean Dice of images", self.dice_of_images),
            ("boundary F1", self.boundary_f1),
            ("pixel accuracy", self.accuracy),
        ]
        if self.objects is not None:
            of = self.objects
            own += [("AP50 of objects", of.ap50), ("AP of objects", of.ap), ("PQ", of.pq), ("SQ", of.sq), ("RQ", of.rq)]
        return tuple(own)

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        missing = len(self.classes) - int(self.has_background) - self.measured
        note = f"Not measured: {missing} of the {len(self.classes)} classes, of which there is no pixel here"
        rows = [(name, as_percent(each)) for name, each in self.figures()]
        title = f"{len(self.classes)} classes, n = {self.images:,} images with {self.pixels:,} labelled pixels"
        return html_table(title, ("metric", "value (95 % interval)"), rows, notes=[note] if missing else [])


def segmentation_report(
    counts: Sequence[MaskCounts],
    classes: Sequence[str],
    *,
    has_background: bool,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> SegmentationReport:
    """Measure a segmentation on images that it has not seen, from what `mask_counts` gave of each.

    Args:
        counts: Of N images.
        classes: C names.
        has_background: Whether the first is no object, and no mean counts it.
        seed: Of the bootstrap.
        resamples: How many, at least 1.

    Raises:
        DataError: No images, counts of other classes, or only some with objects or probabilities.
    """
    checked(counts, len(classes))
    sums, images, size = PixelSums.of(counts, has_background), len(counts), len(classes)
    values, drawn = values_and_draws(sums.figures(), images, seed, resamples)
    seen = sums.seen()
    any_seen = int(((sums.true + sums.said)[:, sums.first :].sum(axis=1) > 0).sum())
    of = [images, *[any_seen] * len(FIGURES), *seen.tolist() * len(FIGURES)]
    estimates = [share(*each) for each in zip(values, drawn, of, strict=True)]
    means, by_class = estimates[1 : 1 + len(FIGURES)], estimates[1 + len(FIGURES) :]
    blocks = [by_class[each * size : (each + 1) * size] for each in range(len(FIGURES))]
    table = sum((each.confusion for each in counts), np.zeros((size, size), np.int64))
    there = zip(classes, table.sum(axis=1).tolist(), (sums.true > 0).sum(axis=0).tolist(), *blocks, strict=True)
    near = [each.tolerance for each in counts]
    return SegmentationReport(
        images=images,
        pixels=int(table.sum()),
        unlabelled=sum(each.unlabelled for each in counts),
        classes=tuple(classes),
        has_background=has_background,
        accuracy=estimates[0],
        **dict(zip(FIGURES, means, strict=True)),
        tolerance=(min(near), max(near)),
        per_class=tuple(MaskClassReport(*each) for each in there),
        table=table,
        calibration=_calibration(counts, seed, resamples),
        objects=_objects(ObjectSums.of(counts, has_background), classes, seed, resamples),
        resamples=resamples,
    )


def _calibration(counts: Sequence[MaskCounts], seed: int, resamples: int) -> PixelCalibration | None:
    given = [each.bins for each in counts if each.bins is not None]
    if not given:
        return None
    bins = np.stack(given)

    def at(weights: Float64Array) -> Float64Array:
        pixels, confidence, right = np.moveaxis(summed(bins, weights), 1, 0)  # (15, r) each
        return ratio(np.abs(right - confidence).sum(axis=0), pixels.sum(axis=0))[None]

    values, drawn = values_and_draws(at, len(counts), seed, resamples)
    held = [each for each in bins.sum(axis=0).tolist() if each[0]]
    reliability = tuple(ReliabilityBin(int(n), confidence / n, right / n) for n, confidence, right in held)
    return PixelCalibration(share(values[0], drawn[0], len(counts)), reliability)


def _objects(sums: ObjectSums | None, classes: Sequence[str], seed: int, resamples: int) -> ObjectsReport | None:
    if sums is None:
        return None
    there, found = sums.there_and_found()
    images, first, size = len(there), sums.first, len(classes)
    values, drawn = values_and_draws(sums.figures(), images, seed, resamples)
    seen = ((there + found) > 0).sum(axis=0).tolist()
    any_seen = int(((there + found)[:, first:].sum(axis=1) > 0).sum())
    heads = 1 + len(IOUS) + 2 + 3
    shares = [share(value, row, any_seen) for value, row in zip(values[:heads], drawn[:heads], strict=True)]
    ap, *at_each, ap_of_images, ap50_of_images, pq, sq, rq = shares
    error, bias = (of(values[each], drawn[each], images) for each, of in enumerate((rate, offset), heads))
    by_class = [share(*each) for each in zip(values[heads + 2 :], drawn[heads + 2 :], seen * 5, strict=True)]
    blocks = [by_class[each * size : (each + 1) * size] for each in range(5)]
    rows = list(zip(classes, there.sum(axis=0).tolist(), found.sum(axis=0).tolist(), *blocks, strict=True))
    return ObjectsReport(
        objects=int(there[:, first:].sum()),
        found=int(found[:, first:].sum()),
        ap=ap,
        ap_by_iou=tuple(at_each),
        ap_of_images=ap_of_images,
        ap50_of_images=ap50_of_images,
        pq=pq,
        sq=sq,
        rq=rq,
        count_error=error,
        count_bias=bias,
        per_class=tuple(ObjectMaskReport(*each) for each in rows[first:]),
    )
