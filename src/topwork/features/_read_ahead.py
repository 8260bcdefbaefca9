"""Read and decode images on several threads, in order, a bounded number ahead of whoever consumes them."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from topwork._system import available_cores
from topwork.backbones import Preprocessing
from topwork.data import Slice, Source, decode, printable, read_bytes
from topwork.errors import ImageError

UInt8Array = npt.NDArray[np.uint8]

_CHUNK = 8  # images a task: enough that handing tasks over costs nothing
_AHEAD_BYTES = 192 * 2**20  # decoded pixels that may wait; lets a first run decode while the network is converted


@dataclass(frozen=True)
class Item:
    """One source after reading.

    Attributes:
        index: Its place among the sources.
        key: 16 bytes that name its content; equal content has equal keys.
        pixels: uint8 (size, size, 3); None where the content is known already or cannot be used.
        reason: Why it cannot be used; empty where it can.
    """

    index: int
    key: bytes
    pixels: UInt8Array | None
    reason: str = ""


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
    window = max(2, _AHEAD_BYTES // (_CHUNK * 3 * preprocessing.size**2))
    pending: deque[Future[list[Item]]] = deque()
    pool = ThreadPoolExecutor(available_cores(), "topwork-decode")
    try:
        for start in range(0, len(sources), _CHUNK):
            indices = range(start, min(start + _CHUNK, len(sources)))
            pending.append(pool.submit(_read_chunk, sources, indices, preprocessing, is_known))
            if len(pending) >= window:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _read_chunk(
    sources: Sequence[Source], indices: range, preprocessing: Preprocessing, is_known: Callable[[bytes], bool]
) -> list[Item]:
    return [_read_row(index, sources, preprocessing, is_known) for index in indices]


def _read_row(
    index: int, sources: Sequence[Source], preprocessing: Preprocessing, is_known: Callable[[bytes], bool]
) -> Item:
    try:
        source = sources[index]
    except ImageError as error:
        return Item(index, b"", None, error.message)
    return read_item(index, source, preprocessing, is_known)


def read_item(index: int, source: Source, preprocessing: Preprocessing, is_known: Callable[[bytes], bool]) -> Item:
    """Read one source; what cannot be used comes back with its reason, never as an exception."""
    try:
        if isinstance(source, np.ndarray):
            image = decode(source)
            key = _content_key(image.tobytes() + str(image.shape).encode())
            return Item(index, key, None if is_known(key) else preprocessing(image))
        content = source if isinstance(source, bytes) else read_bytes(source)
        key = _content_key(content)
        if is_known(key):
            return Item(index, key, None)
        return Item(index, key, preprocessing(decode(content, min_side=preprocessing.min_side)))
    except ImageError as error:
        return Item(index, b"", None, _reason(source, error))


def _reason(source: Source, error: ImageError) -> str:
    """Why, without the file's name: whoever lists it names the file."""
    if isinstance(source, np.ndarray | bytes):
        return error.message
    name = str(source) if isinstance(source, Slice) else printable(os.fspath(source))
    return error.message.removeprefix(f"{name}: ")


def _content_key(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
