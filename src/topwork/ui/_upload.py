"""Uploads: a folder's files, a zip or a table from a browser, written into a folder of their own and nowhere else.

In: names and bytes that a browser sends. Out: the path of the data, as if a person had put them there.
"""

from __future__ import annotations

import contextlib
import lzma
import os
import re
import shutil
import stat
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from topwork.data import decoded, is_manifest, printable
from topwork.errors import DataError

MAX_FILES = 200_000
MAX_BYTES = 40 * 2**30
"""Of all files of an upload, unpacked."""

_DRAFT = ".upload-"
_DRAFT_SECONDS = 86_400  # after which a draft is one that a killed process left
_SPARE = 2**30  # bytes of the disk that stay free
_SMALL = 100 * 2**20  # bytes that a zip may unpack to, however small it is
_RATIO = 100  # times its own size that it may unpack to beyond that; tables of texts reach 20
_DEPTH = 20  # folders in each other
_LONGEST = 255  # bytes of one name
_CHUNK = 2**20
_UTF8_NAME = 0x800  # flag of a zip's entry: its name is UTF-8
_ENCRYPTED = 0x1
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError)
_DRIVE = re.compile(r"[A-Za-z]:")


class Upload:
    """One upload on its way: files are added, and ``finish`` gives the data.

    Args:
        work: The folder in which it gets one of its own; made where it is missing.
        name: What the data are called: the folder that was dropped, or the file.

    Raises:
        DataError: The folder cannot be written.
    """

    def __init__(self, work: Path, name: str) -> None:
        self._work = work
        self._name = _plain(name)
        self._files = self._bytes = 0
        try:
            work.mkdir(parents=True, exist_ok=True)
            _sweep(work)
            self._draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=work))
        except OSError as error:
            raise _not_written(work, error) from error
        self._data = self._draft / "data"

    @contextlib.contextmanager
    def file(self, name: str) -> Iterator[Incoming]:
        """A file to write, by its name within what was dropped; gone again where the block raises.

        Raises:
            DataError: The name leads elsewhere or came before, or there are too many files or bytes.
        """
        self._files += 1
        _require_few(self._files)
        place = _place(self._data, name)
        try:
            with _new(place, name) as file:
                incoming = Incoming(file, self._left())
                yield incoming
        except BaseException:
            place.unlink(missing_ok=True)
            raise
        self._bytes += incoming.size

    def _left(self) -> int:
        """Bytes that may still come."""
        return min(MAX_BYTES - self._bytes, shutil.disk_usage(self._draft).free - _SPARE)

    def finish(self) -> Path:
        """Unpack what is packed, and give the data their place: a folder, or a table.

        Raises:
            DataError: There is nothing, or a zip that cannot be unpacked safely.
        """
        only = _only(self._data)
        if only is not None and only.is_file() and zipfile.is_zipfile(only):
            unpacked = self._draft / "unpacked"
            unpack(only, unpacked, self._left())
            only.unlink()
            self._data, self._name, only = unpacked, _plain(Path(self._name).stem), _only(unpacked)
        if only is None and (not self._data.is_dir() or not any(self._data.iterdir())):
            raise DataError("there is no file in it", hint="drop a folder of images, a zip of one, or a table of texts")
        found = self._data if only is None or (only.is_file() and not is_manifest(only.name)) else only
        named = self._name if found is self._data else found.name
        final = _free(self._work / _plain(Path(named).stem if found.is_file() else named))
        try:
            final.mkdir()
            found.rename(final / named)
        except OSError as error:
            raise _not_written(final, error) from error
        self.drop()
        return final / named

    def drop(self) -> None:
        """Delete what has come so far and has no place yet."""
        shutil.rmtree(self._draft, ignore_errors=True)


class Incoming:
    """A file that is being written, and how many bytes it has."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file = file
        self._most = most
        self.size = 0

    def write(self, chunk: bytes) -> None:
        """Add bytes.

        Raises:
            DataError: They are more than may come.
        """
        self.size += len(chunk)
        if self.size > self._most:
            raise DataError("this is too much data for the disk", hint="name the folder instead of uploading it")
        self._file.write(chunk)


def unpack(file: Path, into: Path, most: int) -> None:
    """Unpack a zip that a stranger may have made: every file into the folder, none elsewhere, none without end.

    Args:
        file: The zip.
        into: A folder, which is made.
        most: Bytes of all its files together.

    Raises:
        DataError: It is damaged, encrypted, or too large unpacked; or it has a name that leads out of the folder, that
            comes twice, or that is a link or a device.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            entries = [info for info in archive.infolist() if not info.is_dir()]
            _require_few(len(entries))
            _require_sound(sum(info.file_size for info in entries), file.stat().st_size, most)
            for info, name in zip(entries, _names(entries), strict=True):
                _require_file(info, name)
                if name.replace("\\", "/").split("/")[0] != "__MACOSX":
                    with archive.open(info) as source, _new(_place(into, name), name) as out:
                        shutil.copyfileobj(source, out, _CHUNK)  # no more than it says: zipfile sees to it
    except _DAMAGED as error:
        raise _damaged(error) from error
    except OSError as error:
        raise (_not_written(into, error) if error.errno else _damaged(error)) from error  # bz2 says it so


