"""The head in torch: what it gives for which spec, and that it learns each level's norms by itself."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from topwork.backbones import load
from topwork.errors import BackboneError, ModelError
from topwork.tasks.detection.network import HeadSpec, torch_head

SMALL = HeadSpec(("a", "b"), (8, 12), (8, 16), 100, n_classes=3, channels=8, depth=1)


@pytest.mark.parametrize("layers", ["plain", "separable"])
@pytest.mark.parametrize(("extra", "centreness"), [(0, True), (2, False)])
def test_every_place_is_told_of(layers: str, extra: int, centreness: bool) -> None:
    spec = replace(SMALL, layers=layers, extra=extra, centreness=centreness)
    found = torch_head(spec)(torch.randn(2, spec.n_features))
    assert found.logits.shape == (2, spec.n_points, 3)
    assert found.distances.shape == (2, spec.n_points, 4)
    assert (found.distances >= 0).all()
    assert (found.centreness is not None) == centreness
    assert spec.points.shape == (spec.n_points, 3)


def test_rows_are_the_maps() -> None:
    head = torch_head(SMALL).eval()
    maps = [torch.randn(2, 8, 13, 13), torch.randn(2, 12, 7, 7)]
    rows = torch.cat([each.flatten(1) for each in maps], 1)
    torch.testing.assert_close(head(rows), head(maps))


def test_places_are_the_middles_of_their_cells() -> None:
    levels = replace(SMALL, size=16, strides=(8, 16), extra=0)
    np.testing.assert_array_equal(levels.points, [[4, 4, 8], [12, 4, 8], [4, 12, 8], [12, 12, 8], [8, 8, 16]])


@pytest.mark.parametrize(
    ("name", "size", "stages", "strides"),
    [
        ("lite0", 320, ("blocks.2", "blocks.4", "blocks.6"), (8, 16, 32)),
        ("resnet18", 320, ("layer2", "layer3", "layer4"), (8, 16, 32)),
        ("mobilenet-v3-small", 320, ("blocks.1", "blocks.3", "blocks.4"), (8, 16, 32)),
        ("vit-s16", 224, ("blocks.11",), (16,)),
        ("dinov2-s", 224, ("blocks.11",), (14,)),
    ],
)
def test_which_maps_are_read(name: str, size: int, stages: tuple[str, ...], strides: tuple[int, ...]) -> None:
    backbone = load(name, weights="random:0", size=size)
    spec = HeadSpec.of(backbone, 2, channels=16)
    assert (spec.stages, spec.strides) == (stages, strides)
    assert spec.n_features == sum(map(backbone.width, backbone.maps(stages)))
    assert HeadSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_a_backbone_without_a_fine_map_is_refused() -> None:
    with pytest.raises(BackboneError, match="no map for a detector at 16 pixels"):
        HeadSpec.of(load("lite0", size=16), 2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_classes": 0},
        {"channels": 4},
        {"depth": 1.5},
        {"extra": 3},
        {"layers": "deep"},
        {"centreness": 1},
        {"stages": ("a",)},
        {"stages": ("a", "a")},
        {"stages": (), "widths": (), "strides": ()},
        {"widths": (8, 0)},
        {"strides": (16, 8)},
        {"strides": (8, 512)},
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        replace(SMALL, **wrong)


def test_fields_of_a_file_are_checked() -> None:
    fields = SMALL.to_dict()
    for broken in ({**fields, "new": 1}, {**fields, "stages": 3}, {name: fields[name] for name in list(fields)[:-6]}):
        with pytest.raises(ModelError, match="not as expected"):
            HeadSpec.from_dict(broken)
