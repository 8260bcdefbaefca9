"""The files of a detector: its weights and what tells how it is built and fed, from the hub or the user's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from topwork._system import optional
from topwork.backbones import _hub, _weights
from topwork.backbones._detector import DetectorNetwork, Scoring
from topwork.backbones._detector_catalogue import (
    DetectorRow,
    detector_row,
    detectors_near,
    require_permissive,
)
from topwork.backbones._preprocessing import CropMode, Preprocessing
from topwork.backbones._text_files import CONFIG, WEIGHTS, plain_name, read_json
from topwork.backbones._transformers_files import IMAGENET, RESAMPLING, WIDE, class_name, licence_of, parsed_config
from topwork.backbones._weights import Weights
from topwork.errors import BackboneError

_PROCESSOR, _README = "preprocessor_config.json", "README.md"
_TORCHVISION = "torchvision:"
_OPTION = (
    f"with --weights a folder with {WEIGHTS}, {CONFIG} and {_PROCESSOR}, as transformers' save_pretrained makes it"
)
_FOUND = {"SSDlite": 300, "RetinaNet": 300}  # objects an image that torchvision gives at most, where not 100
_HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

_SCORINGS: dict[str, Scoring] = {
    "detr": "softmax",
    "rt_detr": "sigmoid",
    "rt_detr_v2": "sigmoid",
    "d_fine": "sigmoid",
    "rf_detr": "sigmoid",
    "owlv2": "best",
}
"""What transformers calls the designs that are known here, and how scores follow from their logits."""


def is_detector(name: str) -> bool:
    """Whether a name is a detector's: one of the catalogue, ``torchvision:NAME``, or a repository of the hub."""
    return detector_row(name) is not None or name.startswith(_TORCHVISION) or "/" in name


def load_detector(
    name: str,
    *,
    weights: str | Path = "pretrained",
    size: int | None = None,
    offline: bool = False,
    allow_pickle: bool = False,
) -> DetectorNetwork:
    """Find a trained detector by name.

    Args:
        name: A name or alias of the catalogue of detectors (``rtdetr-r18``), ``torchvision:NAME``, or a repository of
            the hub, ``owner/name``, that transformers can build without code of its own, or a folder like it.
        weights: ``pretrained``; of transformers a folder that holds ``model.safetensors``, ``config.json`` and
            ``preprocessor_config.json``; of torchvision a ``.safetensors`` file, or ``random`` / ``random:SEED`` for
            shape and speed alone.
        size: Side of the square image in pixels, where it should not be the network's own.
        offline: Whether to use no network, only what is on this machine.
        allow_pickle: Whether a ``.pth`` file will do as well. Its weights alone are read.

    Raises:
        BackboneError: The name is unknown, the licence is the AGPL, or the weights are not available.
        MissingExtraError: A package is missing.

    Example:
        >>> load_detector("fcos-r50", weights="random").queries
        100
    """
    require_permissive(name)
    row = detector_row(name)
    if row is None and (name.startswith(_TORCHVISION) or "/" not in name):
        near = detectors_near(name)
        hint = f"did you mean {', '.join(near)}?" if near else "`topwork models --task detection` lists those that work"
        raise BackboneError(f"no detector is called {name!r}", hint=hint)
    if row is not None and row.library == "torchvision":
        found = _of_torchvision(row, weights, allow_pickle=allow_pickle)
    elif str(weights) == "pretrained" and row is None and Path(name).is_dir():
        found = _in_folder(Path(name), None, plain_name(Path(name).name))
    elif str(weights) == "pretrained":
        found = _of_hub(row.repository if row else name, row, offline=offline)
    else:
        found = _in_folder(Path(weights), row, name)
    sized = found.replace(size=size) if size else found
    return sized  # type: ignore[return-value]


def detector_works_offline(row: DetectorRow) -> bool:
    """Whether a detector's weights are in the hub's cache on this machine."""
    return bool(row.repository) and _hub.cached_file(row.repository, WEIGHTS) is not None


def _of_torchvision(row: DetectorRow, weights: str | Path, *, allow_pickle: bool) -> DetectorNetwork:
    if str(weights) == "pretrained":
        raise BackboneError(
            f"torchvision's weights of {row.name} are a .pth file, and topwork does not download such files",
            hint="get it with torchvision (the address is in its table of weights) and give it with --weights FILE.pth "
            "--allow-pickle",
        )
    small = row.family == "SSDlite"
    return DetectorNetwork(
        name=row.alias,
        weights=_weights.chosen_weights(weights, row.name, allow_pickle=allow_pickle),
        stages=(),
        embedding=0,
        preprocessing=Preprocessing(
            row.size, "squash" if small else "pad", 1.0, "bilinear", *(_HALF if small else IMAGENET), "timm"
        ),
        pretrained_on="unknown",
        licence=row.licence,
        library="torchvision",
        config={"architecture": row.name},
        classes=coco_places(),
        queries=_FOUND.get(row.family, 100),
        channels=len(coco_places()),
        scoring="best",
    )