def _damaged(error: Exception) -> DataError:
    return DataError(f"the zip is damaged: {printable(str(error))}", hint="pack it again")


def _require_few(files: int) -> None:
    if files > MAX_FILES:
        raise DataError(f"there are more than {MAX_FILES:,} files", hint="name the folder instead of uploading it")


def _require_sound(unpacked: int, packed: int, most: int) -> None:
    if unpacked > max(_SMALL, _RATIO * packed):
        raise DataError("the zip is tiny and would unpack to a huge amount of data", hint="it may be meant to do harm")
    if unpacked > most:
        raise DataError("the zip is too large for the disk", hint="unpack it yourself, and name the folder")


def _require_file(info: zipfile.ZipInfo, name: str) -> None:
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise DataError(f"'{printable(name)}' in the zip is a link or a device, not a file")
    if info.flag_bits & _ENCRYPTED:
        raise DataError("the zip has a password", hint="pack it without one")


def _names(entries: list[zipfile.ZipInfo]) -> list[str]:
    """The names in a zip; those that are not marked as UTF-8 are in the encoding of whoever packed it."""
    names = [info.orig_filename if info.flag_bits & _UTF8_NAME else _unmarked(info) for info in entries]
    try:
        read, _ = decoded(names)
    except UnicodeError as error:
        raise DataError(f"the names in the zip cannot be read: {error}") from error
    return [read.get(name, name) for name in names]


def _unmarked(info: zipfile.ZipInfo) -> str:
    with contextlib.suppress(UnicodeError):
        return info.orig_filename.encode("cp437").decode("utf-8", "surrogateescape")  # zipfile took it for CP437
    return info.orig_filename


def _place(folder: Path, name: str) -> Path:
    """Where a file of that name lies in the folder.

    Raises:
        DataError: It would lie elsewhere, on this system or another, or nowhere.
    """
    parts = name.replace("\\", "/").split("/")
    bad = len(parts) > _DEPTH or _DRIVE.match(name) or any(map(_is_bad, parts))
    if bad:
        raise DataError(f"the name '{printable(name[:200])}' is not that of a file in a folder", hint="rename it")
    return folder.joinpath(*parts)


def _is_bad(part: str) -> bool:
    if part in ("", ".", "..") or any(ord(letter) < 32 or 0xD800 <= ord(letter) <= 0xDFFF for letter in part):
        return True
    return len(part.encode()) > _LONGEST


def _new(place: Path, name: str) -> BinaryIO:
    """The file, open; one that is there is not written over."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        return open(place, "xb")
    except (FileExistsError, NotADirectoryError) as error:
        raise DataError(f"the name '{printable(name)}' comes twice", hint="rename one of the two") from error
    except OSError as error:
        raise _not_written(place, error) from error


def _only(folder: Path) -> Path | None:
    """What the folder holds where that is one thing."""
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []
    return inside[0] if len(inside) == 1 else None


def _free(place: Path) -> Path:
    """The place, or one with a number where something stands there."""
    found, number = place, 1
    while os.path.lexists(found):
        number += 1
        found = place.with_name(f"{place.name}-{number}")
    return found


def _plain(name: str) -> str:
    """A name as a folder can have it."""
    last = re.split(r"[/\\]", name.strip())[-1].lstrip(".")
    kept = "".join(letter for letter in last if letter.isprintable() and letter not in '<>:"|?*')
    return kept.encode()[:100].decode("utf-8", "ignore").strip() or "data"


def _sweep(work: Path) -> None:
    for draft in work.glob(f"{_DRAFT}*"):
        with contextlib.suppress(OSError):
            if time.time() - draft.stat().st_mtime > _DRAFT_SECONDS:
                shutil.rmtree(draft, ignore_errors=True)


def _not_written(place: Path, error: OSError) -> DataError:
    return DataError(f"{printable(str(place))}: cannot be written: {error.strerror or error}")
