"""What a detector says of one image: which objects lie where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from topwork.metrics import Detections
from topwork.model import Predictions

Corners = tuple[float, float, float, float]


class FoundObject(NamedTuple):
    """One object.

    Attributes:
        label: Its class.
        score: How sure the model is, from 0 to 1.
        corners: ``xmin, ymin, xmax, ymax`` in pixels of the image as it is shown (turned by its EXIF tag); edges.
    """

    label: str
    score: float
    corners: Corners

    @property
    def box(self) -> Corners:
        """``x, y, width, height``, as COCO has it."""
        left, top, right, bottom = self.corners
        return left, top, right - left, bottom - top


@dataclass(frozen=True)
class FoundObjects:
    """What a model finds in one image.

    Attributes:
        source: The file's name, or ``#3`` for the fourth array.
        detections: The objects, the surest first; none where nothing was found, or the image could not be used.
        classes: Names that the detections' labels are places of.
        size: Height and width of the image in pixels, as it is shown; (0, 0) where it could not be used.
        error: Why the image could not be used; empty where it could.
    """

    source: str
    detections: Detections = field(default_factory=Detections.none)
    classes: tuple[str, ...] = ()
    size: tuple[int, int] = (0, 0)
    error: str = ""

    def __len__(self) -> int:
        """How many objects were found."""
        return len(self.detections)

    def __iter__(self) -> Iterator[FoundObject]:
        """The objects, the surest first."""
        found = self.detections
        for corners, score, label in zip(
            found.corners.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True
        ):
            yield FoundObject(self.classes[label], score, tuple(corners))

    def counts(self) -> dict[str, int]:
        """How many objects of each class that was found, the most frequent first."""
        names = [each.label for each in self]
        return dict(sorted(((name, names.count(name)) for name in set(names)), key=lambda one: (-one[1], one[0])))

    def _repr_html_(self) -> str:
        return Predictions([self])._repr_html_()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields; boxes in COCO's form, ``[x, y, width, height]`` in pixels."""
        if self.error:
            return {"source": self.source, "error": self.error}
        height, width = self.size
        objects = [
            {
                "category": each.label,
                "score": round(each.score, 6),
                "bbox": [round(number, 2) for number in each.box],
            }
            for each in self
        ]
        return {"source": self.source, "width": width, "height": height, "count": len(self), "objects": objects}
