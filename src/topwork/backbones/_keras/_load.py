"""A file of Keras's as weights of ours: translated once, and kept as ``.safetensors`` in topwork's cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from topwork._system import cache_dir, cached
from topwork.backbones._hub import file_sha256
from topwork.backbones._keras._convert import Values, pixels, recognised, tensors
from topwork.backbones._keras._file import SUFFIXES, Layers, read_keras_file
from topwork.backbones._keras._rows import ROWS, KerasRow, keras_row
from topwork.backbones._weights import Weights, from_path
from topwork.errors import BackboneError

_FILE = "model.safetensors"
_VERSION = 1  # of the translation: what an older one kept is not used


class KerasWeights(NamedTuple):
    """What a file of Keras's holds."""

    row: KerasRow
    weights: Weights
    mean: Values
    std: Values


def is_keras_file(path: str | Path) -> bool:
    """Whether a path's name ends as those of Keras's files do."""
    return str(path).lower().endswith(SUFFIXES)


def keras_weights(path: Path, name: str = "") -> KerasWeights:
    """The weights of a file of Keras's, and the network that they are of.

    Args:
        path: ``.h5``, ``.weights.h5`` or ``.keras``.
        name: The network, as Keras, topwork or timm calls it; when empty its layers tell.

    Raises:
        BackboneError: There is no such file, it cannot be read, or it is of another network.
        MissingExtraError: h5py is not installed.
    """
    if not path.is_file():
        raise BackboneError(f"{path}: no such weights file")
    wanted = keras_row(name)
    if name and wanted is None:
        raise BackboneError(
            f"{path}: {name} is no network of keras.applications whose files are read",
            hint=f"there are {', '.join(each.removeprefix('keras-') for each in ROWS)}",
        )
    key = hashlib.sha256(f"{_VERSION} {wanted and wanted.name} {file_sha256(path)}".encode()).hexdigest()[:32]
    kept = cached(cache_dir() / "weights" / key, _FILE, lambda: _translated(path, wanted))
    told = _told(kept)
    row = ROWS[told["name"]]
    return KerasWeights(row, from_path(kept, row.name), told["mean"], told["std"])


def _translated(path: Path, wanted: KerasRow | None) -> Callable[[Path], object]:
    from safetensors.numpy import save

    layers = read_keras_file(path)
    try:
        row = _chosen(layers, wanted)
        found = tensors(layers, row)
    except BackboneError as error:
        raise BackboneError(f"{path}: {error.message}", hint=error.hint) from error
    mean, std = pixels(layers, row)
    content = save(found, {"keras": json.dumps({"name": row.name, "mean": mean, "std": std})})
    return lambda file: file.write_bytes(content)


def _chosen(layers: Layers, wanted: KerasRow | None) -> KerasRow:
    """The network that is wanted, without its dense layers where the file has none; or the one that is recognised."""
    if wanted is None:
        found = recognised(layers)
        if found is None:
            raise BackboneError(
                "its layers are not those of a network of keras.applications that is read",
                hint=f"there are {', '.join(each.removeprefix('keras-') for each in ROWS)}",
            )
        return found
    topless = ROWS.get(f"{wanted.name}-notop")
    return topless if topless is not None and "fc1" not in layers else wanted


def _told(file: Path) -> dict[str, Any]:
    """What stands in the kept file beside its tensors."""
    from safetensors import safe_open

    with safe_open(file, "numpy") as opened:
        told = json.loads(opened.metadata()["keras"])
    return {"name": told["name"], "mean": tuple(told["mean"]), "std": tuple(told["std"])}
