"""Networks that make numbers of a face: their facts, and the backbones they are. They see crops that a finder aligned.

dlib's comes as a package. Any network of ArcFace's kind is taken as the user's ONNX file, whose bytes are kept in a
``.safetensors`` file: so it is saved, hashed and read like the weights of any other backbone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._system import cache_dir, cached
from topwork.backbones._hub import file_sha256
from topwork.backbones._onnx import OnnxFacts, onnx_facts
from topwork.backbones._preprocessing import Preprocessing
from topwork.errors import BackboneError

if TYPE_CHECKING:
    from topwork.backbones._backbone import Backbone
    from topwork.backbones._text_backbone import TextBackbone

ONNX = "onnx"
"""The tensor that holds the bytes of an ONNX file."""

_FILE = "model.safetensors"
_MIDDLE = (0.5, 0.5, 0.5)
_EARLY = 8  # nodes among which insightface's own networks normalise the pixels themselves
_WIDEST = 4096  # numbers a face


@dataclass(frozen=True)
class FaceRow:
    """What is known of one network of faces.

    Attributes:
        alias: The short name that ``--backbone`` takes.
        name: Its whole name.
        embedding: Numbers a face; 0 where the user's file tells.
        size: Side of the aligned crop in pixels.
        mean: Per channel, on the scale 0 to 1; so is ``std``.
        finder: What finds and aligns faces as it was trained on.
        pretrained_on: Data.
        licence: Of the weights.
        advice: One line on when to pick it.
        paper: Where it is described.
        package: Distribution that holds the weights; empty where they are the user's file.
        weights: The file's path inside the package's module.
        sha256: Its hash.
        extra: What brings the package.
    """

    alias: str
    name: str
    embedding: int
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    finder: str
    pretrained_on: str
    licence: str
    advice: str
    paper: str
    package: str = ""
    weights: str = ""
    sha256: str = ""
    extra: str = "faces"

    @property
    def module(self) -> str:
        """Import name of the package."""
        return self.package.replace("-", "_")

    @property
    def preprocessing(self) -> Preprocessing:
        """What it was trained with; a finder's crops have the size already."""
        return Preprocessing(self.size, "squash", 1.0, "area", self.mean, self.std)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return dataclasses.asdict(self)


FACES = (
    FaceRow(
        alias="dlib",
        name="dlib_face_resnet_v1",
        embedding=128,
        size=150,
        mean=(122.782 / 255, 117.001 / 255, 104.298 / 255),
        std=(256 / 255, 256 / 255, 256 / 255),
        finder="faces",
        pretrained_on="3 million faces of 7,485 people (FaceScrub, VGG-Face, the web)",
        licence="CC0-1.0",
        advice="Works without a hub; 99.38 % on LFW as published by its author.",
        paper="King 2017, High Quality Face Recognition with Deep Metric Learning",
        package="face-recognition-models",
        weights="models/dlib_face_recognition_resnet_model_v1.dat",
        sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    ),
    FaceRow(
        alias="arcface",
        name="arcface",
        embedding=0,
        size=112,
        mean=_MIDDLE,
        std=_MIDDLE,
        finder="faces-arcface",
        pretrained_on="unknown",
        licence="the file's own; insightface's weights are for non-commercial research only",
        advice="Any network of ArcFace's kind as --weights FILE.onnx, with pixels as (x - 127.5) / 127.5.",
        paper="Deng et al. 2019, ArcFace, arXiv 1801.07698",
    ),
    FaceRow(
        alias="arcface-128",
        name="arcface_128",
        embedding=0,
        size=112,
        mean=_MIDDLE,
        std=(128 / 255, 128 / 255, 128 / 255),
        finder="faces-arcface",
        pretrained_on="unknown",
        licence="the file's own; insightface's weights are for non-commercial research only",
        advice="The same for networks that were trained on (x - 127.5) / 128, as CosFace and MobileFaceNet often were.",
        paper="Wang et al. 2018, CosFace, arXiv 1801.09414",
    ),
)
"""Every network of faces that is known."""


def face_row(name: str) -> FaceRow | None:
    """The network of faces of that name; case and ``_`` or ``-`` do not matter."""
    sought = name.strip().lower().replace("_", "-")
    return next((row for row in FACES if sought in (row.alias, row.name.replace("_", "-"))), None)


def is_face(backbone: Backbone | TextBackbone) -> bool:
    """Whether it is a network of faces, which OpenVINO alone runs."""
    return face_row(backbone.name) is not None


def onnx_as_weights(path: Path) -> Path:
    """The ``.safetensors`` file in topwork's cache that holds an ONNX file's bytes."""

    def make() -> Callable[[Path], object]:
        from safetensors.numpy import save

        content = save({ONNX: np.frombuffer(path.read_bytes(), np.uint8)})
        return lambda file: file.write_bytes(content)

    return cached(cache_dir() / "weights" / file_sha256(path)[:32], _FILE, make)


def of_file(row: FaceRow, path: Path) -> dict[str, Any]:
    """What an ONNX file changes of a row's facts: how many numbers it gives, and whether it normalises by itself.

    Raises:
        BackboneError: It does not take a face's pixels, or does not give one row a face.
    """
    facts = onnx_facts(path)
    width = _width(facts)
    fits = len(facts.inputs) == 1 and len(facts.inputs[0]) == 4 and facts.inputs[0][1:] in _taken(row.size)
    if not fits or not 2 <= width <= _WIDEST:
        raise BackboneError(
            f"{path}: takes {_shapes(facts.inputs)} and gives {_shapes(facts.outputs)}; a network of faces takes "
            f"(N, 3, {row.size}, {row.size}) and gives (N, D)",
            hint="export it with these shapes, channels before rows and columns",
        )
    preprocessing = row.preprocessing
    if {"Sub", "Mul"} <= set(facts.operators[:_EARLY]):  # as insightface tells them, too
        preprocessing = preprocessing.replace(mean=(0.0, 0.0, 0.0), std=(1 / 255, 1 / 255, 1 / 255))
    return {"embedding": width, "preprocessing": preprocessing}


def _width(facts: OnnxFacts) -> int:
    return int(np.prod(facts.outputs[0][1:])) if len(facts.outputs[0]) > 1 else 0


def _taken(size: int) -> list[tuple[int, ...]]:
    """Sizes of an input that takes the crops; 0 is any."""
    return [(channels, *sides) for channels in (3, 0) for sides in ((size, size), (0, 0))]


def _shapes(shapes: tuple[tuple[int, ...], ...]) -> str:
    return ", ".join(f"({', '.join(str(each or 'N') for each in shape)})" for shape in shapes)
