"""Rows of an image that are counted together: counting the whole at once would take many times its mask's memory."""

from __future__ import annotations

from collections.abc import Iterator

PIXELS = 2**22  # of a band


def bands(shape: tuple[int, ...], least: int = 1) -> Iterator[slice]:
    """Rows from the top to the bottom; an image of up to four million pixels is one band.

    Args:
        shape: Of the image: height and width.
        least: Rows of a band, but for the last.
    """
    height, width = shape
    step = max(least, PIXELS // max(1, width))
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))
