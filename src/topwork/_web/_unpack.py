"""Unpacks an archive into a folder: plain files alone, nothing outside the folder, and no more than it can hold."""

from __future__ import annotations

import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from topwork.errors import DataError

_TIMES = 30  # what an archive may unpack to over its own size; of texts it is 4, of pictures 1
_SPARE = 2**26  # bytes that it may unpack to anyhow
_MEMBERS = 3_000_000
_PIECE = 2**20
_FAULTS = (
    *(OSError, EOFError, NotImplementedError, ValueError, RuntimeError),
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)

Member = tuple[str, Callable[[], IO[bytes] | None]]


def is_archive(file: Path) -> bool:
    """Whether a file's name is that of an archive."""
    return file.name.lower().endswith((".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz"))


def unpack(file: Path, folder: Path) -> int:
    """Unpack a zip or tar archive; gives how many files it held.

    Raises:
        DataError: It is damaged, has a member that would lie outside the folder, or unpacks to far more than it holds.
            Links and devices are left out.
    """
    left = _TIMES * file.stat().st_size + _SPARE
    count = 0
    try:
        for name, opened in _zip_members(file) if file.suffix.lower() == ".zip" else _tar_members(file):
            count += 1
            if count > _MEMBERS:
                raise DataError(f"{file}: holds more than {_MEMBERS} files, so it was not unpacked")
            content = opened()
            if content is not None:
                with content:
                    left -= _copied(content, _inside(folder, name, file), left, file)
    except DataError:
        raise
    except _FAULTS as error:
        reason = str(error) or type(error).__name__
        raise DataError(
            f"{file}: cannot be unpacked: {reason}", hint="delete it and run the same command again"
        ) from error
    return count


def _zip_members(file: Path) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for each in archive.infolist():
            if not each.is_dir() and not _is_link(each):
                yield each.filename, lambda each=each: archive.open(each)  # type: ignore[misc]


def _is_link(member: zipfile.ZipInfo) -> bool:
    return (member.external_attr >> 16) & 0o170000 == 0o120000


def _tar_members(file: Path) -> Iterator[Member]:
    with tarfile.open(file, "r:*") as archive:
        for each in archive:
            if each.isreg():
                yield each.name, lambda each=each: archive.extractfile(each)  # type: ignore[misc]
        if archive.fileobj is not None:
            archive.fileobj.read(_PIECE)  # to the end, where the checksum of what was compressed is compared


def _inside(folder: Path, name: str, file: Path) -> Path:
    """Where a member belongs."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name.partition("/")[0] or "\0" in name:
        raise DataError(f"{file}: {name!r} would lie outside the folder, so it was not unpacked")
    place = folder.joinpath(*path.parts)
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _copied(content: IO[bytes], place: Path, limit: int, file: Path) -> int:
    """Write one file; gives its size. What the archive says of sizes is not believed."""
    size = 0
    with place.open("wb") as out:
        while piece := content.read(_PIECE):
            size += len(piece)
            if size > limit:
                raise DataError(f"{file}: unpacks to far more than it holds, so it was not unpacked")
            out.write(piece)
    return size


def lift(folder: Path, inner: str) -> None:
    """Make what lies in an inner folder the folder's own content, and drop the rest.

    Raises:
        DataError: There is no such folder in it.
    """
    source = folder / inner
    if not source.is_dir():
        there = ", ".join(sorted(path.name for path in folder.iterdir())[:5])
        raise DataError(f"{inner} is not in what was downloaded; there is {there}")
    if source.samefile(folder):
        return
    moved = folder.with_name(f"{folder.name}-inner")
    source.rename(moved)
    shutil.rmtree(folder)
    moved.rename(folder)
