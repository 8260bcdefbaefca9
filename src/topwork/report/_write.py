"""A page as a file."""

from __future__ import annotations

import os
from pathlib import Path

from topwork._system import fault_of_place, write_whole
from topwork.data import printable
from topwork.errors import ReportError
from topwork.report._page import MARK

_OF_IMAGES = ("findings", "worst", "unsure", "space")  # sections


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


def require_free(path: str | os.PathLike[str], *, with_images: bool = True) -> None:
    """Refuse, before any work is done, a place where ``write_page`` would not write.

    Args:
        path: Where the page is to go.
        with_images: Whether it will show a data set's images. A page that does not must not replace one that does: its
            pictures may be nowhere else.

    Raises:
        ReportError: The folder is not there or cannot be written, or something else than an earlier page is there, or
            one with images where there are to be none.
    """
    final = Path(path)
    try:
        fault = fault_of_place(final, lambda head: MARK.encode() in head, "page of topwork's")
        lost = not fault and not with_images and _shows_images(final)
    except OSError as error:
        raise _not_written(final, error) from error
    if fault:
        raise ReportError(f"{printable(str(final))}: {fault}", hint="choose another name")
    if lost:
        raise ReportError(
            f"{printable(str(final))}: shows images, which a page without them must not replace",
            hint="name them with --data, such as the data of the fit, or another page with -o",
        )


def _shows_images(page: Path) -> bool:
    """Whether a page, perhaps not there, has a section that there is only with a data set's images."""
    html = page.read_bytes() if page.exists() else b""
    return any(f'<h2 id="{name}">'.encode() in html for name in _OF_IMAGES)


def _not_written(final: Path, error: OSError) -> ReportError:
    return ReportError(
        f"{printable(str(final))}: cannot be written: {error.strerror or error}",
        hint="name a file in a folder that is there and can be written to",
    )
