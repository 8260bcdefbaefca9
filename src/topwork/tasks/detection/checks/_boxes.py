"""Findings on boxes as they stand in the data set: where they cannot be right, or a detector cannot find them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from topwork.checking import Case, Check, Examined, Finding, number, ranked, share
from topwork.data import BoxDataset, Boxes, printable
from topwork.tasks.detection.checks._cases import Doubles, boxes_of, found, severity, sides_of
from topwork.tasks.detection.checks._overlaps import intersection_over_union, nearly_equal

CELL = 8
"""Pixels of a cell of the finest map that the head reads: what is smaller shares its cell with what lies around."""

MOST = 100
"""Boxes that are found in an image at most, as in COCO's evaluation."""

SAME = 0.9  # intersection over union from which two boxes are one; people who draw one twice reach 0.8 to 0.9
AGREED = 0.5  # the same where two people mark one object, as evaluators have it
LONG, LONG_OF_MEDIAN = 8.0, 3.0  # longer over shorter side, and how far beyond half of the class's boxes
TINY_SHARE = 0.1  # of the boxes, above which their being tiny is a warning
EMPTY_SHARE = 0.5  # of the images, above which their having no box is a warning
BEYOND = 1.0  # pixels by which a box may reach beyond its image: a matter of rounding


def check_places(examined: Examined) -> Iterator[Finding]:
    """Boxes that reach beyond their image, and boxes in fractions of the image that were taken for pixels."""
    dataset: BoxDataset = examined.dataset
    corners, size = dataset.corners.astype(np.float64), dataset.sizes[dataset.rows_of_boxes][:, ::-1].astype(np.float64)
    fractions = _in_fractions(dataset)
    boxes, count = np.flatnonzero(fractions), len(corners)
    yield from found(
        dataset,
        "boxes-in-fractions",
        severity(len(boxes), count),
        [[box] for box in boxes.tolist()],
        1 - corners[boxes, 2],
        f"{boxes_of(len(boxes), count)} lie within one pixel of the corner, as fractions of the image do.",
        "multiply them by the image's width and height, or give them in a format that has fractions, such as YOLO's",
        lambda place: "{:.2f}, {:.2f} to {:.2f}, {:.2f}".format(*corners[boxes[place]]),
    )
    beyond = np.maximum(corners[:, 2:] - size, -corners[:, :2]).max(axis=1, initial=0)
    boxes = np.flatnonzero((beyond > BEYOND) & ~fractions)
    turned = int((corners[boxes][:, [3, 2]] <= size[boxes] + BEYOND).all(axis=1).sum())
    swapped = f"; {turned:,} of them would lie within it with x and y swapped" if 2 * turned > len(boxes) else ""
    yield from found(
        dataset,
        "boxes-beyond-image",
        severity(len(boxes), count),
        [[box] for box in boxes.tolist()],
        beyond[boxes],
        f"{boxes_of(len(boxes), count)} reach beyond their image{swapped}.",
        "check the order and the unit of the numbers, and whether the images were made smaller or turned afterwards",
        lambda place: f"by {beyond[boxes[place]]:,.0f} pixels",
    )


def _in_fractions(dataset: BoxDataset) -> npt.NDArray[np.bool_]:
    """(B,), boxes within the first pixel of an image that has more."""
    large = dataset.sizes[dataset.rows_of_boxes].min(axis=1, initial=2**31 - 1) > 2 * CELL
    return np.asarray((dataset.corners.max(axis=1, initial=0) <= 1) & large)


def check_overlaps(examined: Examined) -> Iterator[Finding]:
    """Boxes that are there twice, and nearly equal boxes of two classes."""
    dataset: BoxDataset = examined.dataset
    pairs, overlap = nearly_equal(dataset, SAME)
    same = dataset.labels[pairs[:, 0]] == dataset.labels[pairs[:, 1]]
    twice, two = pairs[same], pairs[~same]

    def doubled(place: int) -> str:
        name = printable(dataset.classes[dataset.labels[twice[place, 0]]])
        return f"two boxes of '{name}', overlap {overlap[same][place]:.0%}"

    def either(place: int) -> str:
        one, other = (printable(dataset.classes[dataset.labels[box]]) for box in two[place])
        return f"'{one}' and '{other}', overlap {overlap[~same][place]:.0%}"

    extra = len(np.unique(twice[:, 1]))
    yield from found(
        dataset,
        "nearly-equal-boxes",
        severity(extra, len(dataset.labels)),
        twice.tolist(),
        overlap[same],
        f"{number(len(twice), 'pair')} of nearly equal boxes of one class; {boxes_of(extra, len(dataset.labels))} are "
        "too many.",
        "remove one of each pair; a detector finds an object once, and the other box counts as missed",
        doubled,
    )
    yield from found(
        dataset,
        "boxes-of-two-classes",
        "warning",
        two.tolist(),
        overlap[~same],
        f"{number(len(two), 'pair')} of nearly equal boxes of two classes.",
        "look at them, and keep the right one; keep both only if an object may be of two classes",
        either,
    )


