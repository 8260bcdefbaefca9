"""Whose turn it is in a gallery's folder, where it may also be that nobody is in it, or that its model is replaced."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from topwork._system import take
from topwork.errors import ModelError

LOCK = ".lock"
"""The lock's file in the folder."""

_WAITS, _PAUSE = 200, 0.01  # for a model's folder that another process replaces; seconds between two


@contextlib.contextmanager
def kept_empty(folder: Path) -> Iterator[None]:
    """Where nobody is in a gallery, nobody is enrolled in it meanwhile: whoever wants to waits.

    Raises:
        OSError: The folder cannot be written.
    """
    if not is_bare(folder):
        yield
        return
    lock = locked(folder)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # it went with the model that was replaced
            if os.path.samestat(os.fstat(lock), (folder / LOCK).stat()):
                remove_bare(folder)
        os.close(lock)


def is_bare(folder: Path) -> bool:
    """Whether there is nothing in a gallery's folder but its lock, or no such folder."""
    try:
        return set(os.listdir(folder)) <= {LOCK}
    except FileNotFoundError:
        return True


def remove_bare(folder: Path) -> None:
    """Remove a folder with nothing in it but its lock; whoever waits for that makes another one."""
    with contextlib.suppress(OSError):
        if is_bare(folder):
            (folder / LOCK).unlink(missing_ok=True)
            folder.rmdir()


def locked(folder: Path) -> int:
    """The folder's lock, taken: of the folder that lies there now, since whoever had it may have replaced it."""
    for left in reversed(range(_WAITS)):
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(0o700)
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:  # the model's folder is being replaced
            if not left:
                raise
            time.sleep(_PAUSE)
            continue
        take(lock, wait=True)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), (folder / LOCK).stat()):
                return lock
        os.close(lock)
    raise ModelError(f"{folder}: the gallery changed again and again while it was read", hint="try again")
