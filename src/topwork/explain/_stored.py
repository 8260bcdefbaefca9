"""Results as picture files that hold their numbers too, and what was found out about a model before, read from them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from topwork.explain._picture import is_ours, write_picture

_FORMAT: Literal[1] = 1
_KEY = "topwork"  # of the PNG's text chunk
_MOST_BYTES = 16 * 2**20  # far beyond any sheet; keeps a hostile file out of memory
_MOST_FILES = 1_000


class Result(Protocol):
    """What every result of this room can do."""

    @property
    def headline(self) -> str:
        """What was found, in a line."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        ...

    def picture(self) -> npt.NDArray[np.uint8]:
        """A sheet, uint8 (H, W, 3)."""
        ...


@dataclass(frozen=True)
class Explanation:
    """A result as its file holds it.

    Attributes:
        what: What was asked for, as ``topwork explain --what`` names it.
        source: The image that it is of; empty where it is of none.
        headline: What was found, in a line.
        numbers: What ``to_dict`` gave; a file may hold any.
        path: The picture.
    """

    what: str
    source: str
    headline: str
    numbers: dict[str, Any]
    path: Path


class _Told(BaseModel):
    """What stands in a picture."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal[1]
    what: str
    source: str
    headline: str
    numbers: dict[str, Any]


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
        if path.is_symlink() or path.stat().st_size > _MOST_BYTES or not is_ours(path):
            return None
        with Image.open(path, formats=("PNG",)) as picture:  # the chunks alone: no pixel is decoded
            told = _Told.model_validate_json(picture.info.get(_KEY, ""))
    except (OSError, ValueError, TypeError, SyntaxError, Image.DecompressionBombError, ValidationError):
        return None
    return Explanation(told.what, told.source, told.headline, told.numbers, path)
