"""Which detection is which object, by COCO's rules: once for all images, whatever is then counted of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from topwork._arrays import AnyArray, BoolArray, Float64Array, Int64Array, IntpArray
from topwork.metrics._detections import Detections

from ._boxes import Found, Objects, Truth, areas, blocks, checked, overlaps

IOUS = np.linspace(0.5, 0.95, 10)
"""The overlaps from which on a detection is right: COCO's ten."""
LIMIT = 100
"""The detections of a class in an image that count, the surest: COCO's most."""
_SMALL, _LARGE, _MOST = 32.0**2, 96.0**2, 1e5**2
SIZES = ((0.0, _MOST), (0.0, _SMALL), (_SMALL, _LARGE), (_LARGE, _MOST))
"""Areas in square pixels: all, and COCO's small, medium and large."""


class Matches(NamedTuple):
    """D detections by class, in it by falling score, of equal ones by row; B objects by class, in it by row.

    A sizes and T overlaps are told apart: for a size, objects of another are as a crowd is.
    """

    found: Found
    truth: Truth
    ranks: Int64Array  # (D,) place among the detections of the class in the image, from 0
    right: BoolArray  # (A, T, D) is an object that counts
    ignored: BoolArray  # (A, T, D) neither right nor wrong
    counted: BoolArray  # (A, B) objects that count
    partners: Int64Array  # (D,) the object, a place in truth, at the first size and overlap; -1: none
    n_classes: int
    n_images: int

    def of_class(self, place: int) -> tuple[slice, slice]:
        """Where a class's detections and objects lie."""
        bounds = [place, place + 1]
        cuts = np.searchsorted(self.found.labels, bounds), np.searchsorted(self.truth.labels, bounds)
        return slice(*cuts[0].tolist()), slice(*cuts[1].tolist())


def match(
    truth: Truth,
    found: Found,
    n_classes: int,
    n_images: int,
    *,
    ious: AnyArray = IOUS,
    sizes: tuple[tuple[float, float], ...] = SIZES,
    limit: int | None = LIMIT,
) -> Matches:
    """Match each class's detections with its objects, image by image, the surest detection first.

    Each takes the object that it overlaps most and that none has taken, of equal ones the last; an object that counts
    before one that does not. Source: pycocotools' ``COCOeval.evaluateImg``, whose results these are.
    """
    truth = truth.at(np.lexsort((truth.rows, truth.labels)))
    found, ranks = _ranked(found, limit)
    far = np.stack([_outside(areas(found.corners), size) for size in sizes])
    counted = ~np.stack([truth.crowd | _outside(areas(truth.corners), size) for size in sizes])
    shape = (len(sizes), len(ious), len(ranks))
    right, taken, partners = np.zeros(shape, bool), np.zeros(shape, bool), np.full(len(ranks), -1, np.int64)
    for mine, theirs in _groups(truth, found, n_images):
        _match_group(
            _candidates(found.corners[mine], truth, theirs, float(min(ious))),
            (right[..., mine], taken[..., mine], partners[mine]),
            (ious, counted[:, theirs], truth.crowd[theirs], theirs.start),
        )
    ignored = np.where(taken, ~right, far[:, None, :])
    order = np.lexsort((-found.scores, found.labels))
    return Matches(
        found.at(order), truth, ranks[order], right[..., order], ignored[..., order], counted, partners[order],
        n_classes, n_images,
    )  # fmt: skip


def match_at(
    truth: Sequence[Objects],
    found: Sequence[Detections],
    n_classes: int,
    *,
    iou: float = 0.5,
    limit: int | None = None,
) -> Matches:
    """Match objects of all sizes at one overlap, with all detections where no limit is set.

    Raises:
        DataError: What `checked` refuses.
    """
    given = checked(truth, found, n_classes)
    return match(*given, n_classes, len(truth), ious=np.array([iou]), sizes=SIZES[:1], limit=limit)


def _outside(area: Float64Array, size: tuple[float, float]) -> BoolArray:
    return np.asarray((area < size[0]) | (area > size[1]))


def _ranked(found: Found, limit: int | None) -> tuple[Found, Int64Array]:
    """By class, row and falling score, with the rank in class and row; those beyond the limit are left out."""
    found = found.at(np.lexsort((-found.scores, found.rows, found.labels)))
    place = np.arange(len(found.rows))
    first = np.ones(len(place), bool)
    first[1:] = (np.diff(found.rows) != 0) | (np.diff(found.labels) != 0)
    ranks = place - np.maximum.accumulate(np.where(first, place, 0)) if len(place) else place
    kept = ranks < (len(ranks) + 1 if limit is None else limit)
    return found.at(kept), ranks[kept]


def _groups(truth: Truth, found: Found, n_images: int) -> Iterator[tuple[slice, slice]]:
    """The detections and objects of one class in one image, where there are both."""
    said, there = found.labels * n_images + found.rows, truth.labels * n_images + truth.rows
    both = np.intersect1d(said, there)
    bounds = [np.searchsorted(keys, both, side) for keys in (said, there) for side in ("left", "right")]
    for first, end, begin, stop in np.transpose(bounds).tolist():
        yield slice(first, end), slice(begin, stop)


def _candidates(
    corners: Float64Array, truth: Truth, theirs: slice, least: float
) -> Iterator[tuple[int, IntpArray, Float64Array]]:
    """Of each detection that overlaps an object enough: its place, the objects' places by rising overlap, these."""
    for part in blocks(len(corners), theirs.stop - theirs.start):
        near = overlaps(corners[part], truth.corners[theirs], truth.crowd[theirs])
        rows, objects = np.nonzero(near >= least)
        values = near[rows, objects]
        order = np.lexsort((values, rows))
        places, firsts = np.unique(rows, return_index=True)
        parts = (np.split(each[order], firsts[1:]) for each in (objects, values))
        yield from zip((part.start + places).tolist(), *parts, strict=False)  # no place, one empty part


def _match_group(
    candidates: Iterator[tuple[int, IntpArray, Float64Array]],
    out: tuple[BoolArray, BoolArray, Int64Array],
    of: tuple[AnyArray, BoolArray, BoolArray, int],
) -> None:
    """Fill in what is right (A, T, d), what has an object at all (A, T, d), and which at the first of both (d,)."""
    (right, taken, partners), (ious, counted, crowd, start) = out, of
    free = np.ones((len(counted), len(ious), len(crowd)), bool)
    size, overlap = np.ogrid[: len(counted), : len(ious)]
    for place, objects, near in candidates:
        able = (free[..., objects] | crowd[objects]) & (near >= ious[:, None])
        preferred = np.arange(1, len(objects) + 1) + len(objects) * counted[:, None, objects]
        value = np.where(able, preferred, 0)
        chosen = objects[value.argmax(axis=2)]
        hit = value.max(axis=2) > 0
        free[size, overlap, chosen] &= ~hit
        right[..., place], taken[..., place] = hit & counted[size, chosen], hit
        if hit[0, 0]:
            partners[place] = start + chosen[0, 0]
