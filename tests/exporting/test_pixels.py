"""The preprocessing in a graph gives the pixels of Pillow, by way of ``Preprocessing``."""

from __future__ import annotations

import importlib.metadata
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from topwork.backbones import Preprocessing
from topwork.data import decode
from topwork.exporting._nodes import Nodes
from topwork.exporting._pixels import square_of

onnxruntime = pytest.importorskip("onnxruntime")

SIZES = [(1, 1), (1, 300), (300, 1), (31, 49), (224, 224), (250, 250), (257, 333), (333, 257), (1000, 300), (480, 640)]
SETTINGS = [*itertools.product(("topwork", "timm"), ("crop", "squash", "pad"), ("area", "bilinear", "bicubic"))]


def graph_of(preprocessing: Preprocessing) -> Any:
    nodes = Nodes()
    images = nodes.input("images", np.uint8, ["batch", "height", "width", 3])
    side = preprocessing.size
    nodes.output("square", square_of(nodes, images, preprocessing), ["batch", 3, side, side])
    return onnxruntime.InferenceSession(nodes.model("square").SerializeToString())


def squares(graph: Any, images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    found = graph.run(None, {"images": images})[0].transpose(0, 2, 3, 1)
    assert (found == np.round(found)).all()
    return np.asarray(found, np.int64)


@pytest.fixture(scope="module")
def photo(photos: list[Path]) -> Image.Image:
    return Image.fromarray(decode(photos[0]))


@pytest.mark.parametrize(("rules", "mode", "interpolation"), SETTINGS)
def test_pixels_are_pillows(photo: Image.Image, rules: Any, mode: Any, interpolation: Any) -> None:
    preprocessing = Preprocessing(rules=rules, crop_mode=mode, interpolation=interpolation, mean=(0.4, 0.5, 0.6))
    graph = graph_of(preprocessing)
    for height, width in SIZES:
        image = np.asarray(photo.resize((width, height)))
        np.testing.assert_array_equal(squares(graph, image[None])[0], preprocessing(image))


@pytest.mark.parametrize("crop", [0.875, 0.9, 0.95, 1.0])
@pytest.mark.parametrize("size", [64, 260])
def test_any_crop_and_size(photo: Image.Image, crop: float, size: int) -> None:
    preprocessing = Preprocessing(size=size, crop=crop)
    graph = graph_of(preprocessing)
    rng = np.random.default_rng(0)
    for height, width in rng.integers(20, 700, (8, 2)).tolist():
        image = np.asarray(photo.resize((width, height)))
        np.testing.assert_array_equal(squares(graph, image[None])[0], preprocessing(image))


def test_several_images_at_once_are_what_each_is_alone(photo: Image.Image) -> None:
    graph = graph_of(Preprocessing(size=32))
    images = np.stack([np.asarray(photo.resize((90, 70)).rotate(turn)) for turn in range(17)])
    together = squares(graph, images)
    for image, square in zip(images, together, strict=True):
        np.testing.assert_array_equal(squares(graph, image[None])[0], square)


def test_the_older_pillow_makes_rows_shorter_first(photo: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tall picture is where both orders differ; before Pillow 13 there was one."""
    image = np.asarray(photo.resize((300, 1000)))
    preprocessing = Preprocessing(crop_mode="squash", interpolation="bilinear")
    monkeypatch.setattr(importlib.metadata, "version", lambda package: "12.1.0")
    found = squares(graph_of(preprocessing), image[None])[0]
    across = Image.fromarray(image).resize((224, 1000), Image.Resampling.BILINEAR)
    expected = np.asarray(across.resize((224, 224), Image.Resampling.BILINEAR)).astype(np.int64)
    np.testing.assert_array_equal(found, expected)
