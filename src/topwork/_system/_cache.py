"""The cache: where it lies, and its limits. What was used longest ago goes first; what a living process uses stays."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from topwork._system._files import folder_size, take, written_whole
from topwork.errors import BackboneError, TopworkError

_DEFAULT_LIMIT = 10 * 2**30
_DELETED = "-deleted"

_used: dict[Path, int] = {}  # files of the cache that this process uses, each open and with a shared lock
_own: dict[Path, Path] = {}  # files that the cache could not take -> where they are until this process ends


def cache_dir() -> Path:
    """Folder for converted networks and features; ``TOPWORK_CACHE`` moves it. Deleting it loses only time."""
    chosen = os.environ.get("TOPWORK_CACHE")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "topwork"


def size_limit() -> int:
    """Bytes that each kind of thing in the cache may take; ``TOPWORK_CACHE_SIZE`` (``2GB``) sets it, else 10 GB.

    Raises:
        TopworkError: The variable does not hold a size.
    """
    text = os.environ.get("TOPWORK_CACHE_SIZE", "").strip().upper()
    if not text:
        return _DEFAULT_LIMIT
    units = {"KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
    number, unit = (text[:-2], units[text[-2:]]) if text[-2:] in units else (text, 1)
    with contextlib.suppress(ValueError, OverflowError):  # the latter for "inf"
        size = int(float(number) * unit)
        if size >= 0:
            return size
    raise TopworkError(f"TOPWORK_CACHE_SIZE must be a size such as 500MB or 2GB, not {text!r}")


def use(file: Path) -> bool:
    """Count a file of the cache as used now, and keep it for as long as this process lives; False where it is gone."""
    try:
        handle = os.open(file, os.O_RDONLY)
    except OSError:
        return False
    with contextlib.suppress(OSError):  # a file system without locks
        take(handle, shared=True, wait=True)  # whoever has it alone is deleting it
    if not file.exists():
        os.close(handle)
        return False
    with contextlib.suppress(OSError):  # a cache that may only be read
        os.utime(file)
    before = _used.pop(file, None)
    _used[file] = handle
    if before is not None:
        os.close(before)
    return True


def cached(entry: Path, file: str, make: Callable[[], Callable[[Path], object]]) -> Path:
    """A file of the cache, counted as used; where it is not there yet, it is made, and room for it.

    Where the cache cannot be written, which a warning tells, it is made for this process alone.

    Args:
        entry: Folder of one thing among those of its kind; it is deleted as a whole.
        file: Where the file is in it. The file's own folder appears as a whole.
        make: Makes what belongs in the file, and gives what writes it to a place.

    Raises:
        BackboneError: Nothing can be written at all.
    """
    found, kind = entry / file, entry.parent
    if found in _own:
        return _own[found]
    if not use(found):
        write = make()
        try:
            with writing_cache(), written_whole(found.parent, replace=False) as draft:
                write(draft / found.name)
        except BackboneError as error:
            warnings.warn(f"{error.message}; what is made is used for this run alone", stacklevel=2)
            own = Path(tempfile.mkdtemp(prefix="topwork-"))
            atexit.register(shutil.rmtree, own, ignore_errors=True)
            with writing_cache():
                write(own / found.name)
            return _own.setdefault(found, own / found.name)
        use(found)
        make_room(kind, f"*/{file}", lambda mark: delete_folder(kind / mark.relative_to(kind).parts[0]))
    return found


def make_room(folder: Path, marks: str, delete: Callable[[Path], int], *, last: Path | None = None) -> None:
    """Delete what was used longest ago until a folder is within the limit.

    Args:
        folder: Of one kind of thing in the cache.
        marks: Pattern below it of the files that stand for one thing each; the time of change is that of its last use.
        delete: Deletes the thing that a file stands for; gives the bytes that this freed.
        last: Folder of those to delete last.
    """
    for left in folder.glob(f".*{_DELETED}"):  # by a process that was killed meanwhile
        shutil.rmtree(left, ignore_errors=True)
    excess = folder_size(folder) - size_limit()
    if excess <= 0:
        return
    for mark in sorted(folder.glob(marks), key=lambda mark: (mark.parent == last, last_use(mark))):
        with _unused(mark) as free:
            excess -= delete(mark) if free else 0
        if excess <= 0:
            return


def delete_file(file: Path) -> int:
    """Delete a file of the cache; the bytes that this freed."""
    try:
        size = file.stat().st_size
        file.unlink()
    except OSError:  # another process was faster, or uses it on Windows
        return 0
    return size


def delete_folder(folder: Path) -> int:
    """Delete a folder of the cache at one stroke, so that nobody finds half of it; the bytes that this freed."""
    size, gone = folder_size(folder), folder.with_name(f".{folder.name}{_DELETED}")
    try:
        folder.rename(gone)
    except OSError:  # another process was faster, or may do what we may not
        return 0
    shutil.rmtree(gone, ignore_errors=True)
    return size


def last_use(file: Path) -> float:
    """Seconds since 1970; 0 where the file is gone."""
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


@contextlib.contextmanager
def _unused(file: Path) -> Iterator[bool]:
    """Keep others from using a file of the cache; gives False where a process uses it, or it is gone."""
    if sys.platform == "win32":  # an open file cannot be deleted there
        yield True
        return
    try:
        handle = os.open(file, os.O_RDONLY)
    except OSError:
        yield False
        return
    try:
        free = True
        with contextlib.suppress(OSError):  # a file system without locks
            free = take(handle)
        yield free
    finally:
        os.close(handle)


@contextlib.contextmanager
def writing_cache() -> Iterator[None]:
    """Say in plain words that the cache cannot be written.

    Raises:
        BackboneError: Instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise BackboneError(
            f"the cache {cache_dir()} cannot be written: {error.strerror or error}",
            hint="free some space, set TOPWORK_CACHE to another folder, or use --no-cache",
        ) from error
