"""The files of a segmenter: its weights and what tells how it is built and fed, from the hub or the user's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from topwork._system import optional, require_torch
from topwork.backbones import _hub, _weights
from topwork.backbones._catalogue import Stage
from topwork.backbones._detector_catalogue import require_permissive
from topwork.backbones._faces import onnx_as_weights
from topwork.backbones._onnx import onnx_facts
from topwork.backbones._preprocessing import CropMode, Preprocessing
from topwork.backbones._segmenter import PromptableNetwork, SegmenterNetwork
from topwork.backbones._segmenter_catalogue import SegmenterRow, segmenter_row, segmenters_near
from topwork.backbones._text_files import CONFIG, WEIGHTS, plain_name, read_json
from topwork.backbones._transformers_files import IMAGENET, RESAMPLING, WIDE, class_name, licence_of, parsed_config
from topwork.backbones._weights import Weights
from topwork.errors import BackboneError

Trained = PromptableNetwork | SegmenterNetwork

_PROCESSORS, _README = ("preprocessor_config.json", "processor_config.json"), "README.md"
_OPTION = (
    f"with --weights a folder with {WEIGHTS}, {CONFIG} and {_PROCESSORS[0]}, as transformers' save_pretrained makes it"
)
_DIVISOR = 32  # of the side of a square: networks halve it five times
_OF_IMAGES = ("vision_config", "prompt_encoder_config", "mask_decoder_config")  # of SAM 2's parts
_BINARY = ("background", "foreground")

_DESIGNS = {
    "sam": "prompts",
    "sam2": "prompts",
    "sam2_video": "prompts",  # what the hub's files of SAM 2 say; of them the part for images is used
    "segformer": "classes",
    "mask2former": "classes",
    "clipseg": "words",
}
"""What transformers calls the designs that are known here, and what tells them what to segment."""

_SIZES: dict[str, tuple[int, int, int, list[int]]] = {
    "sam-vit-b": (768, 12, 12, [2, 5, 8, 11]),
    "sam-vit-l": (1024, 24, 16, [5, 11, 17, 23]),
    "sam-vit-h": (1280, 32, 16, [7, 15, 23, 31]),
}
"""Width, layers, heads and layers that see the whole image, of SAM's encoders: for random weights, without a hub."""


def is_segmenter(name: str) -> bool:
    """Whether a name is a segmenter's: one of the catalogue, ``onnx:FILE``, or a repository of the hub."""
    return segmenter_row(name) is not None or name.startswith("onnx:") or "/" in name


def load_segmenter(
    name: str, *, weights: str | Path = "pretrained", size: int | None = None, offline: bool = False
) -> Trained:
    """Find a trained segmenter by name.

    Args:
        name: An alias of the catalogue of segmenters (``sam-vit-b``), a repository of the hub, ``owner/name``, that
            transformers can build without code of its own, a folder like it, or ``onnx:FILE``, a network of the user's
            that tells objects from their background.
        weights: ``pretrained``; a folder that holds ``model.safetensors``, ``config.json`` and
            ``preprocessor_config.json``; an ``.onnx`` file; or of SAM ``random`` / ``random:SEED`` for shape and speed
            alone.
        size: Side of the square image in pixels, where it should not be the network's own; SAM's cannot be another.
        offline: Whether to use no network, only what is on this machine.

    Raises:
        BackboneError: The name is unknown, the licence is the AGPL, or the weights are not available.
        MissingExtraError: A package is missing.

    Example:
        >>> load_segmenter("sam-vit-b", weights="random").shapes
        ((256, 64, 64),)
    """
    given = Path(name[5:]) if name.startswith("onnx:") else Path(weights)
    if name.startswith("onnx:") or given.suffix.lower() == ".onnx":
        return _resized(_of_onnx(given), size)
    require_permissive(name)
    row = segmenter_row(name)
    if row is None and "/" not in name:
        near = segmenters_near(name)
        hint = (
            f"did you mean {', '.join(near)}?" if near else "`topwork models --task segmentation` lists those that work"
        )
        raise BackboneError(f"no segmenter is called {name!r}", hint=hint)
    if str(weights) == "pretrained" and row is None and Path(name).is_dir():
        found = _in_folder(Path(name), None, plain_name(Path(name).name))
    elif str(weights) == "pretrained":
        found = _of_hub(row.repository if row else name, row, offline=offline)
    elif str(weights).partition(":")[0] == "random":
        found = _of_seed(name, row, weights)
    else:
        found = _in_folder(Path(weights), row, name)
    return _resized(found, size)


def segmenter_works_offline(row: SegmenterRow) -> bool:
    """Whether a segmenter's weights are in the hub's cache on this machine."""
    return _hub.cached_file(row.repository, WEIGHTS) is not None


def _resized(found: Trained, size: int | None) -> Trained:
    if size in (None, found.preprocessing.size):
        return found
    if isinstance(found, PromptableNetwork) or found.library == "onnx":
        raise BackboneError(
            f"{found.name} takes images of {found.preprocessing.size} pixels, not {size}", hint="leave out --size"
        )
    return found.replace(size=size)  # type: ignore[return-value]


