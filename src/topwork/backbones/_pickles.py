"""Pickled checkpoints: read once, as weights alone, and kept as .safetensors; nothing later ever opens the pickle."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topwork._system import cache_dir, delete_folder, make_room, use, written_whole
from topwork.backbones._convert import writing_cache
from topwork.backbones._hash import file_sha256
from topwork.errors import BackboneError

if TYPE_CHECKING:
    import torch

_TIED = 2  # times that tensors may share the file's bytes: an embedding and its inverse do, a thousand names do not

SUFFIXES = (".pth", ".pt", ".bin")

# Where training programs keep the weights beside an optimiser's state; averaged ones first, as timm does.
_KEYS = ("state_dict_ema", "model_ema", "state_dict", "model")


def converted(path: Path) -> Path:
    """A pickled checkpoint as a .safetensors file in topwork's cache.

    Raises:
        BackboneError: It is damaged, or holds more than weights, which could run code; or the cache cannot be written.
    """
    folder = cache_dir() / "weights" / file_sha256(path)[:32]
    file = folder / "model.safetensors"
    if not use(file):
        import safetensors.torch

        content = safetensors.torch.save(_read(path))
        with writing_cache(), written_whole(folder, replace=False) as draft:
            (draft / file.name).write_bytes(content)
        use(file)
        make_room(folder.parent, f"*/{file.name}", lambda file: delete_folder(file.parent))
    return file


def _read(path: Path) -> dict[str, torch.Tensor]:
    import torch

    try:
        _require_its_own_size(_unpacked_size(path), path)
        return _state(torch.load(path, map_location="cpu", weights_only=True), path)
    except (OSError, MemoryError) as error:
        raise BackboneError(f"{path}: cannot be read: {error}") from error
    except Exception as error:  # what reads a hostile file may raise anything
        raise BackboneError(
            f"{path}: not a checkpoint of weights alone; what else it holds could run code, so it was not read",
            hint="ask for it as .safetensors, or for its state_dict alone: torch.save(network.state_dict(), FILE)",
        ) from error


def _unpacked_size(path: Path) -> int:
    if not zipfile.is_zipfile(path):
        return 0
    with zipfile.ZipFile(path) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def _require_its_own_size(size: int, path: Path) -> None:
    """Refuse what unpacks to more than the file holds: torch compresses nothing, so that is made to fill the memory."""
    if size > path.stat().st_size:
        raise ValueError(f"unpacks to {size} bytes")


def _state(checkpoint: Any, path: Path) -> dict[str, torch.Tensor]:
    from timm.models import clean_state_dict

    inner = next((checkpoint[key] for key in _KEYS if isinstance(checkpoint.get(key), dict)), checkpoint)
    state: dict[str, torch.Tensor] = clean_state_dict(inner)
    total = sum(value.numel() * value.element_size() for value in state.values())
    _require_its_own_size(total // _TIED, path)
    return {name: value.detach().contiguous().clone() for name, value in state.items()}  # tied ones share memory
