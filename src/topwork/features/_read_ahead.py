"""Read images or texts on several threads, in order, a bounded number ahead of whoever consumes them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from topwork._system import Executor
from topwork.backbones import AnyBackbone, Preprocessing, TextBackbone
from topwork.data import Source, content_key, decode, read_source, try_source
from topwork.errors import TextError

IsKnown = Callable[[bytes], bool]
"""Whether a content's features exist already, so that it need not be decoded."""

_AHEAD_BYTES = 192 * 2**20  # decoded pixels that may wait; lets a first run decode while the network is converted


@dataclass(frozen=True)
class Item:
    """One source after reading."""

    index: int  # among the sources
    key: bytes  # 16 of them name its content
    content: Any  # what the network takes; None where it is known already or cannot be used
    reason: str = ""  # why it cannot be used


class Reader(Protocol):
    """Makes of sources what a network takes.

    Attributes:
        chunk: Sources a task of the executor: enough that handing tasks over costs nothing.
        ahead: Contents that may wait.
    """

    @property
    def chunk(self) -> int: ...
    @property
    def ahead(self) -> int: ...

    def read(self, sources: Sequence[Source], index: int, is_known: IsKnown) -> Item:
        """One source; what cannot be used comes back with its reason, never as an exception."""

    def batch(self, contents: Sequence[Any]) -> Any:
        """Several contents as the engine takes them."""


@dataclass(frozen=True)
class ImageReader:
    """Images, decoded into a network's square: uint8 (size, size, 3)."""

    preprocessing: Preprocessing
    chunk: int = 8

    @property
    def ahead(self) -> int:
        """As many as fit into some memory, whatever their size."""
        return self.chunk * max(2, _AHEAD_BYTES // (self.chunk * 3 * self.preprocessing.size**2))

    def read(self, sources: Sequence[Source], index: int, is_known: IsKnown) -> Item:
        """A file, a slice of a file, an encoded image as bytes, or pixels as uint8 (height, width, 3)."""

        def read(source: Source) -> Item:
            content = read_source(source)
            if isinstance(content, bytes):
                key = content_key(content)
                pixels = None if is_known(key) else decode(content, min_side=self.preprocessing.min_side)
            else:
                image = decode(content)
                key = content_key(image.tobytes() + str(image.shape).encode())
                pixels = None if is_known(key) else image
            return Item(index, key, None if pixels is None else self.preprocessing(pixels))

        found = try_source(sources, index, read)
        return Item(index, b"", None, found) if isinstance(found, str) else found

    def batch(self, contents: Sequence[Any]) -> npt.NDArray[np.uint8]:
        """uint8 (N, size, size, 3)."""
        return np.stack(contents)


@dataclass(frozen=True)
class TextReader:
    """Texts as they are: the network's own tokenizer is part of the network."""

    chunk: int = 64
    ahead: int = 4096

    def read(self, sources: Sequence[Source], index: int, is_known: IsKnown) -> Item:
        """A text; one without a letter or sign in it is nothing to read."""
        try:
            text = sources[index]
        except TextError as error:
            return Item(index, b"", None, error.message)
        if not isinstance(text, str):
            return Item(index, b"", None, f"a {type(text).__name__} is not a text")
        if not text.strip():
            return Item(index, b"", None, "the text is empty")
        key = content_key(text.encode("utf-8", "surrogatepass"))
        return Item(index, key, None if is_known(key) else text)

    def batch(self, contents: Sequence[Any]) -> list[str]:
        """A list of them."""
        return list(contents)


def reader_of(backbone: AnyBackbone) -> Reader:
    """What reads for a network."""
    return TextReader() if isinstance(backbone, TextBackbone) else ImageReader(backbone.preprocessing)


def read_ahead(sources: Sequence[Source], reader: Reader, is_known: IsKnown) -> Generator[Item]:
    """Items in the order of the sources; memory stays flat however many there are.

    Args:
        sources: Each is asked for once, on a decoder's thread.
        reader: What reads each.
        is_known: Whether a content's features exist already, so that it need not be decoded.
    """

    def read(index: int) -> Item:
        return reader.read(sources, index, is_known)

    with Executor("decode") as decoders:
        yield from decoders.map_ordered(read, range(len(sources)), in_flight=reader.ahead, chunk=reader.chunk)
