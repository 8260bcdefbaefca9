"""A picture as a file."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from topwork._system import write_whole
from topwork.data import printable
from topwork.errors import ExplainError

_MARK = "topwork"  # in the PNG's text chunk "Software"


def write_picture(
    pixels: npt.NDArray[np.uint8], path: str | os.PathLike[str], *, texts: Mapping[str, str] | None = None
) -> Path:
    """Write a PNG, whole or not at all.

    Args:
        pixels: uint8 (H, W, 3).
        path: A file; its folder is made where it is not there. An earlier picture of topwork's may lie there and is
            replaced; nothing else is.
        texts: What stands in the file beside the picture, each under a key.

    Returns:
        The path.

    Raises:
        ExplainError: The folder cannot be written, or ``path`` is something else of the user's.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    final = Path(path)
    told = PngInfo()
    told.add_text("Software", _MARK)
    for key, text in (texts or {}).items():
        told.add_itxt(key, text)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", pnginfo=told)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        _require_free(final)
        write_whole(final, file.getvalue())
    except OSError as error:
        raise ExplainError(
            f"{printable(str(final))}: cannot be written: {error.strerror or error}",
            hint="name a folder that can be written to with -o",
        ) from error
    return final


def _require_free(final: Path) -> None:
    """Refuse to write over anything but an earlier picture: a slip of the hand must not cost a photograph."""
    if not os.path.lexists(final):
        return
    if not final.is_symlink() and final.is_file() and is_ours(final):
        return
    raise ExplainError(
        f"{printable(str(final))}: is there, is no picture of topwork's, and is left as it is",
        hint="choose another folder with -o",
    )


def is_ours(path: Path) -> bool:
    """Whether a file is a picture that ``write_picture`` wrote."""
    with path.open("rb") as file:
        head = file.read(200)  # the text chunk stands right behind the header
    return head.startswith(b"\x89PNG") and b"tEXtSoftware\0" + _MARK.encode() in head
