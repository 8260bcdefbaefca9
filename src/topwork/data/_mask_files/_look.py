"""The one look at each image and its mask: sizes, which numbers it holds and how often, whether they are objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork._system import Executor
from topwork.data._image_size import Header, header_of
from topwork.data._mask_files._pieces import pieces
from topwork.data._mask_files._places import MaskPlace
from topwork.data._mask_files._raw import Raw
from topwork.data._source import Source, content_key, try_source
from topwork.errors import ImageError

MOST_VALUES = 2**16
"""Different numbers or colours of one mask that are kept; a mask that holds more is one of colours between colours."""


@dataclass(frozen=True)
class Look:
    """What is known of one mask before it is known what it means.

    Attributes:
        shown: Height and width of its image.
        turn: EXIF's orientation along which the mask has to be turned to lie on the image; 1 where it lies there.
        silent: Whether the image is turned, and nothing tells whether the mask is too.
        values: int32 (V,), which numbers or colours it holds, sorted.
        counts: int64 (V,), the pixels of each.
        whole: Whether those are all.
        colours, deep, lossy, palette: As ``Raw`` says.
        pieces: int64 (V,), in how many pieces the pixels of each value lie; empty where that was not looked at.
        parts: int64 (P, 2), of each piece of an object that something else than the values tells its object and its
            value; None where nothing does.
        flaws: As ``Raw`` says.
        content: A hash of what it holds.
        key: As ``Raw`` says.
    """

    shown: tuple[int, int]
    turn: int
    silent: bool
    values: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int64]
    whole: bool
    colours: bool
    deep: bool
    lossy: bool
    palette: npt.NDArray[np.int32] | None
    pieces: npt.NDArray[np.int64]
    parts: npt.NDArray[np.int64] | None
    flaws: tuple[tuple[str, str], ...]
    content: bytes
    key: bytes


@dataclass(frozen=True)
class Unusable:
    """A mask, or its image, that cannot be used: the word for it, and why. ``kind`` is empty where the image is."""

    kind: str
    reason: str


def look_at_all(sources: Sequence[Source], places: Sequence[MaskPlace]) -> Iterator[Look | Unusable]:
    """Decode every mask once, several at a time, and keep what is known of it: memory does not grow with pixels."""
    with Executor("masks") as hands:
        yield from hands.map_ordered(_looked(sources, places), range(len(places)), in_flight=2 * hands.workers)


def _looked(sources: Sequence[Source], places: Sequence[MaskPlace]) -> Callable[[int], Look | Unusable]:
    def looked(row: int) -> Look | Unusable:
        header = try_source(sources, row, header_of)
        if isinstance(header, str):
            return Unusable("", header)
        try:
            raw = places[row].load()
        except ImageError as error:
            return Unusable("unreadable", error.message)
        fitted = fit(raw.values.shape, header)
        return fitted if isinstance(fitted, Unusable) else _look(raw, header, *fitted)

    return looked


def fit(shape: tuple[int, ...], header: Header) -> tuple[int, bool] | Unusable:
    """How a mask of this shape lies on its image: along which orientation it is turned, and whether that is a guess."""
    stored, shown = (header.height, header.width), header.shown
    if shape == shown:
        told = header.orientation > 4 and stored != shown
        return 1, header.orientation > 1 and not told
    if shape == stored:
        return header.orientation, False
    (high, wide), (height, width) = shape, shown
    sizes = f"{wide} × {high} pixels, its image {width} × {height}"
    if shape == (width, height):
        return Unusable("turned", f"width and height are exchanged, and nothing says which way to turn it: {sizes}")
    return Unusable("size", f"it has {sizes}")


def _look(raw: Raw, header: Header, turn: int, silent: bool) -> Look:
    plain = _small(raw.values)
    values, counts = _value_counts(plain)
    whole = len(values) <= MOST_VALUES
    if not whole:
        kept = np.sort(np.argsort(-counts, kind="stable")[:MOST_VALUES])
        values, counts = values[kept], counts[kept]
    parts = None
    content = b"%d,%d:" % plain.shape + plain.tobytes()
    if raw.objects is not None:
        numbered, of = pieces(raw.objects)
        value_of = np.zeros(len(of) + 1, np.int64)
        value_of[numbered] = plain
        parts = np.stack([of, value_of[1:]], axis=1)
        content += raw.objects.tobytes()
    return Look(
        header.shown,
        turn,
        silent,
        values,
        counts,
        whole,
        raw.colours,
        raw.deep,
        raw.lossy,
        raw.palette,
        _pieces_of(raw, plain, values),
        parts,
        raw.flaws,
        content_key(content),
        raw.key,
    )


def _small(values: npt.NDArray[np.int32]) -> npt.NDArray[Any]:
    """The same numbers in as few bytes as they need: all that follows takes a quarter of the time."""
    low, high = int(values.min()), int(values.max())
    kind = np.uint8 if low >= 0 and high < 256 else np.uint16 if low >= 0 and high < 2**16 else np.int32
    return values.astype(kind)


def _value_counts(plain: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """The numbers or colours that a mask holds, sorted, and the pixels of each."""
    if plain.dtype == np.uint8:
        import PIL.Image

        counts = np.array(PIL.Image.fromarray(plain).histogram(), np.int64)  # ten times bincount's speed
    elif plain.dtype == np.uint16:
        counts = np.bincount(plain.ravel()).astype(np.int64)
    else:
        found, many = np.unique(plain, return_counts=True)
        return found, many.astype(np.int64)
    values = np.flatnonzero(counts)
    return values.astype(np.int32), counts[values]


def _pieces_of(raw: Raw, plain: npt.NDArray[Any], values: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """In how many pieces each value lies, where values may be objects."""
    foreground = values[values > 0]
    may_be = not raw.colours and not raw.lossy and raw.objects is None and len(foreground) > 0
    if not may_be or not (raw.deep or (len(foreground) > 1 and foreground[-1] == len(foreground))):
        return np.zeros(0, np.int64)
    found = np.zeros(len(values), np.int64)
    np.add.at(found, np.searchsorted(values, pieces(plain)[1]), 1)
    return found
