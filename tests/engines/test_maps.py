"""Whole maps as features: what each engine gives is torch's, and they come from the cache like any other output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from topwork.backbones import Backbone, load
from topwork.data import ImageDataset
from topwork.engines import EngineChoice, open_engine
from topwork.errors import BackboneError
from topwork.features import extract

RANDOM = "random:3"


@pytest.mark.parametrize(
    ("name", "weights", "stages", "size"),
    [
        ("lite0", "pretrained", ("blocks.2", "blocks.4", "blocks.6"), 160),
        ("resnet18", RANDOM, ("layer2", "layer4"), 100),  # 100 is no multiple of a stride
        ("vit_tiny_patch16_224", RANDOM, ("blocks.11",), 224),
    ],
)
def test_maps_are_torchs(name: str, weights: str, stages: tuple[str, ...], size: int) -> None:
    backbone = load(name, weights=weights, size=size)
    images = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), np.uint8)
    outputs = (*backbone.maps(stages), "embedding")
    expected = open_engine(backbone, outputs, EngineChoice("torch-cpu", "f32"))(images)
    assert expected.shape == (3, sum(map(backbone.width, outputs)))
    for many in (1, 3):
        found = open_engine(backbone, outputs, EngineChoice("openvino", "f32"), images=many)(images[:many])
        np.testing.assert_allclose(found, expected[:many], atol=2e-3 * np.abs(expected).max())


def test_a_row_is_the_map_channel_by_channel(lite0: Backbone) -> None:
    images = np.random.default_rng(1).integers(0, 256, (2, 224, 224, 3), np.uint8)
    choice = EngineChoice("openvino", "f32")
    rows = open_engine(lite0, lite0.maps(["blocks.4"]), choice)(images)
    pooled = open_engine(lite0, ("blocks.4/mean", "blocks.4/max"), choice)(images)
    maps = rows.reshape(2, 112, 14, 14)
    np.testing.assert_allclose(np.hstack([maps.mean((2, 3)), maps.max((2, 3))]), pooled, rtol=1e-3, atol=1e-4)


def test_they_are_kept(lite0: Backbone, photos: list[Path], empty_cache: Path) -> None:
    dataset = ImageDataset(
        photos[0].parent,
        tuple(photo.name for photo in photos[:3]),
        np.array([""] * 3, "<U5"),
        labels=np.zeros(3, np.int32),
        classes=("photo",),
    )
    outputs = lite0.maps(["blocks.2", "blocks.4"])
    first, again = (extract(dataset, lite0, outputs=outputs) for _ in range(2))
    assert first.values.shape == (3, 40 * 28 * 28 + 112 * 14 * 14)
    np.testing.assert_array_equal(first.values, again.values)
    assert first.columns(outputs[1:]).shape == (3, 112 * 14 * 14)


def test_what_is_no_stage_has_no_map(lite0: Backbone) -> None:
    with pytest.raises(BackboneError, match=r"no stage 'blocks\.9'"):
        lite0.maps(["blocks.9"])
    with pytest.raises(BackboneError, match="no output 'embedding/map'"):
        lite0.width("embedding/map")