def _of_hub(repository: str, row: SegmenterRow | None, *, offline: bool) -> Trained:
    optional("huggingface_hub", extra="detectors", what="a network of the hub")
    how: Any = {"offline": offline, "option": _OPTION}
    config = _hub.fetch(repository, CONFIG, **how)
    at: Any = {"revision": config.revision, "offline": offline}
    kind = _require_known(read_json(config.path), config.path)  # refused before anything large is fetched
    require_permissive(repository, licence_of(_hub.fetch_if_there(repository, _README, **at)))
    how["instead"] = f"pass {_OPTION}, or ".format
    if _hub.fetch_if_there(repository, _PROCESSORS[0], **at) is None:
        _hub.fetch(repository, _PROCESSORS[1], revision=config.revision, **how)
    found = _hub.fetch(repository, WEIGHTS, revision=config.revision, **how)
    weights = Weights("hub", found.sha256, repository, config.revision)
    return _described(row.alias if row else repository.rpartition("/")[2], weights, config.path.parent, row, kind)


def _in_folder(folder: Path, row: SegmenterRow | None, name: str) -> Trained:
    if not folder.is_dir():
        why = "a file, and a segmenter of transformers is several" if folder.exists() else "no such folder"
        raise BackboneError(f"{folder}: {why}", hint=f"give {_OPTION}")
    missing = [each for each in (WEIGHTS, CONFIG) if not (folder / each).is_file()]
    if missing or not any((folder / each).is_file() for each in _PROCESSORS):
        raise BackboneError(f"{folder}: has no {(*missing, _PROCESSORS[0])[0]}", hint=f"give {_OPTION}")
    kind = _require_known(read_json(folder / CONFIG), folder / CONFIG)
    if row is not None and not kind.startswith(row.family.lower().replace(" 2.1", "2").replace(" 2", "2")):
        raise BackboneError(
            f"{folder}: according to its {CONFIG} these are weights of {kind}, not of {row.family}",
            hint="name the network that they are of with --backbone",
        )
    require_permissive(str(folder), licence_of(folder / _README))
    weights = _weights.from_path(folder / WEIGHTS, name)
    return _described(row.alias if row else name.rpartition("/")[2], weights, folder, row, kind)


def _of_seed(name: str, row: SegmenterRow | None, weights: str | Path) -> PromptableNetwork:
    if row is None or row.alias not in _SIZES:
        raise BackboneError(
            f"{name} has no shape without its files", hint=f"random weights are for {', '.join(_SIZES)}"
        )
    width, layers, heads, whole = _SIZES[row.alias]
    vision = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads}
    config = {"model_type": "sam", "vision_config": {**vision, "global_attn_indexes": whole}}
    chosen = _weights.chosen_weights(weights, name, allow_pickle=False)
    return _promptable(row.alias, chosen, config, {"size": {"longest_edge": row.size}}, row, Path(name))


def _described(name: str, weights: Weights, folder: Path, row: SegmenterRow | None, kind: str) -> Trained:
    """The network that a folder tells of."""
    place = next(folder / each for each in _PROCESSORS if (folder / each).is_file())
    told = read_json(place)
    told = told.get("image_processor", told)
    config = read_json(folder / CONFIG)
    licence = row.licence if row else licence_of(folder / _README) or "unknown"
    make: Callable[..., Trained] = _promptable if _DESIGNS[kind] == "prompts" else _telling
    return make(plain_name(name), weights, config, told, row, place, licence)


