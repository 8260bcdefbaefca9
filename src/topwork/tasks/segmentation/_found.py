"""What a segmenter says of one image: which class each pixel is of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from topwork.data import rle_of
from topwork.model import Predictions
from topwork.tasks.segmentation._decide import Labels


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
    """

    source: str
    labels: Labels = field(default_factory=lambda: np.zeros((0, 0), np.uint8))
    classes: tuple[str, ...] = ()
    has_background: bool = True
    objects: np.ndarray[Any, np.dtype[np.int32]] | None = None
    tells_objects: bool = False
    error: str = ""

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
        if self.objects is not None:
            return {**fields, "count": self.count, "objects": [*self._objects()]}
        there = [place for place in self.foreground if (self.labels == place).any()]
        masks = [{"category": self.classes[at], "segmentation": rle_of(self.labels == at)} for at in there]
        return {**fields, "masks": masks}

    def _objects(self) -> list[dict[str, Any]]:
        assert self.objects is not None
        found = []
        for number, (top, bottom, left, right) in _boxes(self.objects).items():
            there = self.objects[top:bottom, left:right] == number
            label = int(np.bincount(self.labels[top:bottom, left:right][there]).argmax())
            found.append(
                {
                    "category": self.classes[label],
                    "area": int(there.sum()),
                    "bbox": [left, top, right - left, bottom - top],
                    "segmentation": rle_of(there, (top, left), self.size),
                }
            )
        return found


def _boxes(objects: np.ndarray[Any, np.dtype[np.int32]]) -> dict[int, tuple[int, int, int, int]]:
    """Of each object its top, bottom, left and right."""
    rows, columns = np.nonzero(objects)
    if not len(rows):
        return {}
    numbers, places = np.unique(objects[rows, columns], return_inverse=True)
    ends = []
    for values in (rows, columns):
        low, high = np.full(len(numbers), values.max()), np.zeros(len(numbers), np.intp)
        np.minimum.at(low, places, values)
        np.maximum.at(high, places, values)
        ends += [low.tolist(), (high + 1).tolist()]
    return {number: (a, b, c, d) for number, a, b, c, d in zip(numbers.tolist(), *ends, strict=True)}
