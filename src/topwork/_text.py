"""Lines of plain text: tables in columns, and lists that end somewhere."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of text in aligned columns, numbers (all but the first column) to the right."""
    cells = [list(head), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join(lines)


def first_of(lines: Sequence[str], most: int, more: str) -> list[str]:
    """The first lines; where there are others, then ``more`` with their number in the place of ``{}``."""
    return [*lines[:most], *([more.format(len(lines) - most)] if len(lines) > most else [])]
