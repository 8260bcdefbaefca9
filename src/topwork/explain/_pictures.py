"""Results as picture files that hold their numbers too, and what was found out about a model before, read from them."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from topwork._arrays import AnyArray, UInt8Array
from topwork._system import PICTURE_MARK, fault_of_place, is_own_picture, write_whole
from topwork.data import printable
from topwork.errors import ExplainError

_KEY = "topwork"  # of the PNG's text chunk with the numbers
_FORMAT: Literal[1] = 1
_MOST_BYTES = 16 * 2**20  # far beyond any sheet; keeps a hostile file out of memory
_MOST_FILES = 1_000


class Result(Protocol):
    """What every result of this room can do."""

    @property
    def headline(self) -> str:
        """What was found, in a line."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields; of what is large (images, maps) nothing or the size."""

    def picture(self) -> UInt8Array:
        """A sheet, uint8 (H, W, 3)."""


class _Told(BaseModel):
    """What stands in a picture."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal[1]
    what: str
    source: str
    headline: str
    numbers: dict[str, Any]


@dataclass(frozen=True)
class Explanation:
    """A result as its file holds it.

    Attributes:
        what: What was asked for, as ``topwork explain --what`` names it.
        source: The image that it is of; empty where it is of none.
    """

    what: str
    source: str
    headline: str
    numbers: dict[str, Any]
    path: Path


def write_result(result: Result, path: str | os.PathLike[str], *, what: str, source: str = "") -> Path:
    """Write a result's picture with its numbers in a text chunk, in one file, so that they cannot come apart.

    Args:
        result: What an explanation gave.
        path: As ``write_picture`` takes it.
        what: What was asked for.
        source: The image that it is of.

    Returns:
        The path.

    Raises:
        ExplainError: The folder cannot be written, or ``path`` is something else of the user's.
    """
    fields = {"what": what, "source": source, "headline": result.headline, "numbers": result.to_dict()}
    told = json.dumps({"format": _FORMAT, **fields}, ensure_ascii=False)
    whole = told.encode("utf-8", "replace").decode("utf-8")  # a file's name need not be text
    return write_picture(result.picture(), path, texts={_KEY: whole})


def stored(folder: str | os.PathLike[str]) -> tuple[Explanation, ...]:
    """What ``write_result`` has left in a folder, by name; files that are damaged or another's are passed over.

    Args:
        folder: It need not be there.
    """
    try:
        files = sorted(path for path in Path(folder).iterdir() if path.suffix == ".png")[:_MOST_FILES]
    except OSError:
        return ()
    found = (_read(path) for path in files)
    return tuple(each for each in found if each is not None)


def _read(path: Path) -> Explanation | None:
    from PIL import Image

    try:
        if path.is_symlink() or path.stat().st_size > _MOST_BYTES:
            return None
        with Image.open(path, formats=("PNG",)) as picture:  # the chunks alone: no pixel is decoded
            if picture.info.get("Software") != PICTURE_MARK:
                return None
            told = _Told.model_validate_json(picture.info.get(_KEY, ""))
    except (OSError, ValueError, TypeError, SyntaxError, Image.DecompressionBombError, ValidationError):
        return None
    return Explanation(told.what, told.source, told.headline, told.numbers, path)


def write_picture(pixels: AnyArray, path: str | os.PathLike[str], *, texts: Mapping[str, str] | None = None) -> Path:
    """Write a PNG, whole or not at all.

    Args:
        pixels: uint8 (H, W, 3), or a mask, uint8 or uint16 (H, W).
        path: A file; its folder is made where it is not there. An earlier picture of topwork's may lie there and is
            replaced; nothing else is.
        texts: What stands in the file beside the picture, each under a key.

    Returns:
        The path.

    Raises:
        ExplainError: The folder cannot be written, or ``path`` is something else of the user's.
    """
    return _put(Path(path), picture_bytes(pixels, texts), is_own_picture)


def picture_bytes(pixels: AnyArray, texts: Mapping[str, str] | None = None) -> bytes:
    """The file that ``write_picture`` writes."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    told = PngInfo()
    told.add_text("Software", PICTURE_MARK)
    for key, text in (texts or {}).items():
        told.add_itxt(key, text)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", pnginfo=told)
    return file.getvalue()


def write_numbers(numbers: npt.NDArray[np.int32], path: str | os.PathLike[str]) -> Path:
    """Write a mask whose numbers are too large for a PNG as a TIFF; otherwise as ``write_picture`` does.

    Args:
        numbers: int32 (H, W).
        path: A file.

    Returns:
        The path.

    Raises:
        ExplainError: The folder cannot be written, or ``path`` is something else of the user's.
    """
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(numbers).save(file, "TIFF", software=PICTURE_MARK)
    return _put(Path(path), file.getvalue(), lambda head: head[:2] in (b"II", b"MM") and PICTURE_MARK.encode() in head)


def _put(final: Path, content: bytes, is_own: Callable[[bytes], bool]) -> Path:
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        # A slip of the hand must not cost a photograph.
        if fault := fault_of_place(final, is_own, "picture of topwork's"):
            raise ExplainError(f"{printable(str(final))}: {fault}", hint="choose another folder")
        write_whole(final, content)
    except OSError as error:
        raise ExplainError(
            f"{printable(str(final))}: cannot be written: {error.strerror or error}",
            hint="choose a writable folder",
        ) from error
    return final
