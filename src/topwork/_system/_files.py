"""How a file or a folder appears whole or not at all, and how an open one is locked."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

_DRAFT = ".draft"
_DRAFT_SECONDS = 60  # after which a draft that nobody has locked is one that a killed process left
_HEAD = 1_000  # bytes in which a file says what it is
_TRIES = 20  # to rename a folder into a place that others are renaming too


if sys.platform == "win32":
    import msvcrt

    def take(file: int, *, shared: bool = False, wait: bool = False) -> bool:
        """Lock an open file, see below; a shared lock is none here, where an open file cannot be deleted anyway."""
        try:
            if not shared:
                msvcrt.locking(file, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def take(file: int, *, shared: bool = False, wait: bool = False) -> bool:
        """Lock an open file or folder until it is closed; False where another one, of this process too, has it.

        The lock is the system's own: it ends with the process that holds it, however that ends.

        Args:
            file: A descriptor.
            shared: Whether others may have a shared lock too.
            wait: Whether to wait until it is free.

        Raises:
            OSError: There are no locks on this file system.
        """
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True


@contextlib.contextmanager
def written_whole(final: Path, *, replace: bool) -> Iterator[Path]:
    """Give a folder to fill; on success it is renamed to ``final``, so that a reader never sees half of it.

    With ``replace`` a folder already at ``final`` is swapped out; otherwise the first writer wins and the new
    folder is dropped, which is right for caches where both hold the same.

    Raises:
        OSError: The folder cannot be written (no space, read-only); nothing is left behind.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    _sweep(final)
    draft = Path(tempfile.mkdtemp(prefix=f".{final.name}-", suffix=_DRAFT, dir=final.parent))
    lock = None
    try:
        lock = _locked(draft)
        draft.chmod(0o755)  # mkdtemp makes it private; a model is to be shared like any other folder
        yield draft
        _flush(draft)
        _publish(draft, final, replace=replace)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _sweep(final: Path) -> None:
    """Delete drafts of this folder whose process is gone: its lock went with it."""
    for draft in _beside(final, rf"[a-z0-9_]{{8}}{re.escape(_DRAFT)}"):
        lock = None
        with contextlib.suppress(OSError):  # another run was faster
            if time.time() - draft.stat().st_mtime > _DRAFT_SECONDS:
                lock = _locked(draft)
        if lock is not None:
            shutil.rmtree(draft, ignore_errors=True)
            os.close(lock)


def _locked(folder: Path) -> int | None:
    """The folder, open and locked; None where another process has it, or there are no such locks (Windows, some NFS).

    Raises:
        OSError: It is gone.
    """
    if sys.platform == "win32":
        return None
    file = os.open(folder, os.O_RDONLY)
    with contextlib.suppress(OSError):
        if take(file):
            return file
    os.close(file)
    return None


def write_whole(final: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file so that it appears whole or not at all; one that is there is replaced, for its readers too.

    Args:
        final: Where.
        content: What.
        mode: Who may read it; all may when nothing else is said.

    Raises:
        OSError: The folder is not there or cannot be written; nothing is left behind.
    """
    with file_written_whole(final, mode=mode) as file:
        file.write(content)


@contextlib.contextmanager
def file_written_whole(final: Path, *, mode: int = 0o644) -> Iterator[BinaryIO]:
    """The same of content that comes piece by piece: what is written to the file that this gives.

    Raises:
        OSError: As ``write_whole``.
    """
    handle, draft = tempfile.mkstemp(prefix=f".{final.stem[:50]}-", dir=final.parent)
    try:
        with open(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(draft, mode)  # mkstemp makes it private
        os.replace(draft, final)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise


def fault_of_place(final: Path, is_ours: Callable[[bytes], bool], what: str) -> str:
    """Say why a file must not be written to a place, before there is anything to write; empty where it may be.

    Args:
        final: The place.
        is_ours: Whether a file that begins with these bytes is an earlier one of its kind.
        what: The kind, in words.

    Raises:
        OSError: The folder is not there or cannot be written, or what is there cannot be read.
    """
    try:
        os.lstat(final)
    except FileNotFoundError:
        os.scandir(final.parent).close()  # raises where there is no such folder
        if not os.access(final.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None
        return ""
    if not final.is_symlink() and final.is_file():  # a slip of the hand must not cost a photograph
        with final.open("rb") as file:
            if is_ours(file.read(_HEAD)):
                return ""
    return f"already exists and is not a {what}; it was not changed"


def _publish(draft: Path, final: Path, *, replace: bool) -> None:
    """Rename the draft to ``final``.

    With ``replace`` it tries again where a reader, who found nothing between the two renames, has put the old folder
    back, or where another writer was faster.
    """
    last = _TRIES - 1 if replace else 0
    for attempt in range(last + 1):
        old = final.with_name(f"{draft.name}{attempt}-old")
        if replace:
            with contextlib.suppress(FileNotFoundError):
                final.rename(old)
        try:
            draft.rename(final)
            break
        except OSError:
            with contextlib.suppress(OSError):
                old.rename(final)
            if not final.is_dir() or (replace and attempt == last):
                raise
    for left in _old_ones(final) if replace else ():
        shutil.rmtree(left, ignore_errors=True)


def restored(final: Path) -> Path:
    """``final``, brought back where a run was killed at the moment between its two renames."""
    if not final.exists():
        olds = _old_ones(final)
        with contextlib.suppress(OSError):  # the run lives and has gone on, or another reader was first
            if olds:
                max(olds, key=lambda old: old.stat().st_mtime).rename(final)
    return final


def is_being_replaced(final: Path) -> bool:
    """Whether a new folder for that place, or the old one from it, lies beside it: it may be between two renames."""
    return bool(_beside(final, r"[^-]+(-old)?"))


def _old_ones(final: Path) -> list[Path]:
    """What ``_publish`` has moved out of the way and not deleted."""
    return _beside(final, r"[^-]+-old")


def _beside(final: Path, rest: str) -> list[Path]:
    """What lies beside a folder under its name and something more; never that of a folder with a longer name."""
    name = re.compile(re.escape(f".{final.name}-") + rest)
    with contextlib.suppress(OSError):
        return [path for path in final.parent.iterdir() if name.fullmatch(path.name)]
    return []


def _flush(folder: Path) -> None:
    """Push the files' bytes to the disk before the rename makes them visible."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())


def sha256_of(path: Path) -> str:
    """The hash of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_size(folder: Path) -> int:
    """Bytes of all files below ``folder``; 0 where there is none."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # another process may delete while we count
                total += os.stat(os.path.join(parent, name)).st_size
    return total
