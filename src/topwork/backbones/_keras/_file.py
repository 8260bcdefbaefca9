"""A file of Keras's as arrays by its layers' names: ``.h5``, ``.weights.h5`` and ``.keras``, read as data alone.

Three forms are written. Keras 2, and Keras 3 where the name ends in ``.h5``, list layers and their weights in
attributes. ``.weights.h5`` holds a group ``vars`` for each layer, with the layer's name. A ``.keras`` file is a zip
archive of such weights and of the network's description, which names its layers. Nothing in them is run: a network with
a layer of code (``Lambda``) is refused, since its weights alone do not say what it computes.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from topwork._arrays import Float32Array
from topwork._system import optional
from topwork.errors import BackboneError

Layers = dict[str, tuple[Float32Array, ...]]
"""A layer's arrays in Keras's order (kernel, bias; scale, shift, mean, variance), by its name."""

SUFFIXES = (".h5", ".hdf5", ".keras")

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_CONFIG_BYTES = 2**26  # of a network's description; EfficientNet-B7's has 3 MB
_OBJECTS = 100_000  # of a file; EfficientNet-B7 with its optimizer has 8,000
_TIMES = 4  # what a file may unpack to over its own size: weights hardly shrink
_SPARE = 2**24  # bytes that it may unpack to anyhow
_COUNT = "count"  # of the images that a normalisation is from: a whole number, and no weight
_CODE = ("Lambda", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer")
_KEPT_OUT = ("optimizer", "optimizer_weights", "metrics", "compile_metrics")


def read_keras_file(path: Path) -> Layers:
    """The layers of a file that have numbers.

    Raises:
        BackboneError: It is no such file, is damaged or too large, or holds a layer of code.
        MissingExtraError: h5py is not installed.
    """
    h5py = optional("h5py", extra="keras", what=f"reading {path.name}")
    try:
        if path.suffix.lower() == ".keras":
            return _read_archive(path, h5py)
        with h5py.File(path, "r") as file:
            return _read(file, path.stat().st_size, {})
    except BackboneError as error:
        raise BackboneError(f"{path}: {error.message}", hint=error.hint) from error
    except Exception as error:  # what reads a hostile file may raise anything
        reason = str(error).strip().split("\n", maxsplit=1)[0] or type(error).__name__
        raise BackboneError(
            f"{path}: not a readable file of Keras's: {reason}",
            hint="get the file again, or write it again: model.save_weights('FILE.weights.h5')",
        ) from error


def _read_archive(path: Path, h5py: Any) -> Layers:
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        described = json.loads(_member(archive, _CONFIG, _CONFIG_BYTES))
        content = _member(archive, _WEIGHTS, _TIMES * size + _SPARE)
    _require_no_code(described)
    with h5py.File(io.BytesIO(content), "r") as file:
        return _read(file, len(content), _numbered(described))


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """One file of an archive; what it says of its size is not believed."""
    try:
        with archive.open(name) as member:
            content = member.read(limit + 1)
    except KeyError:
        raise BackboneError(
            f"there is no {name} in it", hint="write it with Keras 3: model.save('FILE.keras')"
        ) from None
    if len(content) > limit:
        raise BackboneError(f"{name} unpacks to more than {limit} bytes, so it was not read")
    return content


def _read(file: Any, size: int, numbered: Mapping[str, str]) -> Layers:
    described = file.attrs.get("model_config")
    if described is not None:
        _require_no_code(json.loads(described))
    datasets = _datasets(file, size)
    weights = file.get("model_weights", file)
    if "layer_names" in weights.attrs or "layer_names0" in weights.attrs:
        found = _listed(weights, datasets)
    else:
        found = _stored(file, datasets, numbered)
    return {name: tuple(arrays) for name, arrays in found.items() if arrays}


def _datasets(file: Any, size: int) -> dict[str, Any]:
    """Every dataset by its path; links are not followed, and what lies outside the file is refused."""
    found: dict[str, Any] = {}
    seen = 0

    def see(name: str, item: Any) -> None:
        nonlocal seen
        seen += 1
        if seen > _OBJECTS:
            raise BackboneError(f"it holds more than {_OBJECTS} objects, so it was not read")
        if hasattr(item, "shape") and name.partition("/")[0] not in _KEPT_OUT:
            if item.external or item.is_virtual:
                raise BackboneError(f"{name} lies in another file, which is not read")
            found[f"/{name}"] = item

    file.visititems(see)  # follows hard links alone
    total = sum(item.nbytes for item in found.values())
    if total > _TIMES * size + _SPARE:
        raise BackboneError(f"its arrays unpack to {total} bytes, {size} of which are in the file, so it was not read")
    return found


def _attribute(group: Any, name: str) -> list[str]:
    """A list of names, which Keras cuts where it is too long for one attribute."""
    parts = [name] if name in group.attrs else []
    while not parts or parts[0] != name:
        if f"{name}{len(parts)}" not in group.attrs:
            break
        parts.append(f"{name}{len(parts)}")
    return [
        each.decode("utf-8") if isinstance(each, bytes) else str(each) for part in parts for each in group.attrs[part]
    ]


def _listed(weights: Any, datasets: Mapping[str, Any]) -> dict[str, list[Float32Array]]:
    """Layers by attributes; those of a network inside the network stand in one group, told apart by their paths."""
    found: dict[str, list[Float32Array]] = {}
    for layer in _attribute(weights, "layer_names"):
        names = _attribute(weights[layer], "weight_names")
        owners = {name.rpartition("/")[0] for name in names}
        for name in names:
            owner = layer if len(owners) == 1 else name.rpartition("/")[0].rpartition("/")[2]
            path = f"{weights[layer].name}/{name}"
            if name.rpartition("/")[2].partition(":")[0] == _COUNT:
                continue
            if path not in datasets:
                raise BackboneError(f"{name} of the layer {layer} is missing or a link")
            found.setdefault(_plain(owner), []).append(_array(datasets[path]))
    return found


def _stored(file: Any, datasets: Mapping[str, Any], numbered: Mapping[str, str]) -> dict[str, list[Float32Array]]:
    """Layers by their groups ``vars``, whose datasets are numbered."""
    groups: dict[str, list[tuple[int, Any]]] = {}
    for path, item in datasets.items():
        group, _, number = path.rpartition("/")
        if group.endswith("/vars") and number.isdecimal():
            groups.setdefault(group, []).append((int(number), item))
    found: dict[str, list[Float32Array]] = {}
    unnamed = 0
    for group, items in groups.items():
        own = group.removesuffix("/vars").rpartition("/")[2]
        name = file[group].attrs.get("name") or numbered.get(own)
        unnamed += name is None
        if name is not None and str(name) not in found:
            ordered = sorted(items, key=lambda each: each[0])
            found[_plain(str(name))] = [_array(item) for _, item in ordered if item.dtype.kind == "f"]
    if unnamed and not found:
        raise BackboneError(
            "it does not name its layers, as files of older versions of Keras do not",
            hint="save the whole network instead, which names them: model.save('FILE.keras')",
        )
    return found


def _array(item: Any) -> Float32Array:
    if item.dtype.kind != "f":
        raise BackboneError(f"{item.name} holds numbers of the type {item.dtype}, where float16, 32 or 64 is read")
    return np.asarray(item[()], np.float32)


def _plain(name: str) -> str:
    """Keras 2 has ``conv1/bn`` where Keras 3 has ``conv1_bn``; its numbers for copies of a weight end in ``:0``."""
    return name.replace("/", "_")


def _configs(described: Any) -> Iterator[Mapping[str, Any]]:
    """Every layer's description, those of inner networks too; a stack of its own, since depth is not to be trusted."""
    waiting = [described]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += reversed(value)
        elif isinstance(value, dict):
            if isinstance(value.get("class_name"), str):
                yield value
            waiting += reversed(list(value.values()))


def _require_no_code(described: Any) -> None:
    """Refuse a network of which a layer is a program."""
    for each in _configs(described):
        kind = each["class_name"].rpartition(">")[2].rpartition(".")[2]
        if kind in _CODE:
            raise BackboneError(
                f"it has a layer {kind}, which holds code, so it was not read",
                hint="save the weights alone, model.save_weights('FILE.weights.h5'), and give --backbone",
            )


def _numbered(described: Any) -> dict[str, str]:
    """Layers' names by the groups that Keras writes them to: ``conv2d``, ``conv2d_1``, in the network's order."""
    counts: Counter[str] = Counter()
    found: dict[str, str] = {}
    layers = described.get("config", {}).get("layers", []) if isinstance(described, dict) else []
    for each in layers:
        kind, name = each["class_name"], each.get("config", {}).get("name")
        snake = re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", kind)).lower()
        count = counts[snake]
        counts[snake] += 1
        if isinstance(name, str):
            found[f"{snake}_{count}" if count else snake] = name
    return found
