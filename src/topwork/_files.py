"""Places on disk: where topwork keeps what it can compute again, and how a folder appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path


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


@contextlib.contextmanager
def written_whole(final: Path, *, replace: bool) -> Iterator[Path]:
    """Give a folder to fill; on success it is renamed to ``final``, so that a reader never sees half of it.

    With ``replace`` a folder already at ``final`` is swapped out; otherwise the first writer wins and the new
    folder is dropped, which is right for caches where both hold the same.

    Raises:
        OSError: The folder cannot be written (no space, read-only); nothing is left behind.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
    try:
        draft.chmod(0o755)  # mkdtemp makes it private; a model is to be shared like any other folder
        yield draft
        _flush(draft)
        _publish(draft, final, replace=replace)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _publish(draft: Path, final: Path, *, replace: bool) -> None:
    old = final.with_name(f"{draft.name}-old")
    if replace and final.exists():
        final.rename(old)
    try:
        draft.rename(final)
    except OSError:
        if old.exists():
            old.rename(final)
        if not final.is_dir():
            raise
    shutil.rmtree(old, ignore_errors=True)


def restored(final: Path) -> Path:
    """``final``, brought back where a run was killed at the moment between its two renames."""
    if not final.exists():
        for old in sorted(final.parent.glob(f".{final.name}-*-old")):
            old.rename(final)
            break
    return final


def _flush(folder: Path) -> None:
    """Push the files' bytes to the disk before the rename makes them visible."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())


def folder_size(folder: Path) -> int:
    """Bytes of all files below ``folder``; 0 where there is none."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # another process may delete while we count
            total += path.stat().st_size
    return total
