"""Checkpoints on disk: whole or not at all, each with its checksum, the former one kept until the next but one.

A checkpoint is a ``.safetensors`` file: tensors by name, and the rest as one JSON text in a tensor of bytes. Its name
has its number and its SHA-256, so that one rename makes both appear. Nothing that could run code is ever read.
Torch is loaded where tensors are: every ``topwork fit`` asks whose a folder is, and few of them train a network.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from topwork._system import CHECKPOINT, sha256_of, take
from topwork.errors import CheckpointError, TrainError

if TYPE_CHECKING:
    from topwork.train._parts import Tensors

_LOCK = "lock"
_DRAFT = ".checkpoint-"
_TEXT = "text"
_KEPT = 2
_MODE = 0o644  # safetensors and mkstemp make their files private


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every other run out of a folder, which is made where there is none.

    The system holds the lock for as long as the process lives: a killed one leaves none behind.

    Raises:
        TrainError: Another run is there, or nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        reason = f"{folder}: no checkpoint can be written there: {error.strerror}"
        raise TrainError(reason, hint="choose another folder") from error
    try:
        if not take(file):
            hint = "wait until it has finished, or choose another folder"
            raise TrainError(f"{folder}: another run is writing to it", hint=hint)
        yield
    finally:
        os.close(file)


@dataclass(frozen=True)
class Saved:
    """What a checkpoint holds: tensors and a text; and what was wrong with newer ones."""

    tensors: Tensors
    text: str
    notes: tuple[str, ...]


def write_checkpoint(folder: Path, tensors: Tensors, text: str) -> None:
    """Write a checkpoint beside the former ones, of which the latest stays.

    Raises:
        CheckpointError: It cannot be written (no space, read-only); the former ones are as they were.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    content = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    content[_TEXT] = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)
    before = _generations(folder)
    number = before[0][0] + 1 if before else 1
    draft: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=_DRAFT, dir=folder)
        os.close(handle)
        draft = Path(name)
        save_file(content, draft)
        draft.rename(folder / f"checkpoint-{number:06d}-{_settled(draft)}.safetensors")
        _sync(folder)
    except (OSError, SafetensorError) as error:  # the latter is what safetensors makes of a full disk
        reason = error.strerror if isinstance(error, OSError) else None
        raise CheckpointError(
            f"{folder}: no checkpoint can be written: {reason or error}",
            hint="free some space and continue with --resume; the previous checkpoint is kept",
        ) from error
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)
    for _, old in before[_KEPT - 1 :]:
        old.unlink(missing_ok=True)


def read_checkpoint(folder: Path) -> Saved | None:
    """The newest checkpoint that is sound; None where there is none at all, a CheckpointError where all are damaged."""
    notes: list[str] = []
    for _, path in _generations(folder):
        try:
            return Saved(*_read(path), tuple(notes))
        except CheckpointError as error:
            notes.append(f"{error.message}; an earlier one was used")
    if notes:
        hint = "train again without --resume, and check the disk"
        raise CheckpointError(f"{folder}: every checkpoint is damaged", hint=hint)
    return None


def has_checkpoints(folder: Path) -> bool:
    """Whether there is one to go on from."""
    return folder.is_dir() and bool(_generations(folder))


def clear_drafts(folder: Path) -> None:
    """Delete what a killed run has left half written; call it under the lock."""
    for path in folder.glob(f"{_DRAFT}*"):
        path.unlink(missing_ok=True)


def require_own(folder: Path) -> None:
    """Refuse a folder that holds anything but a training's own files: they will be deleted when it is done.

    Raises:
        TrainError: There is something else.
    """
    strange = sorted(path.name for path in folder.iterdir() if not _is_own(path)) if folder.is_dir() else []
    if strange or (folder.exists() and not folder.is_dir()):
        raise TrainError(
            f"{folder}: it is for checkpoints, and it contains {strange[0]!r}" if strange else f"{folder}: is a file",
            hint="move it away, or choose another folder",
        )


def remove_checkpoints(folder: Path) -> None:
    """Delete a training's own files, and the folder where nothing else is in it."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if _is_own(path):
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _is_own(path: Path) -> bool:
    name = path.name
    return path.is_file() and (name == _LOCK or name.startswith(_DRAFT) or CHECKPOINT.fullmatch(name) is not None)


def _generations(folder: Path) -> list[tuple[int, Path]]:
    """Checkpoints of a folder with their numbers, newest first."""
    found = [(match, path) for path in folder.iterdir() if (match := CHECKPOINT.fullmatch(path.name))]
    return sorted(((int(match[1]), path) for match, path in found), reverse=True)


def _read(path: Path) -> tuple[Tensors, str]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if sha256_of(path) != path.stem.rpartition("-")[2]:
            raise CheckpointError(f"{path}: its checksum does not match")
        tensors = load_file(path)
        text = bytes(tensors.pop(_TEXT).numpy()).decode()
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error
    return tensors, text


def _settled(draft: Path) -> str:
    """The digest of a file whose bytes have reached the disk."""
    with draft.open("rb+") as file:
        os.fsync(file.fileno())
    draft.chmod(_MODE)
    return sha256_of(draft)


def _sync(folder: Path) -> None:
    """Make the rename itself last through a power cut; not every system can open a folder."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
