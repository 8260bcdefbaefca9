"""A page as a file."""

from __future__ import annotations

import os
from pathlib import Path

from topwork._files import fault_of_place, write_whole
from topwork.data import printable
from topwork.errors import ReportError
from topwork.report._page import MARK


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
    require_free(final)
    try:
        write_whole(final, html.encode("utf-8"))
    except OSError as error:
        raise _not_written(final, error) from error
    return final


def require_free(path: str | os.PathLike[str]) -> None:
    """Refuse, before any work is done, a place where ``write_page`` would not write.

    Raises:
        ReportError: The folder is not there or cannot be written, or something else than an earlier page is there.
    """
    final = Path(path)
    try:
        fault = fault_of_place(final, lambda head: MARK.encode() in head, "page of topwork's")
    except OSError as error:
        raise _not_written(final, error) from error
    if fault:
        raise ReportError(f"{printable(str(final))}: {fault}", hint="choose another name")


def _not_written(final: Path, error: OSError) -> ReportError:
    return ReportError(
        f"{printable(str(final))}: cannot be written: {error.strerror or error}",
        hint="name a file in a folder that is there and can be written to",
    )
