"""The default networks block by block, against timm's modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from topwork.backbones import Backbone, blocks_of, has_blocks, load, named_arrays
from topwork.engines import norm_shifts
from topwork.errors import BackboneError

LITE = ("lite0", "lite1", "lite2")


@pytest.mark.parametrize("alias", LITE)
def test_every_tensor_has_timms_name_and_numbers(alias: str) -> None:
    backbone = load(alias)
    found, expected = named_arrays(backbone), backbone.module().state_dict()
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())


@pytest.mark.parametrize("alias", LITE)
def test_the_blocks_are_timms(alias: str) -> None:
    """Each convolution, in the order of running: its numbers, its stride, its groups, and what follows it."""
    backbone = load(alias)
    network: Any = backbone.module()
    blocks = blocks_of(backbone)
    assert blocks is not None
    convolutions = [each for block in blocks for each in block.convolutions]
    theirs = [each for each in network.modules() if isinstance(each, torch.nn.Conv2d)]
    norms = [each for each in network.modules() if type(each).__name__ == "BatchNormAct2d"]
    for ours, conv, norm in zip(convolutions, theirs, norms, strict=True):
        np.testing.assert_array_equal(ours.kernel, conv.weight.numpy())
        assert (ours.stride, ours.depthwise) == (conv.stride[0], conv.groups > 1)
        assert ours.clipped == isinstance(norm.act, torch.nn.ReLU6)
        np.testing.assert_array_equal(ours.mean, norm.running_mean.numpy())
        np.testing.assert_allclose(ours.deviation, (norm.running_var + norm.eps).sqrt().numpy(), rtol=1e-6)
    residual = [block.has_skip for stage in network.blocks for block in stage]
    assert [block.residual for block in blocks] == [False, *residual, False]
    assert [block.stage for block in blocks if block.stage] == [stage.name for stage in backbone.stages]


def test_folding_is_convolution_and_norm_in_one(lite0: Backbone) -> None:
    network: Any = lite0.module()
    blocks = blocks_of(lite0)
    assert blocks is not None
    kernel, bias = (torch.from_numpy(each) for each in blocks[0].convolutions[0].folded)
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = network.bn1(network.conv_stem(images))
        found = torch.nn.functional.conv2d(torch.nn.functional.pad(images, (0, 1, 0, 1)), kernel, bias, 2).clamp(0, 6)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-5)


def test_other_networks_and_random_weights_have_none(resnet18: Backbone) -> None:
    for backbone in (resnet18, load("lite0", weights="random"), load("efficientnet-b0", weights="random")):
        assert not has_blocks(backbone)
        assert blocks_of(backbone) is None


# ---- weights from a file, such as a fine-tuned model's


def lite0_from(path: Path, **changes: Any) -> Backbone:
    state = {**load("lite0").module().state_dict(), **changes}
    save_file({name: value for name, value in state.items() if value is not None}, path)
    return load("lite0", weights=path)


def test_a_file_by_timms_names_is_read_as_torch_reads_it(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    backbone = lite0_from(tmp_path / "tuned.safetensors", **{"bn1.weight": torch.rand(32, generator=generator)})
    found, expected = named_arrays(backbone), backbone.module().state_dict()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor.numpy())
    assert has_blocks(backbone)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64])
def test_numbers_of_other_kinds_are_what_torch_makes_of_them(tmp_path: Path, kind: torch.dtype) -> None:
    weight = load("lite0").module().state_dict()["conv_stem.weight"].to(kind)
    backbone = lite0_from(tmp_path / "other.safetensors", **{"conv_stem.weight": weight})
    blocks = blocks_of(backbone)
    assert blocks is not None
    assert {blocks[0].convolutions[0].kernel.dtype, blocks[0].convolutions[0].folded[0].dtype} == {np.dtype(np.float32)}
    assert norm_shifts(backbone, np.zeros((1, 224, 224, 3), np.uint8)) is not None  # OpenVINO mixes no kinds
    expected = backbone.module().state_dict()["conv_stem.weight"].numpy()
    np.testing.assert_array_equal(named_arrays(backbone)["conv_stem.weight"].astype(np.float32), expected)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"bn1.weight": None}, r"network has bn1\.weight \(32,\), file has none"),
        ({"bn9.weight": torch.ones(3)}, r"file has bn9\.weight \(3,\), network has none"),
        (
            {"conv_head.weight": torch.ones(1280, 320)},
            r"conv_head\.weight: network \(1280, 320, 1, 1\), file \(1280, 3",
        ),
    ],
)
def test_wrong_shapes_get_the_same_diff_with_and_without_torch(
    tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    backbone = lite0_from(tmp_path / "wrong.safetensors", **changes)
    for build in (blocks_of, Backbone.module):
        with pytest.raises(BackboneError, match=complaint) as caught:
            build(backbone)
        assert "another architecture" in caught.value.hint


def test_a_classifier_of_another_size_does_not_matter(tmp_path: Path) -> None:
    changes = {"classifier.weight": torch.ones(3, 1280), "classifier.bias": None}
    assert blocks_of(lite0_from(tmp_path / "tuned.safetensors", **changes)) is not None


def test_fault_47_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    spoilt = lite0_from(tmp_path / "spoilt.safetensors", **{"bn2.bias": torch.full((1280,), torch.inf)})
    with pytest.raises(BackboneError, match=r"1 tensors contain NaN or infinity, such as bn2\.bias"):
        blocks_of(spoilt)


@pytest.mark.parametrize("content", [b"", b"\x08\0\0\0\0\0\0\0nonsense", bytes(100)])
def test_fault_47_a_spoilt_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "spoilt.safetensors").write_bytes(content)
    with pytest.raises(BackboneError, match=r"spoilt\.safetensors: not a readable \.safetensors file"):
        blocks_of(load("lite0", weights=tmp_path / "spoilt.safetensors"))


def test_fault_49_a_file_that_changed_since_is_refused(tmp_path: Path) -> None:
    backbone = lite0_from(tmp_path / "mine.safetensors")
    lite0_from(tmp_path / "mine.safetensors", **{"bn1.bias": torch.ones(32)})
    with pytest.raises(BackboneError, match="not the expected weights"):
        blocks_of(backbone)
