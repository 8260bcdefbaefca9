from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from topwork.backbones import Backbone, load
from topwork.backbones._network import watched
from topwork.backbones.layers import PooledStages
from topwork.engines import EngineChoice, open_engine

Pixels = Callable[..., Any]


def noise(backbone: Backbone) -> torch.Tensor:
    side = backbone.preprocessing.size
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(7))


def hooks(network: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in network.modules())


def pooled(backbone: Backbone, images: torch.Tensor) -> tuple[PooledStages, dict[str, torch.Tensor]]:
    """Every output there is, twins included."""
    outputs = (*backbone.outputs([stage.name for stage in backbone.stages]), "embedding")
    stages = PooledStages(backbone, outputs).eval()
    with torch.no_grad():
        return stages, dict(zip(outputs, stages(images), strict=True))


def require_equal_to_timm(backbone: Backbone) -> None:
    """``forward_intermediates`` is timm's own way to a network's maps; it hands over (N, C, H, W) of any network."""
    images = noise(backbone)
    stages, outputs = pooled(backbone, images)
    network = stages.network
    with torch.no_grad():
        maps = network.forward_intermediates(images, intermediates_only=True, norm=False)
        embedding = network.forward_head(network.forward_features(images), pre_logits=True)
    names = [entry["module"] for entry in network.feature_info]
    assert len(names) == len(maps)
    for name, expected in zip(names, maps, strict=True):
        assert expected.ndim == 4
        torch.testing.assert_close(outputs[f"{name}/mean"], expected.mean((2, 3)), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(outputs[f"{name}/max"], expected.amax((2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(outputs["embedding"], embedding)
    assert all(value.shape == (2, backbone.width(name)) for name, value in outputs.items())


def test_the_stages_are_timms_maps_pooled(resnet18: Backbone) -> None:
    require_equal_to_timm(resnet18)


def test_a_vits_class_token_is_in_no_stage(vit_tiny: Backbone) -> None:
    require_equal_to_timm(vit_tiny)


def test_two_special_tokens_are_in_no_stage() -> None:
    require_equal_to_timm(load("deit_tiny_distilled_patch16_224", weights="random"))


@pytest.mark.parametrize("name", ["mambaout_femto", "levit_128s"])
def test_other_families_stages(name: str) -> None:
    require_equal_to_timm(load(name, weights="random"))


def test_channels_last_maps_are_turned() -> None:
    require_equal_to_timm(load("swin_tiny_patch4_window7_224", weights="random"))


@pytest.mark.slow
def test_channels_last_maps_are_turned_where_they_are_as_wide_as_high() -> None:
    """At 384 pixels Swin-T's first map is 96 x 96 x 96, so its shape does not tell where the channels stand."""
    require_equal_to_timm(load("swin_tiny_patch4_window7_224", weights="random", size=384))


def test_lite0s_stages_are_its_modules_outputs(lite0: Backbone) -> None:
    """timm's own list is shorter, so this runs the blocks one by one."""
    images = noise(lite0)
    stages, outputs = pooled(lite0, images)
    network = stages.network
    with torch.no_grad():
        value = network.bn1(network.conv_stem(images))
        maps = {"bn1": value}
        for index, block in enumerate(network.blocks):
            value = maps[f"blocks.{index}"] = block(value)
        maps["bn2"] = network.bn2(network.conv_head(value))
    assert list(maps) == [stage.name for stage in lite0.stages]
    for stage in lite0.stages:
        expected = maps[stage.name]
        assert expected.shape[1:3] == (stage.channels, 224 // stage.stride)
        torch.testing.assert_close(outputs[f"{stage.name}/mean"], expected.mean((2, 3)), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(outputs[f"{stage.name}/max"], expected.amax((2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(outputs["embedding"], outputs["bn2/mean"])


def test_the_network_is_frozen_and_evaluating(lite0: Backbone) -> None:
    network = lite0.module()
    assert not network.training
    assert not any(value.requires_grad for value in network.parameters())
    assert {value.dtype for value in network.parameters()} == {torch.float32}


def test_the_hooks_are_gone_after_a_call_and_after_one_that_raised(resnet18: Backbone) -> None:
    stages, _ = pooled(resnet18, noise(resnet18))
    assert hooks(stages.network) == 0
    with pytest.raises(RuntimeError):
        stages(torch.zeros(1, 5, 64, 64))  # five channels
    assert hooks(stages.network) == 0


def test_the_hooks_are_gone_when_the_body_raises(resnet18: Backbone) -> None:
    network = resnet18.module()

    def body() -> None:
        with watched(network, ["layer1", "layer2"], lambda name, maps: None):
            assert hooks(network) == 2
            raise KeyError

    with pytest.raises(KeyError):
        body()
    assert hooks(network) == 0


# ---- a ViT at another size


@pytest.fixture(scope="module")
def vit_file(vit_tiny: Backbone, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """At its own size of 224 pixels, 14 x 14 patches; the position embedding is made smooth, as training leaves it."""
    state = dict(vit_tiny.module().state_dict())
    steps = torch.linspace(0, 3, 14)
    waves = torch.stack([torch.sin(steps[:, None] + k) * torch.cos(steps[None, :] * k / 64) for k in range(192)], -1)
    state["pos_embed"] = torch.cat([torch.full((1, 1, 192), 5.0), waves.reshape(1, 196, 192)], 1)
    path = tmp_path_factory.mktemp("vit") / "vit.safetensors"
    save_file(state, path)
    return path


def test_a_vit_at_another_size_has_its_position_embedding_resampled(vit_file: Path) -> None:
    original = load("vit_tiny_patch16_224", weights=vit_file).module().state_dict()["pos_embed"]
    resampled = load("vit_tiny_patch16_224", weights=vit_file, size=160).module().state_dict()["pos_embed"]
    assert resampled.shape == (1, 1 + 10 * 10, 192)
    torch.testing.assert_close(resampled[:, 0], original[:, 0])  # the class token has no place
    grid = original[0, 1:].reshape(14, 14, 192).numpy()
    found = resampled[0, 1:].reshape(10, 10, 192).numpy()
    centres = (np.arange(10) + 0.5) * 1.4 - 0.5  # of the new patches, in steps of the old
    low = np.floor(centres).astype(int)
    share = (centres - low)[:, None]
    rows = grid[low] * (1 - share[:, None]) + grid[np.minimum(low + 1, 13)] * share[:, None]
    expected = rows[:, low] * (1 - share) + rows[:, np.minimum(low + 1, 13)] * share
    np.testing.assert_allclose(found, expected, atol=0.1)  # by hand and linear; timm's is cubic
    assert np.abs(found - found.transpose(1, 0, 2)).max() > 0.5  # so rows and columns are not interchanged


def test_a_vit_at_another_size_gives_the_same_features_in_both_engines(vit_file: Path, pixels: Pixels) -> None:
    backbone = load("vit_tiny_patch16_224", weights=vit_file, size=160)
    assert (backbone.stages[0].stride, backbone.preprocessing.size) == (16, 160)
    images = pixels(backbone)
    outputs = backbone.outputs("all")
    fast = open_engine(backbone, outputs, EngineChoice("openvino", "f32"))(images)
    reference = open_engine(backbone, outputs, EngineChoice("torch-cpu", "f32"))(images)
    np.testing.assert_allclose(fast, reference, rtol=1e-3, atol=1e-3 * np.abs(reference).mean())