def _promptable(
    name: str,
    weights: Weights,
    config: dict[str, Any],
    told: dict[str, Any],
    row: SegmenterRow | None,
    place: Path,
    licence: str = "unknown",
) -> PromptableNetwork:
    built = segmenter_config(config, place)
    preprocessing = _preprocessing(told, place, built.model_type)
    vision = built.vision_config
    if built.model_type == "sam":
        side = vision.image_size // vision.patch_size
        size, shapes = vision.image_size, [(vision.output_channels, side, side)]
    else:
        width = vision.fpn_hidden_size
        size = int(vision.backbone_config.image_size[0])
        channels = (width // 8, width // 4, width)
        sides = vision.backbone_feature_sizes
        shapes = [(count, int(rows), int(columns)) for count, (rows, columns) in zip(channels, sides, strict=True)]
    if size != preprocessing.size:
        raise BackboneError(f"{place}: images of {preprocessing.size} pixels, and the network takes {size}")
    return PromptableNetwork(
        name=name,
        weights=weights,
        stages=(),
        embedding=0,
        preprocessing=preprocessing,
        pretrained_on="unknown" if row is None else "SA-1B" if built.model_type == "sam" else "SA-V",
        licence=row.licence if row else licence,
        fixed_size=True,
        config=config,
        shapes=tuple(shapes),
    )


def _telling(
    name: str,
    weights: Weights,
    config: dict[str, Any],
    told: dict[str, Any],
    row: SegmenterRow | None,
    place: Path,
    licence: str,
) -> SegmenterNetwork:
    built = segmenter_config(config, place)
    by_words = built.model_type == "clipseg"
    labels = {} if by_words else dict(built.id2label)
    classes = tuple(class_name(str(labels.get(place, ""))) for place in range(len(labels)))
    return SegmenterNetwork(
        name=name,
        weights=weights,
        stages=(Stage("classes", len(classes), 1 if by_words else 4),),
        embedding=0,
        preprocessing=_preprocessing(told, place, built.model_type),
        pretrained_on="unknown" if row is None else "PhraseCut" if by_words else "ADE20K",
        licence=licence,
        config=config,
        classes=classes,
    )


def _of_onnx(path: Path) -> SegmenterNetwork:
    """A network of the user's that tells objects from background: one map of probabilities or logits, or two."""
    if not path.is_file():
        raise BackboneError(f"{path}: no such weights file")
    facts = onnx_facts(path)
    takes, gives = facts.inputs[0], facts.outputs[0]
    side = takes[-1] or 320  # where any will do: what such networks are trained at
    fits = len(facts.inputs) == 1 and len(takes) == 4 and takes[1] in (3, 0) and takes[2] == takes[3]
    if not fits or len(gives) != 4 or gives[1] not in (1, 2) or gives[2] not in (side, 0):
        raise BackboneError(
            f"{path}: takes {takes} and gives {gives}; a segmenter takes (1, 3, side, side) and gives (1, 1, side, "
            "side), how probable the foreground is, or logits of background and foreground",
            hint="export it with these shapes, channels before rows and columns",
        )
    probability = gives[1] == 1 and "Sigmoid" in facts.operators[-len(facts.outputs) :]
    return SegmenterNetwork(
        name=plain_name(path.stem),
        weights=_weights.from_path(onnx_as_weights(path), path.stem),
        stages=(Stage("classes", 2, 1),),
        embedding=0,
        preprocessing=Preprocessing(side, "squash", 1.0, "bilinear", *IMAGENET, "timm"),
        library="onnx",
        config={"probability": probability},
        classes=_BINARY,
    )


def segmenter_config(config: dict[str, Any], place: Path | str) -> Any:
    """What transformers makes of a ``config.json``; of SAM 2 the part for images alone.

    Raises:
        BackboneError: It is none that it understands.
        MissingExtraError: transformers or PyTorch is not installed.
    """
    require_torch("a segmenter of transformers")
    kind = _require_known(config, place)
    if kind == "sam2_video":
        parts = {name: config[name] for name in _OF_IMAGES if name in config}
        kind, config = "sam2", {**parts, "model_type": "sam2"}
    return parsed_config(kind, config, place, "a segmenter of transformers")


def _require_known(config: dict[str, Any], place: Path | str) -> str:
    """The design that a configuration names."""
    kind = str(config.get("model_type"))
    if kind not in _DESIGNS:
        raise BackboneError(
            f"{place}: {kind!r} is no design of segmenters that topwork knows",
            hint=f"there are {', '.join(_DESIGNS)}; `topwork models --task segmentation` lists some of each",
        )
    return kind


def _preprocessing(told: dict[str, Any], place: Path, kind: str) -> Preprocessing:
    """What a processor's file says: side, normalisation, and whether the aspect ratio stays."""
    size, crop_mode = _size(told, place)
    mean, std = told.get("image_mean", IMAGENET[0]), told.get("image_std", IMAGENET[1])
    if not told.get("do_normalize", True):
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    try:
        interpolation: Any = RESAMPLING.get(told.get("resample", 2), "bilinear")
        return Preprocessing(size, crop_mode, 1.0, interpolation, tuple(mean), tuple(std), "timm")
    except (BackboneError, TypeError) as error:
        raise BackboneError(f"{place}: {error}") from error


def _size(told: dict[str, Any], place: Path) -> tuple[int, CropMode]:
    """Side of the square, and how an image fills it: SAM's its corner, a network's of whole images all of it."""
    size = told.get("size")
    if isinstance(size, int):
        return size, "squash"
    if isinstance(size, dict) and isinstance(longest := size.get("longest_edge"), int) and "shortest_edge" not in size:
        return longest, "corner"
    if isinstance(size, dict) and isinstance(shortest := size.get("shortest_edge"), int):
        return round(shortest * WIDE / _DIVISOR) * _DIVISOR, "pad"
    height, width = (size.get("height"), size.get("width")) if isinstance(size, dict) else (None, None)
    if not isinstance(height, int) or height != width:
        raise BackboneError(f"{place}: images of the size {size!r} are not square, which topwork's are")
    return height, "squash"


def is_onnx(backbone: object) -> bool:
    """Whether it is a segmenter from an ONNX file, which OpenVINO alone runs."""
    return isinstance(backbone, SegmenterNetwork) and backbone.library == "onnx"
