"""Files as they lie on disk: which may be read at all, and their bytes. Nothing here knows of images."""

from __future__ import annotations

import errno
import os
import stat

from topwork.data._names import printable
from topwork.errors import ImageError

MAX_FILE_BYTES = 512 * 1024 * 1024
"""A file above this is refused unread; the largest photographs and scans are a tenth of it."""

# The effective user is the one whose rights open() uses.
_EFFECTIVE = os.access in os.supports_effective_ids
# O_NONBLOCK: opening a FIFO must not wait for a writer. O_BINARY: Windows must not touch line ends.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Read a whole file once; for a caller that wants to hash the bytes that it decodes.

    Args:
        path: A regular file of at most 512 MiB; a link to one will do.

    Raises:
        ImageError: It is missing, a folder, a FIFO or a device, unreadable, too large, or changed under the
            reader.
    """
    name = os.fspath(path)
    try:
        _check_regular(os.stat(name), name)  # before opening: opening a device can have effects of its own
        with open(os.open(name, _FLAGS), "rb") as file:
            size = _check_regular(os.fstat(file.fileno()), name)
            data = file.read(size + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise ImageError(f"{printable(name)}: {why(error)}") from error
    if len(data) != size:
        raise ImageError(f"{printable(name)}: changed while it was being read")
    return data


def _check_regular(info: os.stat_result, name: str) -> int:
    if stat.S_ISDIR(info.st_mode):
        raise ImageError(f"{printable(name)}: a folder, not an image")
    if not stat.S_ISREG(info.st_mode):
        raise ImageError(f"{printable(name)}: not a regular file")
    if info.st_size > MAX_FILE_BYTES:
        raise ImageError(f"{printable(name)}: {info.st_size:,} bytes, more than the {MAX_FILE_BYTES:,} allowed")
    return info.st_size


def why(error: Exception) -> str:
    """Say in plain words why a file or folder could not be used."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "cannot be read: permission denied"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror.lower()}"
    return f"cannot be read: {printable(str(error))}"


def readable(path: str) -> bool:
    """Ask whether this process may open the file for reading, without opening it."""
    return os.access(path, os.R_OK, effective_ids=_EFFECTIVE)


def refusal(path: str, real_root: str) -> str:
    """Say why a file must not be read, without opening it; empty where it may be.

    Args:
        path: The file, as listed.
        real_root: The data folder with all links resolved; a link may point to a file within it only.
    """
    try:
        info = os.lstat(path)
        if stat.S_ISLNK(info.st_mode):
            path = os.path.realpath(path, strict=True)
            if not within(path, real_root):
                return "a link that leaves the data folder"
            info = os.stat(path)
            if stat.S_ISDIR(info.st_mode):
                return "a linked folder is not followed"
    except (OSError, ValueError) as error:
        return _broken(error)
    if not stat.S_ISREG(info.st_mode):
        return "not a regular file"
    return "" if readable(path) else "cannot be read: permission denied"


def within(real_path: str, real_root: str) -> bool:
    """Ask whether a resolved path lies inside a resolved folder."""
    return real_path.startswith(os.path.join(real_root, ""))


def _broken(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "a link that leads back to itself"
    return why(error)
