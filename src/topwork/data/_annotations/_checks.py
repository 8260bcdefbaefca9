"""Boxes as they were given become boxes that can be used: turned, put in order, cut off at the edge, or excluded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from topwork._arrays import Float32Array
from topwork.data._boxes import BoxFlaw
from topwork.data._upright import upright_corners

if TYPE_CHECKING:
    from topwork.data._annotations._listing import BoxListing

Corners = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_ROUNDING = 0.01, 1e-5
"""A corner outside the image by no more pixels, or no larger a share of its side, was rounded: no flaw."""

_FAR = 2.0
"""A share of an image above this is no share but pixels: half of such a box would lie outside."""


@dataclass(frozen=True)
class Images:
    """Sizes of N images, height and width each.

    Attributes:
        stored: int32 (N, 2), as their pixels lie in the file.
        shown: int32 (N, 2), as they are shown.
        orientations: int64 (N,), EXIF's, 1 to 8.
        told: int64 (N, 2), as their annotation says; 0 where it says nothing.
    """

    stored: npt.NDArray[np.int32]
    shown: npt.NDArray[np.int32]
    orientations: npt.NDArray[np.int64]
    told: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Checked:
    """Boxes that can be used, those of one image together, and what became of the others.

    Attributes:
        corners: float32 (B, 4), in pixels of the images as shown.
        labels: int32 (B,).
        crowd: bool (B,).
        rows: int64 (B,), the image of each.
        flaws: What was corrected or excluded.
        lost: Row -> why none of its boxes can be used.
        notes: What there is to note.
    """

    corners: Float32Array
    labels: npt.NDArray[np.int32]
    crowd: Mask
    rows: npt.NDArray[np.int64]
    flaws: list[BoxFlaw]
    lost: dict[int, str]
    notes: list[str]


def checked(images: Images, listing: BoxListing) -> Checked:
    """Check the boxes of a listing against the images that they are in."""
    check = _Check(images, listing)
    with np.errstate(over="ignore", invalid="ignore"):  # such numbers are excluded
        check.drop_nameless()
        check.tell_corners()
        check.read_units()
        check.match_sizes()
        check.exclude("number", ~np.all(np.isfinite(check.corners), axis=1), "a corner is not a finite number")
        check.put_in_order()
        check.cut_off()
        check.drop_doubled()
    return check.result()


class _Check:
    """The boxes of a listing, step by step."""

    def __init__(self, images: Images, listing: BoxListing) -> None:
        self.images = images
        self.listing = listing
        self.sides = listing.sides
        self.rows = np.array(listing.rows, np.int64)
        self.corners = np.array(listing.corners, np.float64).reshape(-1, 4)
        self.given = self.corners.copy()
        self.usable = np.ones(len(self.rows), bool)
        self.flaws = list(listing.flaws)
        self.lost: dict[int, str] = {}
        self.notes: list[str] = []

    def exclude(self, kind: str, boxes: Mask, detail: str | Callable[[int], str]) -> None:
        """Exclude those of these boxes that are still usable."""
        self._list(kind, boxes & self.usable, detail, used=False)
        self.usable &= ~boxes

    def correct(self, kind: str, boxes: Mask, detail: str | Callable[[int], str]) -> None:
        """List those of these boxes that are usable as corrected."""
        self._list(kind, boxes & self.usable, detail, used=True)

    def _list(self, kind: str, boxes: Mask, detail: str | Callable[[int], str], *, used: bool) -> None:
        for box in np.flatnonzero(boxes).tolist():
            given = tuple(self.given[box].tolist())
            known = given if np.isfinite(given).all() else None
            text = detail if isinstance(detail, str) else detail(box)
            self.flaws.append(BoxFlaw(self.listing.paths[self.rows[box]], kind, text, known, used))

    def drop_nameless(self) -> None:
        """Exclude boxes of what is no class."""
        labels = np.array(self.listing.labels, np.int64)
        for label, detail in self.listing.nameless.items():
            self.exclude("class", labels == -1 - label, detail)

    def tell_corners(self) -> None:
        """Where it is not known what the numbers are: what fits the more boxes; COCO's sides where both fit."""
        if not self.listing.either or not len(self.corners):
            return
        known = self.corners[self.usable & np.all(np.isfinite(self.corners), axis=1)]
        rows = self.rows[self.usable & np.all(np.isfinite(self.corners), axis=1)]
        limits = self._framed()[rows][:, ::-1] * (1 + _ROUNDING[1]) + 1
        no_corners = np.any(known[:, 2:] <= known[:, :2], axis=1)
        no_sides = np.any(known[:, :2] + known[:, 2:] > limits, axis=1)
        self.sides = int(no_corners.sum()) >= int(no_sides.sum())
        if self.sides:
            self.corners[:, 2:] += self.corners[:, :2]
        what = "x, y, width, height" if self.sides else "xmin, ymin, xmax, ymax"
        self.notes.append(f"boxes are read as {what}, which fits the images")

    def read_units(self) -> None:
        """Make pixels of shares of the image; a set that is in the other unit than its format says is read in that."""
        largest = np.abs(np.where(np.isfinite(self.corners), self.corners, 0)).max(axis=1, initial=0)
        shares = self.listing.shares
        other = largest > _FAR if shares else largest <= 1
        either = self._framed()[self.rows].max(axis=1, initial=0) == 1  # both are the same in an image of one pixel
        other &= ~either
        if other.any() and (other | either).all():
            unit = "pixels, not shares of the image" if shares else "shares of the image, not pixels"
            self.notes.append(f"all boxes are {unit}, and are read so")
            shares = not shares
        else:
            unit = (
                "pixels, and others are shares of the image" if shares else "shares of the image, and others are pixels"
            )
            self.exclude("unit", other & (largest > 0), f"its corners are {unit}")
        if shares:
            self.corners *= self._framed()[self.rows][:, [1, 0, 1, 0]]
        self.given = self.corners.copy()

    def _framed(self) -> npt.NDArray[np.int64]:
        """Height and width of what an annotation is of."""
        told = self.images.told
        return np.where(told > 0, told, self.images.shown)

    def match_sizes(self) -> None:
        """Turn and scale boxes that were drawn on the image as stored, or on a smaller copy; see ``_matches``."""
        matches = dict(_matches(self.images))
        turned = np.zeros(len(self.images.told), bool)
        scaled = np.ones((len(turned), 2))
        for row, match in matches.items():
            if match == "turned":
                turned[row] = True
            elif match == "scaled":
                scaled[row] = self.images.shown[row] / self.images.told[row]
            else:
                height, width = self.images.told[row].tolist()
                high, wide = self.images.shown[row].tolist()
                self.lost[row] = f"its annotation is of an image of {width} × {height} pixels, it has {wide} × {high}"
        boxes = turned[self.rows]
        of = self.rows[boxes]
        sizes = self.images.stored[of].astype(np.float64)
        self.corners[boxes] = upright_corners(self.corners[boxes], self.images.orientations[of], sizes)
        self.corners *= scaled[self.rows][:, [1, 0, 1, 0]]
        self.given = self.corners.copy()
        self._note_matches(list(matches.values()))

    def _note_matches(self, matches: list[str]) -> None:
        if count := matches.count("turned"):
            them = (
                "1 image were turned along with it" if count == 1 else f"{count:,} images were turned along with them"
            )
            self.notes.append(f"the boxes of {them}, as EXIF says")
        if count := matches.count("scaled"):
            counted = "1 image" if count == 1 else f"{count:,} images"
            self.notes.append(f"the boxes of {counted} were drawn at another size and are scaled to the image's")
        silent = (self.images.orientations > 1) & ~self._told_apart()
        if count := int(np.count_nonzero(silent)):
            few = "1 image is turned by EXIF; its boxes"
            counted = few if count == 1 else f"{count:,} images are turned by EXIF; their boxes"
            self.notes.append(f"{counted} are taken to be of the image as shown")

    def _told_apart(self) -> Mask:
        """(N,), whether the size in the annotation says if it is of the image as shown."""
        oblong = self.images.stored[:, 0] != self.images.stored[:, 1]
        turns: Mask = oblong & (self.images.told > 0).all(axis=1) & (self.images.orientations > 4)
        return turns

    def put_in_order(self) -> None:
        """Exchange corners that are in the wrong order, where they are corners."""
        ordered = np.sort(self.corners.reshape(-1, 2, 2), axis=1).reshape(-1, 4)
        wrong = np.any(ordered != self.corners, axis=1) & np.all(np.isfinite(self.corners), axis=1)
        if self.sides:
            self.exclude("empty", wrong, "a side is negative")
        else:
            self.correct("swapped", wrong, "its corners are in the wrong order; put in order")
        self.corners = ordered
        self.exclude("empty", self._flat(), "it has no area")

    def _flat(self) -> Mask:
        """(B,), whether a box has no area."""
        sides = self.corners[:, 2:] - self.corners[:, :2]
        return ~(np.minimum(sides[:, 0], sides[:, 1]) > 0)

    def cut_off(self) -> None:
        """Keep what lies in the image."""
        limits = self.images.shown[self.rows][:, [1, 0, 1, 0]].astype(np.float64)
        inside = np.clip(np.nan_to_num(self.corners), 0, limits)
        beyond = np.abs(np.nan_to_num(self.corners) - inside)
        far = np.any(beyond > np.maximum(_ROUNDING[0], _ROUNDING[1] * limits), axis=1)
        self._note_exchanged(far & self.usable, limits)
        self.corners = inside.astype(np.float32).astype(np.float64)
        self.exclude("outside", self._flat(), lambda box: self._outside(box, "it lies outside"))
        self.correct("outside", far, lambda box: self._outside(box, "it reaches out of") + "; cut off at the edge")

    def _note_exchanged(self, far: Mask, limits: Corners) -> None:
        """Columns in another order are seen by nothing else than that what lies outside would lie inside."""
        exchanged, limits = self.corners[far][:, [1, 0, 3, 2]], limits[far]
        if far.any() and ((exchanged >= 0) & (exchanged <= limits + 1)).all():
            self.notes.append(
                "with x and y exchanged, the boxes that reach out of their image would lie in it: check the order of "
                "the numbers"
            )

    def _outside(self, box: int, what: str) -> str:
        height, width = self.images.shown[self.rows[box]].tolist()
        return f"{what} the image of {width} × {height} pixels"

    def drop_doubled(self) -> None:
        """Keep one of boxes of one class that are the same."""
        labels = np.array(self.listing.labels, np.int64)
        columns = np.column_stack([~self.usable, self.rows, labels, self.corners])
        order = np.lexsort(columns.T[::-1])  # stable: of equal ones the first stays
        same = np.zeros(len(order), bool)
        same[order[1:]] = (np.diff(columns[order], axis=0) == 0).all(axis=1)
        self.exclude("doubled", same, "the same box of the same class comes twice; used once")

    def result(self) -> Checked:
        """What is left, and the images of which no box is."""
        self._lose_spoilt()
        order = np.flatnonzero(self.usable)
        order = order[np.argsort(self.rows[order], kind="stable")]
        return Checked(
            self.corners[order].astype(np.float32),
            np.array(self.listing.labels, np.int32)[order],
            np.frombuffer(bytes(self.listing.crowd), bool)[order],
            self.rows[order],
            self.flaws,
            self.lost,
            self.notes,
        )

    def _lose_spoilt(self) -> None:
        """An image whose every box is excluded would be taken for one without objects."""
        given = np.bincount(self.rows, minlength=len(self.listing.paths))
        kept = np.bincount(self.rows[self.usable], minlength=len(self.listing.paths))
        for row, count in self.listing.excluded.items():
            given[row] += count
        for row in np.flatnonzero((given > 0) & (kept == 0)).tolist():
            self.lost.setdefault(row, "none of its boxes can be used")


def _matches(images: Images) -> Iterator[tuple[int, str]]:
    """Rows whose annotation tells another size than the image is shown with, and how the two fit.

    ``turned``: it is of the image as stored, which EXIF turns. ``scaled``: it is of a copy of the same shape. Empty:
    they do not fit, so the boxes could lie anywhere.
    """
    told, shown = images.told, images.shown
    known = (told > 0).all(axis=1)
    for row in np.flatnonzero(known & (told != shown).any(axis=1)).tolist():
        if (told[row] == images.stored[row]).all():
            yield row, "turned"
            continue
        (height, width), (high, wide) = told[row].tolist(), shown[row].tolist()
        off = min(abs(high / height * width - wide), abs(wide / width * height - high))
        yield row, "scaled" if off <= max(1, high / height) else ""  # what rounding a side makes
