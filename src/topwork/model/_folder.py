"""The model folder on disk: written whole or not at all; nothing in it can run code when it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork._files import restored, written_whole
from topwork.backbones import Backbone, Weights, file_sha256
from topwork.errors import BackboneError, ModelError
from topwork.heads import Head, head_from_tensors
from topwork.model._record import ModelRecord, parse_record

RECORD, HEAD, BACKBONE = "model.json", "head.safetensors", "backbone.safetensors"
_RECORD_BYTES = 256 * 2**20  # far beyond any real record; keeps a hostile file out of memory

Tensors = Mapping[str, npt.NDArray[Any]]


def write(folder: Path, record: ModelRecord, head: Head, backbone: Backbone, *, self_contained: bool) -> None:
    """Write a model folder, or leave what was there.

    Raises:
        ModelError: Something that is no model stands there, or the disk cannot be written.
    """
    require_free(folder)
    try:
        with written_whole(folder, replace=True) as draft:
            if self_contained:
                record = _with_weights(record, backbone, draft / BACKBONE)
            _write_tensors(head.to_tensors(), draft / HEAD)
            (draft / RECORD).write_text(_readable(record.model_dump_json(indent=2)) + "\n", "utf-8")
    except OSError as error:
        raise ModelError(
            f"{folder}: the model cannot be written: {error.strerror or error}",
            hint="choose another folder with -o, or make room; nothing was changed there",
        ) from error


def _readable(text: str) -> str:
    """Indented JSON with its lists of numbers on one line each."""
    return re.sub(
        r"\[[\s\d.,+eE-]*\]",
        lambda found: " ".join(found[0].split()).replace("[ ", "[").replace(" ]", "]"),
        text,
    )


def require_free(folder: Path) -> None:
    """Refuse to replace anything that is not a model.

    Raises:
        ModelError: A file, or a folder that holds something else, stands there.
    """
    if folder.is_dir() and (not any(folder.iterdir()) or (folder / RECORD).is_file()):
        return
    if folder.exists() or folder.is_symlink():
        raise ModelError(f"{folder}: exists and is no topwork model", hint="choose another folder with -o")


def _with_weights(record: ModelRecord, backbone: Backbone, path: Path) -> ModelRecord:
    from safetensors.torch import save_file

    save_file({name: value.contiguous() for name, value in backbone.module().state_dict().items()}, path)
    weights = {"source": "file", "sha256": file_sha256(path), "location": BACKBONE}
    return record.model_copy(update={"backbone": {**record.backbone, "weights": weights}})


def _write_tensors(tensors: Tensors, path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, path)


def read(folder: Path) -> tuple[ModelRecord, Head, Backbone]:
    """Read a model folder and check that its parts belong together.

    Raises:
        ModelError: It is not there, not readable, or its parts do not fit.
    """
    folder = restored(folder)
    record = parse_record(_read_text(folder), str(folder / RECORD))
    backbone = _backbone(folder, record)
    head = head_from_tensors(record.head, _read_tensors(folder / HEAD))
    if head.n_classes != len(record.classes):
        raise ModelError(
            f"{folder}: the head answers with {head.n_classes} classes, model.json names {len(record.classes)}"
        )
    width = sum(map(backbone.width, record.outputs))
    if head.n_features != width:
        raise ModelError(f"{folder}: the head reads {head.n_features} features, its outputs give {width}")
    return record, head, backbone


def _read_text(folder: Path) -> str:
    path = folder / RECORD
    if not path.is_file():
        what = "is no topwork model (it has no model.json)" if folder.is_dir() else "there is no such model folder"
        raise ModelError(f"{folder}: {what}", hint="`topwork fit DATA -o MODEL` makes one")
    try:
        if path.stat().st_size > _RECORD_BYTES:
            raise ModelError(f"{path}: {path.stat().st_size} bytes is no model.json")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: cannot be read: {error}") from error


def _backbone(folder: Path, record: ModelRecord) -> Backbone:
    try:
        backbone = Backbone.from_dict(record.backbone)
        for output in record.outputs:
            backbone.width(output)
    except BackboneError as error:
        raise ModelError(f"{folder / RECORD}: {error.message}") from error
    weights = backbone.weights
    if weights.source != "file" or Path(weights.location).is_absolute():
        return backbone
    if weights.location != BACKBONE:  # the only file beside it that a model may point to
        raise ModelError(f"{folder / RECORD}: weights at {weights.location!r} lie outside the model folder")
    inside = Weights("file", weights.sha256, str((folder / BACKBONE).resolve()))
    return backbone.with_weights(inside)


def _read_tensors(path: Path) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors: Tensors = load_file(path)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise ModelError(f"{path}: not a readable .safetensors file: {error}") from error
    return tensors