def tiny_at(size: int) -> Check:
    """The question which boxes are too small to be found in a square of so many pixels."""

    def check_tiny(examined: Examined) -> Iterator[Finding]:
        dataset: BoxDataset = examined.dataset
        shown = sides_of(dataset.corners) * size / np.maximum(dataset.sizes[dataset.rows_of_boxes][:, ::-1], 1)
        side = np.sqrt(shown.prod(axis=1))
        boxes = np.flatnonzero((side < CELL) & ~_in_fractions(dataset))
        count = len(side)
        yield from found(
            dataset,
            "tiny-boxes",
            "warning" if len(boxes) > TINY_SHARE * count else "note",
            [[box] for box in boxes.tolist()],
            CELL - side[boxes],
            f"{boxes_of(len(boxes), count)} are smaller than {CELL} pixels once their image is {size} × {size} pixels.",
            "train with a larger `--size`, or cut large images into tiles",
            lambda place: "{:.1f} × {:.1f} pixels".format(*shown[boxes[place]]),
        )

    return check_tiny


def check_shapes(examined: Examined) -> Iterator[Finding]:
    """Boxes far longer than wide, beyond what is usual of their class: often a slip of the mouse."""
    dataset: BoxDataset = examined.dataset
    sides = sides_of(dataset.corners)
    ratio = sides.max(axis=1, initial=0) / np.maximum(sides.min(axis=1, initial=np.inf), 1e-6)
    usual = _medians(ratio, dataset)
    boxes = np.flatnonzero((ratio > LONG) & (ratio > LONG_OF_MEDIAN * usual))
    yield from found(
        dataset,
        "extreme-boxes",
        "note",
        [[box] for box in boxes.tolist()],
        ratio[boxes],
        f"{boxes_of(len(boxes), len(ratio))} are more than {LONG:.0f} times as long as wide, and most of their "
        "class are not.",
        "look at them; a slip of the mouse makes such boxes",
        lambda place: "{:,.0f} × {:,.0f} pixels".format(*sides[boxes[place]]),
    )


def check_counts(examined: Examined) -> Iterator[Finding]:
    """Images without any box, and images with more boxes than are found in one."""
    dataset: BoxDataset = examined.dataset
    usable = np.flatnonzero(examined.usable)
    empty = usable[dataset.counts[usable] == 0]
    if len(empty):
        yield Finding(
            "images-without-boxes",
            "warning" if len(empty) > EMPTY_SHARE * len(usable) else "note",
            len(empty),
            f"{share(len(empty), len(usable))} have no box.",
            "make sure that nothing in them should have one; then they teach what is no object",
            ranked(Case((dataset.paths[row],)) for row in empty.tolist()),
        )
    full = usable[dataset.counts[usable] > MOST]
    if len(full):
        lost, count = int((dataset.counts[full] - MOST).sum()), len(dataset.labels)
        yield Finding(
            "crowded-images",
            "warning",
            len(full),
            f"{share(len(full), len(usable))} have more than {MOST} boxes, and a detector gives {MOST} at most: "
            f"{boxes_of(lost, count)} cannot be found.",
            "cut such images into tiles",
            ranked(
                Case(
                    (dataset.paths[row],), number(int(dataset.counts[row]), "box", "boxes"), float(dataset.counts[row])
                )
                for row in full.tolist()
            ),
        )


def check_conflicts(examined: Examined) -> Iterator[Finding]:
    """Copies of one image that have other boxes: what is measured is which of two answers the key happens to hold."""
    dataset: BoxDataset = examined.dataset
    groups = [rows for rows in examined.duplicates.exact if not _agree(dataset, rows)]
    if groups:
        count, usable = sum(map(len, groups)), int(examined.usable.sum())
        yield Finding(
            "box-conflicts",
            severity(count, usable),
            count,
            f"{number(count, 'image')} are exact copies with different boxes.",
            "look at them, keep the copy with the right boxes and remove the others",
            ranked(
                Case(
                    tuple(dataset.paths[row] for row in rows[:20]), f"{len(rows)} copies of one image", float(len(rows))
                )
                for rows in groups
            ),
        )


def _agree(dataset: BoxDataset, rows: Sequence[int]) -> bool:
    """Whether each box of the first row has one of its class about there in every other, and none has more."""
    first, *others = (dataset.boxes(row) for row in rows)
    return all(len(first) == len(each) and _partnered(first, each) and _partnered(each, first) for each in others)


def _partnered(boxes: Boxes, others: Boxes) -> bool:
    overlap = intersection_over_union(boxes.corners[:, None], others.corners[None])
    return bool(((overlap >= AGREED) & (boxes.labels[:, None] == others.labels[None])).any(axis=1).all())


def _medians(values: Doubles, dataset: BoxDataset) -> Doubles:
    """(B,), of each box the median among the boxes of its class."""
    known = [values[dataset.labels == label] for label in range(len(dataset.classes))]
    return np.array([np.median(each) if len(each) else 0.0 for each in known])[dataset.labels] if known else values
