"""Where an image's bytes lie (a file, a slice of one, bytes, pixels), which files may be read, and how they are."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from topwork.data._names import printable
from topwork.errors import ImageError

T = TypeVar("T")
Pixels = npt.NDArray[np.uint8]

MAX_FILE_BYTES = 512 * 1024 * 1024
"""A file above this is refused unread; the largest photographs and scans are a tenth of it."""

# The effective user is the one whose rights open() uses.
_EFFECTIVE = os.access in os.supports_effective_ids
# O_NONBLOCK: opening a FIFO must not wait for a writer. O_BINARY: Windows must not touch line ends.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True, slots=True)
class Slice:
    """One image inside a larger file, such as a member of a tar shard.

    Args:
        path: The file.
        offset: Bytes before the image.
        size: Bytes of the image.
        stamp: The file's size and its time of change in nanoseconds when the place was noted; a file that has
            another one by now is not read.
    """

    path: str | os.PathLike[str]
    offset: int
    size: int
    stamp: tuple[int, int] | None = None

    def __str__(self) -> str:
        """Say which bytes of which file, on one line."""
        return f"{printable(os.fspath(self.path))}, bytes {self.offset:,} to {self.offset + self.size:,}"


Source = str | os.PathLike[str] | bytes | Slice | Pixels
"""A file, the bytes of a file, a part of a file, or pixels, uint8 ``(H, W, 3)``."""


def source_name(source: Source) -> str:
    """What a message calls an image; empty where it has no name: bytes and pixels."""
    if isinstance(source, bytes | np.ndarray):
        return ""
    return str(source) if isinstance(source, Slice) else printable(os.fspath(source))


class ImageStore(Protocol):
    """Where the images of a data set lie when each is not a file of its own.

    Frozen and safe to call from many threads.
    """

    def source(self, key: int) -> Source:
        """Give the image of one row, without decoding it; the row keeps its key in all selections of a data set.

        Raises:
            ImageError: The image cannot be had.
        """


def read_bytes(source: str | os.PathLike[str] | Slice) -> bytes:
    """Read a whole file, or one image of a larger file, once; for a caller that hashes the bytes that it decodes.

    Args:
        source: A regular file of at most 512 MiB (a link to one will do), or a slice of at most that size of a
            file of any size.

    Raises:
        ImageError: It is missing, a folder, a FIFO or a device, unreadable, too large, or changed under the
            reader.
    """
    if isinstance(source, Slice):
        return _read_slice(source)
    name = os.fspath(source)
    with opened(name) as (file, info):
        data = file.read(checked_size(info.st_size, name) + 1)
        if len(data) != info.st_size:
            raise ImageError(f"{printable(name)}: changed while it was being read")
    return data


def read_source(source: Source) -> bytes | Pixels:
    """Read an image into memory: the bytes of its file, or its pixels as they are; :func:`decode` takes either.

    Raises:
        ImageError: It cannot be read.
    """
    return source if isinstance(source, bytes | np.ndarray) else read_bytes(source)


def content_key(content: bytes) -> bytes:
    """16 bytes that name a content, the same on every machine."""
    return hashlib.blake2b(content, digest_size=16).digest()


def try_source(sources: Sequence[Source], index: int, use: Callable[[Source], T]) -> T | str:
    """Make something of one image, or say why it cannot be used.

    Args:
        sources: Images, such as ``dataset.sources()``.
        index: Which of them; it is asked for once.
        use: What to do with it; may raise an ``ImageError``.

    Returns:
        What ``use`` gives, or the reason in plain words, without the file's name: whoever lists it names the file.
    """
    name = ""
    try:
        source = sources[index]
        name = source_name(source)
        return use(source)
    except ImageError as error:
        return error.message.removeprefix(f"{name}: ") if name else error.message


def _read_slice(part: Slice) -> bytes:
    with opened(os.fspath(part.path)) as (file, info):
        if part.stamp not in (None, stamp(info)):
            raise ImageError(f"{part}: the file has changed since it was listed")
        file.seek(part.offset)
        data = file.read(checked_size(part.size, str(part)))
        if len(data) != part.size:
            raise ImageError(f"{part}: the file ends before that")
    return data


def stamp(info: os.stat_result) -> tuple[int, int]:
    """Tell a file from what it was before: its size and its time of change."""
    return info.st_size, info.st_mtime_ns


@contextmanager
def opened(name: str) -> Iterator[tuple[BinaryIO, os.stat_result]]:
    """Open a regular file for reading, and only that: opening a FIFO would hang, and a device can have effects.

    Raises:
        ImageError: It is missing, not a regular file, or cannot be read.
    """
    try:
        _check_regular(os.stat(name), name)  # before opening: opening a device can have effects of its own
        with open(os.open(name, _FLAGS), "rb") as file:
            info = os.fstat(file.fileno())
            _check_regular(info, name)
            yield file, info
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise ImageError(f"{printable(name)}: {why(error)}", hint=hint_of(error)) from error


def _check_regular(info: os.stat_result, name: str) -> None:
    if stat.S_ISDIR(info.st_mode):
        raise ImageError(f"{printable(name)}: a folder, not an image")
    if not stat.S_ISREG(info.st_mode):
        raise ImageError(f"{printable(name)}: not a regular file")


def checked_size(size: int, name: str) -> int:
    """The bytes of a file, as far as they are allowed (``ImageError`` otherwise)."""
    if size > MAX_FILE_BYTES:
        raise ImageError(f"{printable(name)}: {size:,} bytes, more than the {MAX_FILE_BYTES:,} allowed")
    return size


def why(error: Exception) -> str:
    """Say in plain words why a file or folder could not be used."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "cannot be read: permission denied"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror.lower()}"
    return f"cannot be read: {printable(str(error))}"


def hint_of(error: Exception) -> str:
    """What to do about it, where that is plain."""
    return "check the path" if isinstance(error, FileNotFoundError) else ""


def readable(path: str) -> bool:
    """Ask whether this process may open the file for reading, without opening it."""
    return os.access(path, os.R_OK, effective_ids=_EFFECTIVE)


LINKS = ("a link that leaves the data folder", "a linked folder is not followed")
"""Why links are left out that may be followed when the user says so."""


def refusal(path: str, real_root: str) -> str:
    """Say why a file must not be read, without opening it; empty where it may be.

    A link may point to a file in the data folder only, which is given with all links resolved.
    """
    try:
        info = os.lstat(path)
        if stat.S_ISLNK(info.st_mode):
            path = os.path.realpath(path, strict=True)
            if not within(path, real_root):
                return LINKS[0]
            info = os.stat(path)
            if stat.S_ISDIR(info.st_mode):
                return LINKS[1]
    except (OSError, ValueError) as error:
        loops = isinstance(error, OSError) and error.errno == errno.ELOOP
        return "a link that leads back to itself" if loops else why(error)
    if not stat.S_ISREG(info.st_mode):
        return "not a regular file"
    return "" if readable(path) else "cannot be read: permission denied"


def within(real_path: str, real_root: str) -> bool:
    """Ask whether a resolved path lies inside a resolved folder."""
    return real_path.startswith(os.path.join(real_root, ""))
