"""Lines of plain text: tables in columns, and lists that end somewhere."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

_MARK = re.compile(r"([*+! ] )?(.*)", re.DOTALL)  # what a row may begin with, and its first cell
_FORMULA = re.compile(r"[\s'\"]*[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]")  # wide forms too: spreadsheets read them
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # surrogates that stand for no byte of a name


class Table(str):
    """Rows of text in columns: a text that can be laid out anew when its cells are said in another language."""

    _head: Sequence[str]
    _rows: Sequence[Sequence[str]]
    _left: bool

    def said(self, say: Callable[[str], str]) -> Table:
        """The table with each cell as ``say`` gives it; a mark before a row's first cell stays."""
        rows = [tuple(_said_cell(cell, say) for cell in row) for row in self._rows]
        return _laid(tuple(map(say, self._head)), rows, left=self._left)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Rows of text in aligned columns, numbers (all but the first column) to the right."""
    return _laid(head, rows, left=False)


def facts(rows: Sequence[Sequence[str]]) -> Table:
    """Names, and in a second column what is known of each."""
    return _laid((), rows, left=True)


def _laid(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: bool) -> Table:
    cells = [list(row) for row in ([head, *rows] if head else rows)]
    widths = [max(width(row[column]) for row in cells) for column in range(len(cells[0]))] if cells else []
    lines = ("  ".join(_padded(row, widths, left)).rstrip() for row in cells)
    found = Table("\n".join(lines))
    found._head, found._rows, found._left = head, rows, left
    return found


def _padded(row: Sequence[str], widths: Sequence[int], left: bool) -> list[str]:
    spaces = [" " * (most - width(cell)) for cell, most in zip(row, widths, strict=True)]
    return [
        cell + space if left or column == 0 else space + cell
        for column, (cell, space) in enumerate(zip(row, spaces, strict=True))
    ]


def width(text: str) -> int:
    """Columns of a terminal that a text takes: a letter of Korean takes two."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def _said_cell(cell: str, say: Callable[[str], str]) -> str:
    mark, name = _MARK.fullmatch(cell).groups()  # type: ignore[union-attr]
    return f"{mark or ''}{say(name)}"


def article(noun: str) -> str:
    """``an image``, ``a text``."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def lies_in(thing: str) -> str:
    """What a row comes from, and is lost with: an image has a file of its own."""
    return "file" if thing == "image" else thing


def first_of(lines: Sequence[str], most: int, more: str) -> list[str]:
    """The first lines; where there are others, then ``more`` with their number in the place of ``{}``."""
    return [*lines[:most], *([more.format(len(lines) - most)] if len(lines) > most else [])]


def encodable(value: Any) -> Any:
    """A cell as it is, but for a text's lone surrogates, which no file holds: those of a name's bytes stay."""
    return _LONE.sub("\N{REPLACEMENT CHARACTER}", value) if isinstance(value, str) else value


def csv_cell(value: Any) -> Any:
    """A cell of a CSV file: ``encodable``, and no formula, whatever a file or a class is called.

    What a spreadsheet would take for a formula gets an apostrophe in front; a plain number is none. So an apostrophe is
    taken away again where what follows it would have got one. The page's ``csv.js`` does the same.
    """
    found = encodable(value)
    is_formula = isinstance(found, str) and _FORMULA.match(found) and not _NUMBER.fullmatch(found)
    return f"'{found}" if is_formula else found
