"""Texts of a data set as a page shows them: the beginning of each, and the whole where there is room for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from topwork.data import Dataset, TextDataset
from topwork.report._page import prose
from topwork.report._pictures import ROOM, Album, Picture

_BRIEF = 240  # characters of a beginning
_LINES = 4  # of a beginning
_WORD = 30  # characters of the end of a beginning that are left out rather than a word cut in two
_LONGEST = 10_000  # characters of a whole
_END_OF_LINE = re.compile("\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """One text of a data set as a page shows it, or the reason why there is none.

    Attributes:
        name: Of the row.
        label: Its class.
        split: Its split.
        lines: The beginning.
        whole: All its lines, where the beginning is not all and there is room.
        length: Characters of the text, but for white space around it.
        more: Characters that are shown nowhere.
        reason: Why it cannot be used; empty where it can.
    """

    name: str
    label: str
    split: str
    lines: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    length: int = 0
    more: int = 0
    reason: str = ""


class Excerpts:
    """Makes the excerpts of one page; ``room`` counts the characters of all wholes as they stand in it.

    ``unusable`` rows have a reason in the place of a text.
    """

    def __init__(self, dataset: TextDataset, unusable: Mapping[int, str] | None = None, *, room: int = ROOM) -> None:
        self._dataset = dataset
        self._reasons = dict(unusable or {})
        self._room = room

    def pictures(self, rows: Sequence[int]) -> tuple[Excerpt, ...]:
        """The texts of several rows."""
        return tuple(map(self.picture, rows))

    def picture(self, row: int) -> Excerpt:
        """The text of one row."""
        dataset = self._dataset
        label, split = dataset.classes[int(dataset.labels[row])], str(dataset.splits[row])
        if row in self._reasons:
            return Excerpt(dataset.paths[row], label, split, reason=self._reasons[row])
        text = dataset.text(row).strip()
        told = _END_OF_LINE.sub("\n", text[:_LONGEST])
        shown, beyond = _beginning(told), max(len(text) - _LONGEST, 0)
        more, whole = len(told) - len(shown) + beyond, ""
        if more and (taken := len(prose(told))) <= self._room:
            self._room -= taken
            whole, more = told, beyond
        lines, all_lines = tuple(shown.split("\n")), tuple(whole.split("\n")) if whole else ()
        return Excerpt(dataset.paths[row], label, split, lines, all_lines, len(text), more)


def album_of(dataset: Dataset, unusable: Mapping[int, str] | None = None, *, room: int = ROOM) -> Album | Excerpts:
    """What shows the rows of a data set on a page: its images, or its texts."""
    if isinstance(dataset, TextDataset):
        return Excerpts(dataset, unusable, room=room)
    return Album(dataset, unusable, room=room)


Shown = Picture | Excerpt
"""A row as a page shows it."""


class Shows(Protocol):
    """Whatever shows rows of a data set on a page."""

    def pictures(self, rows: Sequence[int]) -> Sequence[Shown]:
        """Several rows as the page shows them."""


def _beginning(text: str) -> str:
    """The first lines of a text, no word cut in two."""
    few = "\n".join(text[: 2 * _BRIEF].split("\n")[:_LINES])
    if len(few) <= _BRIEF:
        return few
    space = few.rfind(" ", _BRIEF - _WORD, _BRIEF)
    return few[: space if space > 0 else _BRIEF]
