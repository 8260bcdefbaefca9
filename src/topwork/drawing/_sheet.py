"""Sheets: pictures in rows with words beneath, as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._arrays import UInt8Array
from topwork.drawing._words import line_height, words

if TYPE_CHECKING:
    from PIL.Image import Image

GAP = 14  # pixels between cells, and around them
INK, PAPER = (30, 30, 30), (255, 255, 255)
_TEXT, _TITLE = 15, 19  # pixels


@dataclass(frozen=True, eq=False)
class Cell:
    """One picture of a sheet.

    Attributes:
        pixels: uint8 (h, w, 3); None leaves the place empty.
        caption: What stands beneath, a line each; a line that is too long ends in three dots.
    """

    pixels: UInt8Array | None
    caption: str = ""


def sheet(rows: Sequence[Sequence[Cell]], *, title: str = "", side: int = 224) -> UInt8Array:
    """Lay out cells in rows.

    Args:
        rows: Rows of cells; they may be of unequal length.
        title: Above all of them, a line each.
        side: Pixels; every picture is enlarged or reduced until its longer side has so many.

    Returns:
        uint8 (H, W, 3).
    """
    from PIL import Image, ImageDraw

    shown = [[_sized(cell, side) for cell in row] for row in rows]
    width = GAP + max(len(row) for row in rows) * (side + GAP)
    heights = [_row_height(cells, images) for cells, images in zip(rows, shown, strict=True)]
    titles = title.split("\n") if title else []
    top = GAP + (len(titles) * line_height(_TITLE) + GAP // 2 if titles else 0)
    canvas = Image.new("RGB", (width, top + sum(heights)), PAPER)
    pen = ImageDraw.Draw(canvas)
    _lines(pen, titles, (GAP, GAP), width - 2 * GAP, _TITLE)
    for cells, images, height in zip(rows, shown, heights, strict=True):
        for column, (cell, image) in enumerate(zip(cells, images, strict=True)):
            left = GAP + column * (side + GAP)
            if image is not None:
                canvas.paste(image, (left, top))
            below = max((each.height for each in images if each is not None), default=0)
            _lines(pen, cell.caption.split("\n"), (left, top + below + 3), side, _TEXT)
        top += height
    return np.asarray(canvas)


def _row_height(cells: Sequence[Cell], images: Sequence[Image | None]) -> int:
    most = max((cell.caption.count("\n") + 1 for cell in cells if cell.caption), default=0)
    return max((image.height for image in images if image is not None), default=0) + most * line_height(_TEXT) + GAP


def _sized(cell: Cell, side: int) -> Image | None:
    """A small map in squares, so that one sees the cells that it has; photographs smoothly."""
    from PIL import Image

    if cell.pixels is None:
        return None
    image = Image.fromarray(np.ascontiguousarray(cell.pixels))
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.NEAREST if scale >= 3 else Image.Resampling.LANCZOS)


def _lines(pen: Any, lines: Sequence[str], at: tuple[int, int], width: int, size: int) -> None:
    left, top = at
    for place, line in enumerate(lines):
        text, face = words(line, size, width)
        pen.text((left, top + place * line_height(size)), text, fill=INK, font=face)
