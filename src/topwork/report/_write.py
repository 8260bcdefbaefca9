"""A page as a file."""

from __future__ import annotations

import os
from pathlib import Path

from topwork._files import write_whole
from topwork.data import printable
from topwork.errors import ReportError
from topwork.report._page import MARK

_HEAD = 1_000  # bytes in which a page of this room says what it is


def write_page(html: str, path: str | os.PathLike[str]) -> Path:
    """Write a page, whole or not at all.

    Args:
        html: The page.
        path: A file; its folder must be there. An earlier page of topwork's may lie there and is replaced; nothing
            else is.

    Returns:
        The path.

    Raises:
        ReportError: The folder is not there or cannot be written, or ``path`` is something else of the user's.
    """
    final = Path(path)
    try:
        _require_free(final)
        write_whole(final, html.encode("utf-8"))
    except OSError as error:
        raise ReportError(
            f"{printable(str(final))}: cannot be written: {error.strerror or error}",
            hint="name a file in a folder that is there and can be written to",
        ) from error
    return final


def _require_free(final: Path) -> None:
    """Refuse to write over anything but an earlier page: a slip of the hand must not cost a photograph."""
    if not os.path.lexists(final):
        return
    if not final.is_symlink() and final.is_file():
        with final.open("rb") as file:
            if MARK.encode() in file.read(_HEAD):
                return
    raise ReportError(
        f"{printable(str(final))}: is there, is no page of topwork's, and is left as it is", hint="choose another name"
    )
