"""Results in a notebook: small tables of HTML that need no style sheet or script, on light and on dark paper alike.

Every text is escaped here, so that whoever calls need not; characters that would steer a reader become escapes.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

MOST_ROWS = 50
_LONGEST = 200  # characters of a cell
_LINE = "border-bottom:1px solid rgba(127,127,127,.35);padding:.2em .8em .2em 0;text-align:left;vertical-align:top"


def escaped(text: str) -> str:
    """A text as HTML, on one line and no longer than a cell may be."""
    short = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    plain = "".join(
        each if each.isprintable() else each.encode("unicode_escape", "surrogatepass").decode("ascii") for each in short
    )
    return html.escape(plain)


def html_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, notes: Sequence[str] = ()) -> str:
    """A titled table of plain texts as HTML.

    Args:
        title: Above the table.
        head: Names of the columns; empty where they speak for themselves.
        rows: Of as many cells; of very many the first are shown, and how many more there are.
        notes: Lines beneath.
    """
    shown = rows[:MOST_ROWS]
    more = [f"… and {len(rows) - len(shown)} more"] if len(rows) > len(shown) else []
    top = f"<thead><tr>{_cells('th', head)}</tr></thead>" if head else ""
    body = "".join(f"<tr>{_cells('td', row)}</tr>" for row in shown)
    lines = "".join(f'<p style="margin:.3em 0">{escaped(line)}</p>' for line in (*more, *notes))
    table = f'<table style="border-collapse:collapse;background:none;color:inherit">{top}<tbody>{body}</tbody></table>'
    return f'<div style="color:inherit"><p style="margin:.3em 0"><b>{escaped(title)}</b></p>{table}{lines}</div>'


def _cells(tag: str, texts: Sequence[str]) -> str:
    return "".join(f'<{tag} style="{_LINE}"><bdi>{escaped(text)}</bdi></{tag}>' for text in texts)
