from __future__ import annotations

from typing import Any

import pytest
import torch

from topwork.backbones import Backbone, load
from topwork.backbones.layers import Prefix, embed, evaluating, layers_of, tail_of

NETWORKS = ("resnet18", "mobilenet-v3-small", "vit_tiny_patch16_224", "densenet121", "convnext_atto")


@pytest.fixture(scope="module", params=NETWORKS)
def cut(request: pytest.FixtureRequest) -> tuple[Backbone, Any]:
    backbone = load(request.param, weights="random:1")
    return backbone, backbone.module()


def images(backbone: Backbone) -> torch.Tensor:
    side = backbone.preprocessing.size
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(3))


def test_every_parameter_is_in_one_stage_and_the_classifier_in_none(cut: tuple[Backbone, Any]) -> None:
    backbone, network = cut
    layers = layers_of(network, backbone)
    assert [name for name, _ in layers] == [stage.name for stage in backbone.stages]
    held = [id(value) for _, layer in layers for value in layer.parameters()]
    assert len(held) == len(set(held))
    classifier = {id(value) for value in network.get_classifier().parameters()}
    assert set(held) == {id(value) for value in network.parameters()} - classifier


def test_a_change_in_a_stage_changes_nothing_before_it(cut: tuple[Backbone, Any]) -> None:
    """The parameters of the third stage from the last move its map, and not the one before."""
    backbone, network = cut
    (_, layer), before, here = layers_of(network, backbone)[-3], backbone.stages[-4].name, backbone.stages[-3].name
    pixels = images(backbone)
    with torch.no_grad():
        first = {name: Prefix(network, name)(pixels).clone() for name in (before, here)}
        kept = [value.clone() for value in layer.parameters()]
        for value in layer.parameters():
            value.add_(0.05)
        second = {name: Prefix(network, name)(pixels).clone() for name in (before, here)}
        for value, old in zip(layer.parameters(), kept, strict=True):
            value.copy_(old)
    assert torch.equal(first[before], second[before])
    assert not torch.allclose(first[here], second[here], rtol=1e-3)


def test_prefix_and_tail_are_the_whole(cut: tuple[Backbone, Any]) -> None:
    backbone, network = cut
    pixels = images(backbone)
    for stage in backbone.stages[1:-1:2]:
        tail = tail_of(network, backbone, stage.name)
        assert tail is not None
        with torch.no_grad(), evaluating(network), evaluating(tail):
            found, expected = embed(tail, Prefix(network, stage.name)(pixels)), embed(network, pixels)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_tail_shares_what_it_trains(cut: tuple[Backbone, Any]) -> None:
    backbone, network = cut
    tail = tail_of(network, backbone, backbone.stages[-2].name)
    assert tail is not None
    own = {id(value) for value in (*network.parameters(), *network.buffers())}
    shared = [*tail.parameters(), *tail.buffers()]
    assert shared
    assert {id(value) for value in shared} <= own
    assert sum(value.numel() for value in tail.parameters()) < sum(value.numel() for value in network.parameters())


def test_a_network_that_is_no_chain_has_no_tail() -> None:
    """Xception's stages are cut inside its blocks, whose shortcuts lead round them."""
    backbone = load("xception41", weights="random").replace(size=96)
    assert tail_of(backbone.module(), backbone, backbone.stages[1].name) is None


def test_nothing_is_left_behind(cut: tuple[Backbone, Any]) -> None:
    backbone, network = cut
    network.train()
    layers_of(network, backbone)
    tail_of(network, backbone, backbone.stages[0].name)
    Prefix(network, backbone.stages[0].name)(images(backbone))
    assert all(module.training for module in network.modules())
    assert not any(module._forward_hooks for module in network.modules())
    network.eval()
