"""A backbone: a pretrained network without its classifier, its stages, and the outputs that can be taken from it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from topwork._system import WITH_TORCH, has_torch, require_torch
from topwork.backbones import _catalogue, _faces, _keras, _torchhub, _weights
from topwork.backbones._catalogue import EMBEDDING, MAP, Stage
from topwork.backbones._preprocessing import Preprocessing
from topwork.backbones._weights import Weights
from topwork.errors import BackboneError, MissingExtraError

if TYPE_CHECKING:
    from torch import nn

Pooling = Literal["mean", "max", "mean+max"]

_WITHOUT = "lite0, which needs none"

# What a row of the catalogue tells of a backbone, beside its weights.
_FACTS = ("name", "stages", "embedding", "preprocessing", "pretrained_on", "licence", "fixed_size", "mean_embedding")


def told_apart(name: str, built_from: Any) -> str:
    """A name, and what the network is built from (JSON-ready), shortened: of some, weights alone do not tell it."""
    told = json.dumps(built_from, sort_keys=True)
    return f"{name}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Backbone:
    """A pretrained network without its classifier. It holds facts; ``module`` makes the network itself.

    Attributes:
        name: timm's name.
        weights: Which numbers it holds, and their hash.
        stages: Its successive blocks, nearest the pixels first; none where only the last layer is to be had.
        embedding: Width of the network's own pooled features.
        fixed_size: Whether the network is built for one image size (a ViT) and must be rebuilt for another.
        mean_embedding: Whether its own pooled features are a mean over the last map, rather than a token or attention.
    """

    name: str
    weights: Weights
    stages: tuple[Stage, ...]
    embedding: int
    preprocessing: Preprocessing
    pretrained_on: str = "unknown"
    licence: str = "unknown"
    fixed_size: bool = False
    mean_embedding: bool = False

    def outputs(
        self, stages: Literal["last", "all"] | Sequence[str] = "last", pooling: Pooling = "mean+max"
    ) -> tuple[str, ...]:
        """Names of the outputs to extract.

        Args:
            stages: ``last`` is the network's own pooled features (``embedding``); ``all`` every stage and the
                embedding; or names of stages, and ``embedding``.
            pooling: How each stage's map becomes one number a channel.

        Returns:
            Names such as ``blocks.4/max``, in the order of the network.

        Raises:
            BackboneError: There is no such stage or pooling.
        """
        if pooling not in ("mean", "max", "mean+max"):
            raise BackboneError(f"pooling must be mean, max or mean+max, not {pooling!r}")
        known = [*self._names, EMBEDDING]
        if stages == "last":
            return (EMBEDDING,)
        wanted = known if stages == "all" else [stages] if isinstance(stages, str) else list(stages)
        strange = [name for name in wanted if name not in known]
        if strange or not wanted:
            raise BackboneError(
                f"{self.name} has no stage {strange[0]!r}" if strange else "no stage was given",
                hint=f"its stages are {', '.join(known)}",
            )
        names = [f"{name}/{pool}" for name in known[:-1] if name in wanted for pool in pooling.split("+")]
        if EMBEDDING not in wanted:
            return tuple(names)
        return (*(name for name in names if name != self._twin), EMBEDDING)

    @property
    def _twin(self) -> str | None:
        """The output that holds the embedding's numbers (or the same before a last norm), where there is one."""
        if not self.stages:
            return None
        last = self.stages[-1]
        return f"{last.name}/mean" if self.mean_embedding and last.channels == self.embedding else None

    def width(self, output: str) -> int:
        """Numbers per image in one output.

        Raises:
            BackboneError: There is no such output.
        """
        if output == EMBEDDING:
            return self.embedding
        name, _, pool = output.rpartition("/")
        for stage in self.stages:
            if stage.name == name and pool in ("mean", "max"):
                return stage.channels
            if stage.name == name and pool == MAP:
                return stage.channels * self.side(name) ** 2
        raise BackboneError(f"{self.name} has no output {output!r}")

    def side(self, stage: str) -> int:
        """Rows, and columns, of a stage's map.

        Raises:
            BackboneError: There is no such stage.
        """
        for each in self.stages:
            if each.name == stage:
                return -(-self.preprocessing.size // each.stride)
        raise BackboneError(f"{self.name} has no stage {stage!r}", hint=f"its stages are {', '.join(self._names)}")

    def maps(self, stages: Sequence[str]) -> tuple[str, ...]:
        """Names of the outputs that are stages' whole maps, (channels, side, side) each, flattened to a row.

        Raises:
            BackboneError: There is no such stage.
        """
        for name in stages:
            self.side(name)
        return tuple(f"{name}/{MAP}" for name in stages)

    @property
    def _names(self) -> list[str]:
        return [stage.name for stage in self.stages]

    def module(self) -> nn.Module:
        """The network with its weights, in evaluation mode on the CPU, float32; imports torch and timm.

        Raises:
            BackboneError: The weights are missing, changed, or do not fit the network.
            MissingExtraError: PyTorch is not installed.
        """
        if _faces.is_face(self):
            raise BackboneError(f"{self.name} is no torch network", hint="OpenVINO runs it: leave out --engine")
        require_torch(f"the network {self.name}")
        from topwork.backbones import _network

        size = self.preprocessing.size if self.fixed_size else None
        return _network.build(self.name, self.weights, size)

    @property
    def by_itself(self) -> bool:
        """Whether it is a whole network whose output is given as it is, one image a call."""
        return False

    @property
    def identity(self) -> str:
        """What a network with these weights is told apart by from any other; of most its name."""
        return self.name

    def replace(self, **changes: Any) -> Backbone:
        """Copy that preprocesses differently, e.g. ``replace(size=320)`` or ``replace(crop_mode="squash")``."""
        return dataclasses.replace(self, preprocessing=self.preprocessing.replace(**changes))

    def with_weights(self, weights: Weights) -> Backbone:
        """Copy that takes its numbers from elsewhere."""
        return dataclasses.replace(self, weights=weights)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Backbone:
        """Inverse of ``to_dict``.

        Raises:
            BackboneError: A field is missing, unknown or of the wrong kind.
        """
        try:
            parsed = {
                "weights": Weights(**fields["weights"]),
                "stages": tuple(Stage(**stage) for stage in fields["stages"]),
                "preprocessing": Preprocessing.from_dict(fields["preprocessing"]),
            }
            return cls(**{**fields, **parsed})
        except (TypeError, KeyError) as error:
            raise BackboneError(f"a backbone's record is not as expected: {error}") from error


def load(
    name: str = _catalogue.DEFAULT,
    *,
    weights: str | Path = "pretrained",
    size: int | None = None,
    offline: bool = False,
    allow_pickle: bool = False,
    preprocessing: Literal["topwork", "timm"] = "topwork",
) -> Backbone:
    """Find a backbone by name. Catalogue rows need neither torch nor a network; other names ask timm and its hub.

    Args:
        name: A catalogue name or alias (``lite0``), any name that timm knows, a ``.keras`` or ``.h5`` file of a
            network of ``keras.applications``, ``torchhub:OWNER/REPO:ENTRY@COMMIT`` once it is trusted (``trust``), or
            a repository of the hub, ``owner/name``, that transformers classifies images with, or a folder like it.
        weights: ``pretrained``; a ``.safetensors`` file; a folder that holds ``model.safetensors``; a ``.h5`` or
            ``.keras`` file of the network as Keras has it; or ``random`` / ``random:SEED`` for shape and speed alone.
            Of a repository, a folder as transformers saves it.
        size: Side of the square image in pixels, where it should not be the network's own.
        offline: Whether to use no network, only what is on this machine; ``HF_HUB_OFFLINE=1`` says so too.
        allow_pickle: Whether a ``.pth``, ``.pt`` or ``.bin`` file will do as well. Its weights alone are read, and
            kept as ``.safetensors``.
        preprocessing: ``timm`` does what timm's evaluation of the network does, to the pixel; see ``Preprocessing``.

    Raises:
        BackboneError: The name is unknown (the nearest right ones are in the hint), or the weights are not available.
        MissingExtraError: The network needs PyTorch, which is not installed.

    Example:
        >>> load("lite0").outputs("all", "mean")
        ('bn1/mean', 'blocks.0/mean', ..., 'blocks.6/mean', 'embedding')
    """
    if (face := _faces.face_row(name)) is not None:
        return _face(face, weights, size)
    if _keras.is_keras_file(name) or _keras.is_keras_file(weights):
        return _as_in_keras(name, weights, size, preprocessing)
    if _torchhub.is_torchhub(name):
        _torchhub.require_trusted(name)  # told before anything is imported
    elif "/" in name:
        from topwork.backbones._transformers import load_of_transformers

        found = load_of_transformers(name, weights=weights, size=size, offline=offline)
        return _at_size(found, size, preprocessing)
    row = _catalogue.row(name)
    if not has_torch() and (row is None or not row.package or str(weights).startswith("random")):
        raise MissingExtraError(
            f"the backbone {name!r} needs PyTorch, which is not installed", hint=f"{WITH_TORCH}, or take {_WITHOUT}"
        )
    if row:
        facts = {field: getattr(row, field) for field in _FACTS}
    else:
        from topwork.backbones import _network

        facts = _network.describe(name, size)
    if str(weights) != "pretrained":
        chosen = _weights.chosen_weights(weights, facts["name"], allow_pickle=allow_pickle)
        facts["pretrained_on"] = "unknown"
    elif row and row.package:
        chosen = _weights.from_package(row)
    elif _torchhub.is_torchhub(name):
        from topwork.backbones import _torchhub_module

        chosen = _torchhub_module.pretrained(name)
    else:
        chosen = _weights.from_hub(facts["name"], offline=offline)
    return _at_size(Backbone(weights=chosen, **facts), size, preprocessing)


def _at_size(backbone: Backbone, size: int | None, preprocessing: Literal["topwork", "timm"], **more: Any) -> Backbone:
    changes: dict[str, Any] = {} if preprocessing == "timm" else {"rules": "topwork", "interpolation": "area"}
    return backbone.replace(**changes, **more, size=size or backbone.preprocessing.size)


def _as_in_keras(
    name: str, weights: str | Path, size: int | None, preprocessing: Literal["topwork", "timm"]
) -> Backbone:
    """A network as Keras has it, with the weights of a file that Keras wrote; the file may be all that is named."""
    by_file = _keras.is_keras_file(name)
    if by_file and str(weights) != "pretrained":
        raise BackboneError(f"{name} has weights of its own, and {weights} was given too", hint="leave out --weights")
    require_torch(f"the network of {name if by_file else weights}")
    from topwork.backbones import _network

    found = _keras.keras_weights(Path(name if by_file else weights), "" if by_file else name)
    facts = _network.describe(found.row.name, size) | {"pretrained_on": "unknown"}
    return _at_size(Backbone(weights=found.weights, **facts), size, preprocessing, mean=found.mean, std=found.std)


def is_timms(backbone: Backbone) -> bool:
    """Whether timm builds the network by its name, as it does none of faces and none of another library."""
    name = backbone.name
    others = name in _keras.ROWS or _torchhub.is_torchhub(name) or _faces.is_face(backbone)
    return not others and type(backbone) is Backbone


def _face(row: _faces.FaceRow, weights: str | Path, size: int | None) -> Backbone:
    """A network of faces, from its package or the user's file."""
    if size not in (None, row.size):
        raise BackboneError(f"{row.name} takes faces of {row.size} pixels, not {size}", hint="leave out --size")
    facts = {name: getattr(row, name) for name in ("name", "embedding", "preprocessing", "pretrained_on", "licence")}
    if str(weights) == "pretrained":
        if not row.package:
            raise BackboneError(f"{row.name} needs a file of weights", hint="--weights FILE.onnx names it")
        return Backbone(weights=_weights.from_package(row), stages=(), **facts)
    path = Path(weights)
    if row.package or path.suffix.lower() != ".onnx":
        raise BackboneError(
            f"{row.name} takes {'the weights of its package alone' if row.package else 'an ONNX file'}, not {path}",
            hint="an ONNX file goes with --backbone arcface",
        )
    if not path.is_file():
        raise BackboneError(f"{path}: no such weights file")
    facts |= _faces.of_file(row, path)
    return Backbone(weights=_weights.from_path(_faces.onnx_as_weights(path), row.name), stages=(), **facts)
