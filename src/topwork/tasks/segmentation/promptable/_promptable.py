"""SAM, ready for images: an encoder that runs once for each, a decoder that answers prompts, and both saved."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._arrays import AnyArray
from topwork._system import require_torch, written_whole
from topwork.backbones import (
    IMAGE,
    PromptableNetwork,
    backbone_from_dict,
    load_segmenter,
    read_safetensors,
)
from topwork.data import as_source, decode, printable
from topwork.engines import EngineName, Engines
from topwork.errors import BackboneError, ImageError, ModelError
from topwork.features import extract_few
from topwork.tasks.segmentation.promptable._image import PromptableImage

if TYPE_CHECKING:
    from topwork.backbones.prompting import MaskDecoder

_RECORD, _DECODER, _FORMAT = "promptable.json", "decoder.safetensors", 1


class Promptable:
    """SAM or SAM 2 with the image encoder in topwork's engine and the image embeddings in its cache.

    Args:
        backbone: The network.
        changed: Tensors of the mask decoder that were trained (``tuned``), which take the place of the network's own.
        engine: What runs the encoder; the best that is here when None.
        cache: Whether embeddings are looked up and kept on disk under the image's content.

    Example:
        >>> sam = Promptable.load("sam-vit-b")  # doctest: +SKIP
        >>> sam.image("a.jpg").mask(points=[(120, 80)]).score  # doctest: +SKIP
        0.97
    """

    def __init__(
        self,
        backbone: PromptableNetwork,
        *,
        changed: Mapping[str, AnyArray] | None = None,
        engine: EngineName | None = None,
        cache: bool = True,
    ) -> None:
        self.backbone = backbone
        self.changed = dict(changed or {})
        self.engine: EngineName | None = engine
        self.cache = cache
        self._engines = Engines(backbone, (IMAGE,))
        self._decoder: MaskDecoder | None = None
        self._lock = threading.Lock()

    @classmethod
    def load(
        cls,
        name: str = "sam-vit-b",
        *,
        weights: str | Path = "pretrained",
        offline: bool = False,
        engine: EngineName | None = None,
        cache: bool = True,
    ) -> Promptable:
        """Find one by name, or read one that was trained.

        Args:
            name: As ``backbones.load_segmenter`` takes it.
            weights: As it takes them; or a folder that ``save`` wrote, which needs no name.
            offline: Whether to use no network.
            engine: See the class.
            cache: See the class.

        Raises:
            BackboneError: There is no such network, it takes no prompts, or its weights are not available.
            ModelError: The folder is not what ``save`` wrote.
            MissingExtraError: PyTorch or transformers is not installed.
        """
        folder = Path(weights)
        if (folder / _RECORD).is_file():
            backbone, changed = _read(folder)
            return cls(backbone, changed=changed, engine=engine, cache=cache)
        found = load_segmenter(name, weights=weights, offline=offline)
        if not isinstance(found, PromptableNetwork):
            raise BackboneError(
                f"{found.name} takes no prompts: it tells classes of its own, or words",
                hint="--backbone sam-vit-b, or another of `topwork models --task segmentation` that prompts tell",
            )
        return cls(found, engine=engine, cache=cache)

    @property
    def is_tuned(self) -> bool:
        """Whether its mask decoder was trained; then it gives one mask for each prompt."""
        return bool(self.changed)

    @property
    def decoder(self) -> MaskDecoder:
        """Prompts to masks, in torch.

        Raises:
            BackboneError: The weights are missing, changed, or do not fit the network.
            MissingExtraError: PyTorch or transformers is not installed.
        """
        with self._lock:
            if self._decoder is None:
                require_torch("prompts")
                import torch

                from topwork.backbones.prompting import mask_decoder

                changed = {name: torch.from_numpy(np.array(value)) for name, value in self.changed.items()}
                self._decoder = mask_decoder(self.backbone, changed)
            return self._decoder

    def image(self, source: Any) -> PromptableImage:
        """An image that prompts may be asked about: its embedding, computed now unless the cache has it.

        Args:
            source: A path, a file's bytes, an array (H, W, 3), Pillow's image.

        Raises:
            ImageError: It cannot be used.
            BackboneError: The encoder cannot be run.
        """
        given = as_source(source)
        name = os.fspath(given) if isinstance(given, str | os.PathLike) else ""
        pixels = decode(given)
        how: Any = {"engine": self.engine, "open_network": self._engines, "cache": self.cache}
        found = extract_few([given], self.backbone, (IMAGE,), **how)
        if not len(found.values):
            raise ImageError(f"{printable(name) or 'image'}: {found.refused[0][1]}")
        return PromptableImage(name, pixels, np.array(found.values[0]), self)

    def save(self, folder: str | Path) -> Path:
        """Write which network it is, and its trained mask decoder; ``load(weights=folder)`` reads it.

        The encoder stays where it is, so embeddings in the cache serve both.

        Raises:
            ModelError: It was not trained, or the folder is taken or cannot be written.
        """
        from safetensors.numpy import save_file

        final = Path(folder)
        if not self.changed:
            raise ModelError("a network that was not trained is not saved", hint=f"it is {self.backbone.name}")
        if final.exists() and not (final / _RECORD).is_file():
            raise ModelError(f"{final}: there is something else already", hint="choose another folder with -o")
        fields = {"format": _FORMAT, "backbone": self.backbone.to_dict()}
        try:
            with written_whole(final, replace=True) as draft:
                (draft / _RECORD).write_text(json.dumps(fields, indent=1))
                save_file({name: np.ascontiguousarray(value) for name, value in self.changed.items()}, draft / _DECODER)
        except OSError as error:
            raise ModelError(f"{final}: cannot be written: {error.strerror or error}") from error
        return final


def _read(folder: Path) -> tuple[PromptableNetwork, dict[str, AnyArray]]:
    place = folder / _RECORD
    try:
        fields = json.loads(place.read_text("utf-8"))
        known, backbone = fields["format"], backbone_from_dict(fields["backbone"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{place}: not as it was written: {error}") from error
    if known != _FORMAT or not isinstance(backbone, PromptableNetwork):
        raise ModelError(f"{place}: not a network that takes prompts, or of a newer topwork")
    if not (folder / _DECODER).is_file():
        raise ModelError(f"{folder}: has no {_DECODER}")
    return backbone, dict(read_safetensors(folder / _DECODER))
