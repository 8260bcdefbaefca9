"""What a segmenter says of one image: which class each pixel is of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from topwork._arrays import IntpArray, UInt8Array
from topwork.data import rle_of
from topwork.model import Predictions
from topwork.tasks.segmentation._certainty import SURE
from topwork.tasks.segmentation._decide import Labels

_PLACES = 2**22  # pixels that are looked at together


@dataclass(frozen=True, eq=False)
class FoundMask:
    """What a model finds in one image.

    Attributes:
        source: The file's name, or ``#3`` for the fourth array.
        labels: uint8 (H, W), uint16 beyond 256 classes: places among the classes, of the image as it is shown.
        classes: Their names.
        has_background: Whether the first class is what belongs to none of the others.
        objects: int32 (H, W), 0 where no object is, or the number of the object there, 1 and up; None where the model
            does not tell objects apart.
        tells_objects: Whether the model tells objects apart, also where the image could not be used.
        error: Why the image could not be used; empty where it could.
        certainty: uint8 (H, W), 255 times the probability that the pixel's label is right; None where it was not asked
            for.
    """

    source: str
    labels: Labels = field(default_factory=lambda: np.zeros((0, 0), np.uint8))
    classes: tuple[str, ...] = ()
    has_background: bool = True
    objects: np.ndarray[Any, np.dtype[np.int32]] | None = None
    tells_objects: bool = False
    error: str = ""
    certainty: UInt8Array | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image, as it is shown."""
        height, width = self.labels.shape
        return height, width

    @property
    def foreground(self) -> range:
        """Places of the classes that are not background."""
        return range(int(self.has_background), len(self.classes))

    def pixels(self) -> dict[str, int]:
        """How many pixels are of each class."""
        counts = np.bincount(self.labels.ravel(), minlength=len(self.classes)).tolist()
        return dict(zip(self.classes, counts, strict=True))

    def shares(self) -> dict[str, float]:
        """Which share of the image is of each class."""
        return {name: count / max(1, self.labels.size) for name, count in self.pixels().items()}

    @property
    def count(self) -> int | None:
        """How many objects there are; None where they are not told apart."""
        return None if self.objects is None else len(np.unique(self.objects[self.objects > 0]))

    @property
    def mean_certainty(self) -> float | None:
        """The probability that a pixel's label is right, mean over the image; None where it was not asked for."""
        return None if self.certainty is None else float(self.certainty.mean()) / SURE

    def _repr_html_(self) -> str:
        return Predictions([self])._repr_html_()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields: shares of classes, and masks as COCO's run lengths, of objects or of classes."""
        if self.error:
            return {"source": self.source, "error": self.error}
        height, width = self.size
        fields: dict[str, Any] = {
            "source": self.source,
            "width": width,
            "height": height,
            "shares": {name: round(share, 6) for name, share in self.shares().items()},
        }
        if self.certainty is not None:
            fields["certainty"] = round(self.mean_certainty or 0.0, 4)
        if self.objects is not None:
            return {**fields, "count": self.count, "objects": [*self._objects()]}
        there = [place for place in self.foreground if (self.labels == place).any()]
        masks = [{"category": self.classes[at], "segmentation": rle_of(self.labels == at)} for at in there]
        return {**fields, "masks": masks}

    def features(self) -> Iterator[dict[str, Any]]:
        """Outlines as GeoJSON's features, one after another: of objects, or of each region of a class.

        Polygons run along the edges of pixels, in pixels from the image's upper left, with holes; QuPath reads them.
        Nothing of an image that could not be used.
        """
        from topwork.tasks.segmentation.outlines import features

        return features(self) if not self.error else iter(())

    def boxes(self) -> dict[int, tuple[int, int, int, int]]:
        """Of each object, by its number, the top, bottom, left and right; the bottom and the right lie behind it."""
        return {} if self.objects is None else _boxes(self.objects)

    def class_of(self, there: np.ndarray[Any, np.dtype[np.bool_]], corner: tuple[int, int]) -> int:
        """The place of the class of most of an object's pixels, which are given from their first row and column on.

        Background aside: an object may begin at less than the probability from which on a pixel is called its class.
        """
        (top, left), (height, width), first = corner, there.shape, self.foreground.start
        labels = self.labels[top : top + height, left : left + width][there]
        return int(np.bincount(labels, minlength=len(self.classes))[first:].argmax()) + first

    def certainty_of(self, there: np.ndarray[Any, np.dtype[np.bool_]], corner: tuple[int, int]) -> float | None:
        """The mean certainty of an object's pixels, given as for ``class_of``; None where it was not asked for."""
        if self.certainty is None:
            return None
        (top, left), (height, width) = corner, there.shape
        return round(float(self.certainty[top : top + height, left : left + width][there].mean()) / SURE, 4)

    def _objects(self) -> list[dict[str, Any]]:
        assert self.objects is not None
        found = []
        for number, (top, bottom, left, right) in self.boxes().items():
            there = self.objects[top:bottom, left:right] == number
            fields = {
                "category": self.classes[self.class_of(there, (top, left))],
                "area": int(there.sum()),
                "bbox": [left, top, right - left, bottom - top],
                "segmentation": rle_of(there, (top, left), self.size),
            }
            if (certainty := self.certainty_of(there, (top, left))) is not None:
                fields["certainty"] = certainty
            found.append(fields)
        return found


def _boxes(objects: np.ndarray[Any, np.dtype[np.int32]]) -> dict[int, tuple[int, int, int, int]]:
    """Some rows are looked at together: places of all objects of a large image would not fit."""
    count, width = int(objects.max(initial=0)) + 1, max(1, objects.shape[1])
    firsts = np.full((2, count), max(objects.shape, default=0), np.intp)
    lasts = np.zeros((2, count), np.intp)
    step = max(1, _PLACES // width)
    for start in range(0, len(objects), step):
        rows, columns = np.nonzero(objects[start : start + step])
        numbers = objects[start : start + step][rows, columns]
        for side, values in enumerate((rows + start, columns)):
            np.minimum.at(firsts[side], numbers, values)
            np.maximum.at(lasts[side], numbers, values + 1)
    there = np.flatnonzero(lasts[0]).tolist()
    return {each: (*_ends(firsts[0], lasts[0], each), *_ends(firsts[1], lasts[1], each)) for each in there}


def _ends(first: IntpArray, last: IntpArray, number: int) -> tuple[int, int]:
    return int(first[number]), int(last[number])
