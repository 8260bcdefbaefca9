"""Networks of images as transformers keeps them on the hub: ``owner/name``, built by its classes from ``config.json``.

No code of a repository runs. The configuration travels with the model, so that it needs the hub no more.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from topwork._system import optional, require_torch
from topwork.backbones import _hub, _weights
from topwork.backbones._backbone import Backbone, told_apart
from topwork.backbones._detector_catalogue import require_permissive
from topwork.backbones._preprocessing import CropMode, Preprocessing
from topwork.backbones._text_files import CONFIG, WEIGHTS, plain_name, read_json
from topwork.backbones._transformers_files import IMAGENET, RESAMPLING, licence_of
from topwork.backbones._weights import Weights
from topwork.errors import BackboneError

if TYPE_CHECKING:
    from torch import nn

_PROCESSOR, _README = "preprocessor_config.json", "README.md"
_OPTION = (
    f"with --weights a folder with {WEIGHTS}, {CONFIG} and {_PROCESSOR}, as transformers' save_pretrained makes it"
)
_SHORTER = ("Bit", "CLIP", "ConvNext", "Levit", "MobileNet", "PoolFormer")
"""Processors to which one number is the size of the shorter side; to others it is that of both."""
_SHARE = 224 / 256  # of the resized image that ConvNeXt's and LeViT's processors show where nothing is said
_WHOLE = 384  # pixels, from which on ConvNeXt's processor squashes the whole image instead of cutting its middle
_SCALE = 1 / 255


@dataclass(frozen=True)
class TransformersBackbone(Backbone):
    """A network of images that transformers builds; what its last linear layer reads are its features.

    Attributes:
        library: ``transformers``.
        config: Its ``config.json``, with how many classes it has instead of their names.
    """

    library: Literal["transformers"] = "transformers"
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """Its name and what it is built from.

        Stages are called as transformers calls its modules, which another version may do otherwise.
        """
        return told_apart(self.name, [dict(self.config), [each.name for each in self.stages]])

    def module(self) -> nn.Module:
        """The network with its weights, in evaluation mode on the CPU, float32; imports torch and transformers.

        Raises:
            BackboneError: The weights are missing, changed, or do not fit the network.
            MissingExtraError: PyTorch or transformers is not installed.
        """
        require_torch(f"the network {self.name}")
        from topwork.backbones import _transformers_module

        return _transformers_module.build(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Inverse of ``to_dict``.

        Raises:
            BackboneError: A field is missing, unknown or of the wrong kind.
        """
        found: Any = super().from_dict(fields)
        if not isinstance(found.config, Mapping):
            raise BackboneError("a backbone's record is not as expected: config is no object")
        return found  # type: ignore[no-any-return]


def load_of_transformers(
    name: str, *, weights: str | Path = "pretrained", size: int | None = None, offline: bool = False
) -> TransformersBackbone:
    """Find a network of images on the hub, or in a folder of the user's.

    Args:
        name: A repository of the hub, ``owner/name``, or a folder.
        weights: ``pretrained``; a folder that holds ``model.safetensors``, ``config.json`` and
            ``preprocessor_config.json``; or ``random`` / ``random:SEED`` for shape and speed alone.
        size: Side of the square image in pixels, where it should not be the network's own.
        offline: Whether to use no network, only what is on this machine.

    Raises:
        BackboneError: transformers has no network of images of that design, its licence is the AGPL, or the files are
            not available.
        MissingExtraError: A package is missing.
    """
    if str(weights) != "pretrained" and str(weights).partition(":")[0] != "random":
        return _described(name, None, Path(weights), size)
    seed = None if str(weights) == "pretrained" else _weights.chosen_weights(weights, name, allow_pickle=False)
    if Path(name).exists():
        return _described(name, seed, Path(name), size)
    optional("huggingface_hub", extra="detectors", what="a network of the hub")
    how: Any = {"offline": offline, "option": _OPTION}
    config = _hub.fetch(name, CONFIG, **how)
    _require_transformers(read_json(config.path), config.path)  # refused before anything large is fetched
    at: Any = {"revision": config.revision, "offline": offline}
    require_permissive(name, licence_of(_hub.fetch_if_there(name, _README, **at)))
    _hub.fetch(name, _PROCESSOR, revision=config.revision, **how)
    if seed is None:
        found = _hub.fetch(name, WEIGHTS, revision=config.revision, **how)
        seed = Weights("hub", found.sha256, name, config.revision)
    return _described(name, seed, config.path.parent, size)


