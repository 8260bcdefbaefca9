"""What a recogniser answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from topwork.tasks.recognition.gallery import Match


@dataclass(frozen=True)
class Identified:
    """Who, or which one, an image shows.

    Attributes:
        source: What the image is called.
        name: Of the gallery; empty where it is nobody in it.
        similarity: To the most similar one there, known or not; None where the gallery is empty.
        matches: The most similar identities, the most similar first.
        error: Why the image cannot be used; empty where it can.
    """

    source: str
    name: str = ""
    similarity: float | None = None
    matches: tuple[Match, ...] = ()
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        if self.error:
            return {"source": self.source, "error": self.error}
        return {
            "source": self.source,
            "name": self.name or None,
            "similarity": None if self.similarity is None else round(self.similarity, 4),
            "matches": [{"name": each.name, "similarity": round(each.similarity, 4)} for each in self.matches],
        }


@dataclass(frozen=True)
class Verified:
    """Whether two images show the same identity.

    Attributes:
        same: The answer.
        similarity: Their cosine.
        threshold: From which on they are taken for one.
        false_accept: Share of pairs of different identities that reach it, as promised.
    """

    same: bool
    similarity: float
    threshold: float
    false_accept: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {**vars(self), "similarity": round(self.similarity, 4), "threshold": round(self.threshold, 4)}


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
