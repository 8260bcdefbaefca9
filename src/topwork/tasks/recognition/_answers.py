"""What a recogniser answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from topwork.tasks.recognition.gallery import Match


@dataclass(frozen=True)
class Seen:
    """What a finder saw in a picture.

    Attributes:
        thing: What it looks for, such as ``face``.
        corners: Of each find, the compared one first: xmin, ymin, xmax, ymax in pixels of the picture as it is shown.
        flaw: Why the compared one should not be relied on; empty where nothing is wrong with it.
    """

    thing: str
    corners: tuple[tuple[float, float, float, float], ...]
    flaw: str = ""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should know of it, in sentences."""
        several = len(self.corners) > 1
        told = [f"{len(self.corners)} {self.thing}s were found, and the largest is compared"] if several else []
        return (*told, *([f"the {self.thing} is {self.flaw}"] if self.flaw else []))

    def to_dict(self) -> list[dict[str, Any]]:
        """JSON-ready: a box (x, y, width, height) for each find, the compared one first, with its flaw."""
        boxes = [
            [round(edge, 1) for edge in (left, top, right - left, bottom - top)]
            for left, top, right, bottom in self.corners
        ]
        return [{"bbox": box, "flaw": "" if place else self.flaw} for place, box in enumerate(boxes)]


@dataclass(frozen=True)
class Identified:
    """Who, or which one, an image shows.

    Attributes:
        source: What the image is called.
        name: Of the gallery; empty where it is nobody in it.
        similarity: To the most similar one there, known or not; None where the gallery is empty.
        matches: The most similar identities, the most similar first.
        error: Why the image cannot be used; empty where it can.
        seen: What was found in the image, where something is looked for.
    """

    source: str
    name: str = ""
    similarity: float | None = None
    matches: tuple[Match, ...] = ()
    error: str = ""
    seen: Seen | None = None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should know of the answer, in sentences."""
        return self.seen.remarks if self.seen else ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        if self.error:
            return {"source": self.source, "error": self.error}
        return {
            "source": self.source,
            "name": self.name or None,
            "similarity": None if self.similarity is None else round(self.similarity, 4),
            "matches": [{"name": each.name, "similarity": round(each.similarity, 4)} for each in self.matches],
            **({} if self.seen is None else {"found": self.seen.to_dict(), "remarks": list(self.remarks)}),
        }


@dataclass(frozen=True)
class Verified:
    """Whether two images show the same identity.

    Attributes:
        same: The answer.
        similarity: Their cosine.
        threshold: From which on they are taken for one.
        false_accept: Share of pairs of different identities that reach it, as promised.
        remarks: What the user should know of the first image and of the second, in sentences.
    """

    same: bool
    similarity: float
    threshold: float
    false_accept: float
    remarks: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        remarks = [list(each) for each in self.remarks]
        rounded = {"similarity": round(self.similarity, 4), "threshold": round(self.threshold, 4)}
        return {**vars(self), **rounded, "remarks": remarks}


@dataclass(frozen=True)
class Enrolled:
    """What was put into the gallery.

    Attributes:
        name: Of whom.
        images: How many were added.
        errors: Image and reason of each that could not be used.
        people: How many the gallery has now.
        alike: Somebody else in the gallery whom an added image resembles as much as one identity's images do; empty
            where there is none.
    """

    name: str
    images: int
    errors: Mapping[str, str]
    people: int
    alike: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {**vars(self), "errors": dict(self.errors)}


@dataclass(frozen=True)
class Grouped:
    """Images by who they seem to show, without any names.

    Attributes:
        sources: What the images are called.
        groups: A number from 1 for each, the largest group first; 0 where the image cannot be used.
        errors: Image and reason of each of those.
    """

    sources: tuple[str, ...]
    groups: tuple[int, ...]
    errors: Mapping[str, str]

    @property
    def count(self) -> int:
        """How many groups there are, those of one image included."""
        return max(self.groups, default=0)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        rows = [{"source": source, "group": group} for source, group in zip(self.sources, self.groups, strict=True)]
        return {"groups": self.count, "images": rows, "errors": dict(self.errors)}