def _described(name: str, weights: Weights | None, folder: Path, size: int | None) -> TransformersBackbone:
    """The network that a folder tells of, with the folder's own weights where no others are given.

    It is run once, to see its stages.
    """
    missing = [each for each in (CONFIG, _PROCESSOR, *(() if weights else (WEIGHTS,))) if not (folder / each).is_file()]
    if missing:
        raise BackboneError(f"{folder}: has no {missing[0]}", hint=f"give it {_OPTION}")
    require_permissive(str(folder), licence_of(folder / _README))
    config = read_json(folder / CONFIG)
    _require_transformers(config, folder / CONFIG)
    preprocessing = _preprocessing(read_json(folder / _PROCESSOR), folder / _PROCESSOR)
    if size is not None:
        preprocessing = preprocessing.replace(size=size)
    bare = TransformersBackbone(
        name=plain_name(Path(name).name),
        weights=weights or _weights.from_path(folder / WEIGHTS, name),
        stages=(),
        embedding=0,
        preprocessing=preprocessing,
        licence=licence_of(folder / _README) or "unknown",
        config=_without_names(config),
    )
    require_torch(f"the network {name}")
    from topwork.backbones import _transformers_module

    return dataclasses.replace(bare, **_transformers_module.seen(bare))


def _without_names(config: dict[str, Any]) -> dict[str, Any]:
    """The same without the names of its classes, which may be a megabyte and are not asked for."""
    names = config.get("id2label")
    counted = {"num_labels": len(names)} if isinstance(names, dict) else {}
    return {**{key: value for key, value in config.items() if key not in ("id2label", "label2id")}, **counted}


def _require_transformers(config: dict[str, Any], place: Path) -> None:
    """Refuse timm's own repositories, which hold the same kinds of files."""
    if isinstance(architecture := config.get("architecture"), str):
        raise BackboneError(
            f"{place}: these are weights of timm's {architecture}",
            hint=f"download {WEIGHTS} and give --backbone {architecture} --weights {WEIGHTS}",
        )
    if not isinstance(config.get("model_type"), str):
        raise BackboneError(f"{place}: names no design (model_type)")


def _preprocessing(told: dict[str, Any], place: Path) -> Preprocessing:
    """What a ``preprocessor_config.json`` says; see transformers' image processors."""
    factor = told.get("rescale_factor", _SCALE)
    scaled = told.get("do_rescale", True) and isinstance(factor, float) and math.isclose(factor, _SCALE)
    if told.get("do_flip_channel_order") or told.get("rescale_offset") or not scaled:
        raise BackboneError(f"{place}: its pixels are scaled, or its channels ordered, otherwise than topwork does")
    mean: Any
    std: Any
    mean, std = (told.get(each) or usual for each, usual in zip(("image_mean", "image_std"), IMAGENET, strict=True))
    try:
        size, crop_mode, crop = _size(told)
        mean, std = (tuple(map(float, each)) for each in (mean, std))
        if not told.get("do_normalize", True):
            mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        elif told.get("include_top"):
            std = tuple(each**2 for each in std)  # EfficientNet's processor divides twice
        interpolation: Any = RESAMPLING.get(told.get("resample", 2), "bilinear")
        return Preprocessing(size, crop_mode, crop, interpolation, mean, std, "timm")
    except (BackboneError, ArithmeticError, TypeError, ValueError) as error:
        raise BackboneError(f"{place}: {error}") from error


def _size(told: dict[str, Any]) -> tuple[int, CropMode, float]:
    """Side of the square, how an image fills it, and the square's side over that of the resized image."""
    kind = str(told.get("image_processor_type") or told.get("feature_extractor_type"))
    size, whole = told.get("size"), _side(told.get("size"))
    cut = _side(told.get("crop_size")) if told.get("do_center_crop") else None
    share = told.get("crop_pct") or (_SHARE if kind.startswith(("ConvNext", "Levit")) else None)
    of_shorter = isinstance(size, int) and (share or kind.startswith(_SHORTER))  # as older files have it
    shortest = size.get("shortest_edge") if isinstance(size, dict) else whole if of_shorter else None
    if share and isinstance(shortest, int):
        if shortest >= _WHOLE and kind.startswith("ConvNext"):
            return shortest, "squash", 1.0
        cut, shortest = cut or shortest, shortest / float(share)
    if isinstance(shortest, int | float) and shortest > 0:
        return (cut, "crop", min(1.0, cut / shortest)) if cut else (int(shortest), "crop", 1.0)
    if whole is None:
        if size is None:
            raise BackboneError("says no size")
        raise BackboneError(f"images of the size {size!r} are not square, which topwork's are")
    return (cut, "squash", min(1.0, cut / whole)) if cut else (whole, "squash", 1.0)


def _side(size: Any) -> int | None:
    """The side of a square of pixels; None where it is none."""
    if isinstance(size, dict):
        size = size.get("height") if size.get("height") == size.get("width") else None
    return size if isinstance(size, int) and size > 0 else None
