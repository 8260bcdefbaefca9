"""Read and decode images on several threads, in order, a bounded number ahead of whoever consumes them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from topwork._system import Executor
from topwork.backbones import Preprocessing
from topwork.data import Source, content_key, decode, read_source, try_source

UInt8Array = npt.NDArray[np.uint8]

_CHUNK = 8  # images a task: enough that handing tasks over costs nothing
_AHEAD_BYTES = 192 * 2**20  # decoded pixels that may wait; lets a first run decode while the network is converted


@dataclass(frozen=True)
class Item:
    """One source after reading."""

    index: int  # among the sources
    key: bytes  # 16 of them name its content
    pixels: UInt8Array | None  # (size, size, 3); None where the content is known already or cannot be used
    reason: str = ""  # why it cannot be used


def read_ahead(
    sources: Sequence[Source], preprocessing: Preprocessing, is_known: Callable[[bytes], bool]
) -> Generator[Item]:
    """Items in the order of the sources; memory stays flat however many there are.

    Args:
        sources: Files, slices of files, encoded images as bytes, or pixels as uint8 (height, width, 3); each is asked
            for once, on a decoder's thread.
        preprocessing: Applied to every image.
        is_known: Whether a content's features exist already, so that it need not be decoded.
    """
    chunks = max(2, _AHEAD_BYTES // (_CHUNK * 3 * preprocessing.size**2))

    def read(index: int) -> Item:
        return read_item(index, sources, preprocessing, is_known)

    with Executor("decode") as decoders:
        yield from decoders.map_ordered(read, range(len(sources)), in_flight=chunks * _CHUNK, chunk=_CHUNK)


def read_item(
    index: int, sources: Sequence[Source], preprocessing: Preprocessing, is_known: Callable[[bytes], bool]
) -> Item:
    """Read one source; what cannot be used comes back with its reason, never as an exception."""

    def read(source: Source) -> Item:
        content = read_source(source)
        if isinstance(content, bytes):
            key = content_key(content)
            pixels = None if is_known(key) else decode(content, min_side=preprocessing.min_side)
        else:
            image = decode(content)
            key = content_key(image.tobytes() + str(image.shape).encode())
            pixels = None if is_known(key) else image
        return Item(index, key, None if pixels is None else preprocessing(pixels))

    found = try_source(sources, index, read)
    return Item(index, b"", None, found) if isinstance(found, str) else found
