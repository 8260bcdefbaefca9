"""The model folder on disk: written whole or not at all; nothing in it can run code when it is read."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from topwork._system import is_being_replaced, restored, written_whole
from topwork.backbones import (
    AnyBackbone,
    TextBackbone,
    Weights,
    backbone_from_dict,
    file_sha256,
    named_arrays,
    own_file,
    packaged,
    text_arrays,
    text_row,
)
from topwork.data import printable
from topwork.errors import BackboneError, ModelError
from topwork.heads import read_tensors, write_tensors
from topwork.model._methods import Methods
from topwork.model._record import ModelRecord, TaskRecord, parse_record

RECORD, BACKBONE, HISTORY, CARD = "model.json", "backbone.safetensors", "history.jsonl", "README.md"
NGRAMS = "ngrams.safetensors"
METHODS, REFERENCES = "methods.md", "references.bib"
EXPLAINED = "explained"
"""Folder in a model's folder: what `topwork explain --keep` found out about it, as picture files."""

_OURS = {
    RECORD,
    HISTORY,
    CARD,
    METHODS,
    REFERENCES,
    EXPLAINED,
    BACKBONE,
    NGRAMS,
    "report.html",
    ".DS_Store",
    "Thumbs.db",
}
_RECORD_BYTES = 256 * 2**20  # far beyond any real record; keeps a hostile file out of memory
_HISTORY_BYTES = 16 * 2**20  # 50,000 epochs

_PAUSE = 0.005  # seconds between two reads of a folder that is being replaced
_READS = 20  # of a folder that another process replaces again and again
_WRITE_HINT = "choose another folder, or free some space; nothing was changed there"

Tensors = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Parts:
    """What a model folder holds, whatever the task.

    Attributes:
        record: ``model.json``.
        backbone: The network; with ``self_contained`` its weights are written too.
        tensors: The contents of each ``NAME.safetensors`` by its name, such as ``head``.
        history: What each epoch of a training gave, a line of ``history.jsonl`` each.
    """

    record: ModelRecord[Any]
    backbone: Any
    tensors: Mapping[str, Tensors]
    history: tuple[dict[str, Any], ...] = ()


def write(
    folder: Path,
    parts: Parts,
    card: Callable[[ModelRecord[Any]], str],
    methods: Methods,
    *,
    self_contained: bool,
    beside: Mapping[str, Callable[[Path], None]] | None = None,
    keeps: Collection[str] = (),
) -> None:
    """Write a model folder, or leave what was there.

    Args:
        folder: Where.
        parts: What.
        card: Makes the model card of the record as it is written.
        methods: The paragraph for a paper, and what it cites.
        self_contained: Whether the backbone's weights go with it.
        beside: What writes each folder of its own that the task keeps in it.
        keeps: Folders in the model that is replaced which the new one holds too.

    Raises:
        ModelError: Something that is no model stands there, or the disk cannot be written.
    """
    from safetensors import SafetensorError

    require_free(folder, type(parts.record.task).files, keeps)
    record = parts.record
    if strange := sorted(parts.tensors.keys() - set(type(record.task).files)):
        raise ModelError(f"{', '.join(strange)}: tensors that models of the task {record.task.name} do not have")
    try:
        with written_whole(folder.resolve(), replace=True) as draft:  # a link to a model stays a link
            if self_contained:
                record = _with_weights(record, parts.backbone, draft / BACKBONE)
            if (table := getattr(parts.backbone, "ngrams", None)) is not None:
                shutil.copyfile(own_file(table), draft / NGRAMS)
                record = record.model_copy(update={"backbone": {**record.backbone, "ngrams": _beside(table, NGRAMS)}})
            for name, tensors in parts.tensors.items():
                write_tensors(tensors, draft / f"{name}.safetensors")
            for name, write_into in (beside or {}).items():
                write_into(draft / name)
            if parts.history:
                (draft / HISTORY).write_text("".join(f"{json.dumps(epoch)}\n" for epoch in parts.history), "utf-8")
            (draft / CARD).write_text(card(record), "utf-8", "replace")
            (draft / METHODS).write_text(methods.text, "utf-8", "replace")
            (draft / REFERENCES).write_text(methods.references, "utf-8")
            (draft / RECORD).write_text(_readable(record.model_dump_json(indent=2)) + "\n", "utf-8")
    except (OSError, SafetensorError) as error:  # the latter is what safetensors makes of a full disk
        reason = error.strerror if isinstance(error, OSError) else None
        raise ModelError(f"{folder}: the model cannot be written: {reason or error}", hint=_WRITE_HINT) from error