def _of_hub(repository: str, row: DetectorRow | None, *, offline: bool) -> DetectorNetwork:
    optional("huggingface_hub", extra="detectors", what="a network of the hub")
    how: Any = {"offline": offline, "option": _OPTION}
    config = _hub.fetch(repository, CONFIG, **how)
    at: Any = {"revision": config.revision, "offline": offline}
    _require_known(read_json(config.path), config.path)  # refused before anything large is fetched
    require_permissive(repository, licence_of(_hub.fetch_if_there(repository, _README, **at)))
    how["instead"] = f"pass {_OPTION}, or ".format
    _hub.fetch(repository, _PROCESSOR, revision=config.revision, **how)
    found = _hub.fetch(repository, WEIGHTS, revision=config.revision, **how)
    weights = Weights("hub", found.sha256, repository, config.revision)
    return _of_transformers(row.alias if row else repository.rpartition("/")[2], weights, config.path.parent, row)


def _in_folder(folder: Path, row: DetectorRow | None, name: str) -> DetectorNetwork:
    if not folder.is_dir():
        raise BackboneError(
            f"{folder}: {'a file, and a detector of transformers is several' if folder.exists() else 'no such folder'}",
            hint=f"give {_OPTION}",
        )
    missing = [each for each in (WEIGHTS, CONFIG, _PROCESSOR) if not (folder / each).is_file()]
    if missing:
        raise BackboneError(f"{folder}: has no {missing[0]}", hint=f"give {_OPTION}")
    require_permissive(str(folder), licence_of(folder / _README))
    weights = _weights.from_path(folder / WEIGHTS, name)
    return _of_transformers(row.alias if row else name.rpartition("/")[2], weights, folder, row)


def _of_transformers(name: str, weights: Weights, folder: Path, row: DetectorRow | None) -> DetectorNetwork:
    config = read_json(folder / CONFIG)
    kind = _require_known(config, folder / CONFIG)
    told = built_config(config, folder / CONFIG)
    preprocessing = _preprocessing(read_json(folder / _PROCESSOR), kind, folder / _PROCESSOR)
    by_words = kind == "owlv2"
    labels = {} if by_words else dict(told.id2label)
    return DetectorNetwork(
        name=plain_name(name),
        weights=weights,
        stages=(),
        embedding=0,
        preprocessing=preprocessing,
        pretrained_on="unknown" if row is None or by_words else "COCO",
        licence=row.licence if row else licence_of(folder / _README) or "unknown",
        fixed_size=by_words,
        library="transformers",
        config=config,
        classes=tuple(class_name(str(labels.get(place, ""))) for place in range(len(labels))),
        queries=(preprocessing.size // told.vision_config.patch_size) ** 2 if by_words else int(told.num_queries),
        channels=(told.text_config.hidden_size if by_words else int(told.d_model)) + (kind in ("owlv2", "d_fine")),
        scoring=_SCORINGS[kind],
    )


def built_config(config: dict[str, Any], place: Path | str) -> Any:
    """What transformers makes of a ``config.json``: its own classes alone, and no weights of a part fetched.

    Raises:
        BackboneError: It is none that it understands.
        MissingExtraError: transformers is not installed.
    """
    kind = _require_known(config, place)
    return parsed_config(kind, config, place, "a detector of transformers")


def _require_known(config: dict[str, Any], place: Path | str) -> str:
    """The design that a configuration names."""
    kind = str(config.get("model_type"))
    if kind not in _SCORINGS:
        raise BackboneError(
            f"{place}: {kind!r} is no design of detectors that topwork knows",
            hint=f"there are {', '.join(_SCORINGS)}; `topwork models --task detection` lists some of each",
        )
    return kind


def _preprocessing(told: dict[str, Any], kind: str, place: Path) -> Preprocessing:
    """What a ``preprocessor_config.json`` says: side, normalisation, and whether the aspect ratio stays."""
    size, crop_mode = _size(told, kind, place)
    normalised = told.get("do_normalize", kind != "rt_detr")
    mean, std = told.get("image_mean", IMAGENET[0]), told.get("image_std", IMAGENET[1])
    if not normalised:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    try:
        interpolation: Any = RESAMPLING.get(told.get("resample", 2), "bilinear")
        return Preprocessing(size, crop_mode, 1.0, interpolation, tuple(mean), tuple(std), "timm")
    except (BackboneError, TypeError) as error:
        raise BackboneError(f"{place}: {error}") from error


def _size(told: dict[str, Any], kind: str, place: Path) -> tuple[int, CropMode]:
    """Side of the square, and how an image fills it.

    A network that saw images at their own aspect ratio, shorter side ``shortest_edge``, gets a square as wide as the
    longer side of an image of 4:3, at the same scale.
    """
    size = told.get("size")
    if isinstance(size, dict) and isinstance(shortest := size.get("shortest_edge"), int):
        return int(shortest * WIDE), "pad"
    height, width = (size.get("height"), size.get("width")) if isinstance(size, dict) else (None, None)
    if not isinstance(height, int) or height != width:
        raise BackboneError(f"{place}: images of the size {size!r} are not square, which topwork's are")
    return height, "pad" if kind == "owlv2" else "squash"


def coco_places() -> tuple[str, ...]:
    """COCO's 80 classes at the 91 places of torchvision's layers."""
    optional("torchvision", extra="torch", what="a detector of torchvision")
    from torchvision.models import get_model_weights

    return tuple(map(class_name, next(iter(get_model_weights("fcos_resnet50_fpn"))).meta["categories"]))