def _readable(text: str) -> str:
    """Indented JSON with its lists of numbers on one line each; no string holds a line end, so none is touched."""
    return re.sub(
        r"\[\n[\s\d.,+eE-]*\]",
        lambda found: " ".join(found[0].split()).replace("[ ", "[").replace(" ]", "]"),
        text,
    )


def require_free(folder: Path, files: Sequence[str] = TaskRecord.files, keeps: Collection[str] = ()) -> None:
    """Refuse, before any work is done, a place where a model cannot be written without a loss.

    Args:
        folder: The place.
        files: What models of the task keep tensors as: ``NAME.safetensors``.
        keeps: Folders in it that would not be lost.

    Raises:
        ModelError: A file, or a folder that holds something else, stands there; or no folder can be made there.
    """
    names = _names(folder)
    is_file = names is None and os.path.lexists(folder)
    is_other = bool(names) and RECORD not in (names or ())
    if is_file or is_other:
        raise ModelError(f"{folder}: already exists and is not a topwork model", hint="choose another folder")
    kept = {f"{EXPLAINED}/{name}" for name in _names(folder / EXPLAINED) or () if not name.endswith(".png")}
    ours = _OURS | {f"{name}.safetensors" for name in files} | set(keeps)
    if strange := sorted((names or set()) - ours | kept):
        raise ModelError(
            f"{folder}: replacing this model would also delete {', '.join(map(printable, strange[:3]))} in it",
            hint="choose another folder, or move these files away",
        )
    if os.path.ismount(folder):
        raise ModelError(
            f"{folder}: a mount point cannot be replaced", hint=f"choose a folder inside it: {folder}/model"
        )
    parent = next(path for path in folder.absolute().parents if path.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise ModelError(f"{folder}: no folder can be created in {parent}", hint=_WRITE_HINT)


def _names(folder: Path) -> set[str] | None:
    """What a folder holds; None where there is no folder."""
    try:
        return {path.name for path in folder.iterdir()} if folder.is_dir() else None
    except OSError as error:
        raise ModelError(f"{folder}: cannot be read: {error.strerror}", hint=_WRITE_HINT) from error


def _beside(weights: Weights, name: str) -> dict[str, str]:
    """The record of weights that lie in the model's folder."""
    return {"source": "file", "sha256": weights.sha256, "location": name, "revision": ""}


def _with_weights(record: ModelRecord[Any], backbone: AnyBackbone, path: Path) -> ModelRecord[Any]:
    arrays = text_arrays(backbone) if isinstance(backbone, TextBackbone) else named_arrays(backbone)
    write_tensors(arrays, path)
    weights = {"source": "file", "sha256": file_sha256(path), "location": BACKBONE}
    return record.model_copy(update={"backbone": {**record.backbone, "weights": weights}})


def read(folder: Path, block_of: Callable[[str], type[TaskRecord]]) -> Parts:
    """Read a model folder.

    Args:
        folder: Where.
        block_of: The type of a task's block by the task's name (``parse_record``).

    Raises:
        ModelError: It is not there, not readable, or written by a newer topwork.
    """
    for _ in range(_READS):
        before = _identity(restored(folder.resolve()))
        try:
            parts = _read(folder, block_of)
        except ModelError:
            if before == _identity(folder) and not (before is None and is_being_replaced(folder.resolve())):
                raise
            time.sleep(_PAUSE)
            continue
        if before == _identity(folder):
            return parts
    raise ModelError(
        f"{folder}: it changed again and again while it was being read",
        hint="wait until the program that writes it has finished",
    )


def _identity(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from another one that was renamed into its place meanwhile."""
    try:
        facts = folder.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns


def _read(folder: Path, block_of: Callable[[str], type[TaskRecord]]) -> Parts:
    record = parse_record(_read_text(folder), str(folder / RECORD), block_of)
    backbone = _backbone(folder, record)
    files = {name: folder / f"{name}.safetensors" for name in type(record.task).files}
    tensors = {name: read_tensors(path) for name, path in files.items() if path.is_file()}
    return Parts(record, backbone, tensors, _history(folder / HISTORY))


def _history(path: Path) -> tuple[dict[str, Any], ...]:
    """A training's log; empty where it is damaged or far too long, which is no reason not to predict."""
    try:
        if not path.is_file() or path.stat().st_size > _HISTORY_BYTES:
            return ()
        epochs = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except (OSError, ValueError, RecursionError):
        return ()
    return tuple(epochs) if all(isinstance(epoch, dict) for epoch in epochs) else ()


def no_model(folder: Path) -> ModelError:
    """What is to be raised where a folder holds no model, or is none."""
    what = "is not a topwork model (it has no model.json)" if folder.is_dir() else "there is no such model folder"
    return ModelError(f"{folder}: {what}", hint="create one with `topwork fit DATA -o MODEL`")


def _read_text(folder: Path) -> str:
    path = folder / RECORD
    if not path.is_file():
        raise no_model(folder)
    try:
        if path.stat().st_size > _RECORD_BYTES:
            raise ModelError(f"{path}: {path.stat().st_size} bytes is no model.json")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: cannot be read: {error}") from error


def _backbone(folder: Path, record: ModelRecord[Any]) -> AnyBackbone:
    try:
        backbone = backbone_from_dict(record.backbone)
        for output in record.outputs:
            backbone.width(output)
    except BackboneError as error:
        raise ModelError(f"{folder / RECORD}: {error.message}") from error
    if not re.fullmatch(r"[\w.-]+", backbone.name):  # it becomes the name of a folder in the cache
        raise ModelError(f"{folder / RECORD}: {backbone.name!r} is not the name of a backbone")
    backbone = _with_ngrams(backbone, folder) if isinstance(backbone, TextBackbone) else backbone
    weights = backbone.weights
    if weights.source == "package":
        _require_package(folder, backbone)
    if weights.source == "random" and not weights.location.isdecimal():
        raise ModelError(f"{folder / RECORD}: {weights.location!r} is not a seed of random weights")
    if weights.source != "file":
        return backbone
    if weights.location != BACKBONE:  # the only file that a model may point to
        raise ModelError(f"{folder / RECORD}: weights at {weights.location!r} lie outside the model folder")
    inside = Weights("file", weights.sha256, str((folder / BACKBONE).resolve()))
    return backbone.with_weights(inside)


def _with_ngrams(backbone: TextBackbone, folder: Path) -> TextBackbone:
    """The backbone with the folder's own table of n-grams, where it has one."""
    table = backbone.ngrams
    if table is None:
        return backbone
    file = (folder / NGRAMS).resolve()
    if table.location != NGRAMS or not file.is_file() or file_sha256(file) != table.sha256:
        raise ModelError(f"{folder / NGRAMS}: the table of n-grams is missing or was changed")
    return dataclasses.replace(backbone, ngrams=Weights("file", table.sha256, str(file)))


def _require_package(folder: Path, backbone: AnyBackbone) -> None:
    """Refuse weights that the catalogue does not hold: others would give other features without a word."""
    weights = backbone.weights
    known = text_row(weights.location) if isinstance(backbone, TextBackbone) else packaged(weights.location)
    if known is None or known.sha256 != weights.sha256:
        raise ModelError(
            f"{folder / RECORD}: this version of topwork does not have the weights {weights.location!r} "
            f"with sha256 {weights.sha256[:16]}",
            hint="use the version of topwork that wrote it, or train it again",
        )
