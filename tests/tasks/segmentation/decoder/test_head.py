"""A decoder in OpenVINO's operators is what torch computes, and that is segmentation-models-pytorch's own model."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch

from topwork.backbones import Backbone, load
from topwork.backbones.layers import Maps
from topwork.errors import BackboneError, ModelError
from topwork.tasks.segmentation.decoder import DecoderHead, DecoderSpec, Design, torch_decoder
from topwork.tasks.segmentation.decoder._module import TorchDecoder
from topwork.tasks.segmentation.network import head_from

DESIGNS: tuple[Design, ...] = ("unet", "unet++", "fpn", "deeplabv3+", "segformer")
SIZE = 96


@pytest.fixture(scope="module")
def lite0() -> Backbone:
    return load("lite0", size=SIZE)


def trained(spec: DecoderSpec) -> TorchDecoder:
    """Random numbers in its norms too, as after some training."""
    torch.manual_seed(0)
    module = torch_decoder(spec)
    for norm in module.modules():
        if isinstance(norm, torch.nn.BatchNorm2d | torch.nn.GroupNorm):
            torch.nn.init.normal_(norm.weight, 1, 0.2)
            torch.nn.init.normal_(norm.bias, 0, 0.2)
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_mean.normal_(0, 0.2)  # type: ignore[union-attr]
            norm.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    return module.eval()


@pytest.fixture(scope="module")
def unet(lite0: Backbone) -> DecoderHead:
    return DecoderHead.from_module(trained(DecoderSpec.of(lite0, 2, border=True, width=32)))


LIBRARY: dict[Design, Any] = {
    "unet": lambda: smp.Unet("tu-tf_efficientnet_lite0", encoder_weights=None, decoder_channels=(32, 16, 16, 16, 16)),
    "unet++": lambda: smp.UnetPlusPlus(
        "tu-tf_efficientnet_lite0", encoder_weights=None, decoder_channels=(32, 16, 16, 16, 16)
    ),
    "fpn": lambda: smp.FPN(
        "tu-tf_efficientnet_lite0", encoder_weights=None, decoder_pyramid_channels=32, decoder_segmentation_channels=32
    ),
}


@pytest.mark.parametrize("design", LIBRARY)
def test_the_network_is_the_librarys_own_with_the_same_weights(design: Design, lite0: Backbone) -> None:
    library = LIBRARY[design]().eval()
    spec = DecoderSpec.of(lite0, 2, design, width=32, refine=design == "unet")
    ours, network = trained(spec), lite0.module()
    library.encoder.model.load_state_dict(network.state_dict(), strict=False)
    given = ours.state_dict()
    library.decoder.load_state_dict(ours.decoder.state_dict())
    last = library.segmentation_head[0]
    last.weight.data, last.bias.data = given["head.weight"][:1], given["head.bias"][:1]
    images = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = ours(Maps(network, spec.stages)(images))[:, :1]
        expected = last(library.decoder(library.encoder(images)))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("design", "name"),
    [
        *((design, "lite0") for design in DESIGNS),
        ("unet", "convnext-tiny"),
        ("deeplabv3+", "vit-s16"),
        ("fpn", "vit-s16"),
    ],
)
def test_without_torch_it_gives_the_same(design: Design, name: str) -> None:
    """Also of a size that is no multiple of the strides, of maps from stride 4 on, and of tokens."""
    size = 224 if name == "vit-s16" else 72
    backbone = load(name, weights="pretrained" if name == "lite0" else "random", size=size)
    spec = DecoderSpec.of(backbone, 3, design, width=32, border=True)
    module = trained(spec)
    features = torch.randn(2, spec.n_features, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = module(features).numpy()
    head = DecoderHead.from_module(module)
    found = head.logits(features.numpy())
    assert found.shape == (2, spec.channels, spec.side, spec.side) == expected.shape
    assert np.abs(found - expected).max() < 1e-3 * np.abs(expected).max()
    alone = head.logits(features.numpy()[:1])
    assert np.abs(alone - found[:1]).max() < 1e-4 * np.abs(expected).max()


def test_it_is_saved_and_found_again(unet: DecoderHead) -> None:
    features = np.random.default_rng(0).normal(size=(1, unet.spec.n_features)).astype(np.float32)
    again = head_from(unet.to_tensors(), unet.spec.to_dict())
    assert isinstance(again, DecoderHead)
    assert again.spec == unet.spec
    expected = unet.logits(features)
    assert again.logits(features).tobytes() == expected.tobytes()
    assert pickle.loads(pickle.dumps(unet)).logits(features).tobytes() == expected.tobytes()
    back = DecoderHead.from_module(unet.to_module())
    assert all(back.arrays[name].tobytes() == array.tobytes() for name, array in unet.arrays.items())


KERNEL, MEAN = "decoder.blocks.0.conv1.0.weight", "decoder.blocks.0.conv1.1.running_mean"
VARIANCE = "decoder.blocks.0.conv1.1.running_var"


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({KERNEL: None}, "missing"),
        ({"payload": np.zeros(3, np.float32)}, "payload not expected"),
        ({KERNEL: np.zeros((32, 5, 3, 3), np.float32)}, "do not fit"),
        ({KERNEL: np.zeros((32, 432), np.float32)}, "4 axes"),
        ({MEAN: np.full(32, np.nan, np.float32)}, "NaN"),
        ({MEAN: np.zeros(31, np.float32)}, "not as many"),
        ({MEAN: np.zeros(32, np.float64)}, "float32"),
        ({VARIANCE: np.full(32, -1, np.float32)}, "negative"),
        ({"head.weight": np.zeros((7, 16, 3, 3), np.float32), "head.bias": np.zeros(7, np.float32)}, "gives 7"),
    ],
)
def test_damaged_numbers_are_refused(unet: DecoderHead, changed: dict[str, Any], complaint: str) -> None:
    arrays = {name: array for name, array in {**unet.arrays, **changed}.items() if array is not None}
    with pytest.raises(ModelError, match=complaint):
        head_from(arrays, unet.spec.to_dict())


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"design": "resnet"}, "design"),
        ({"width": 40}, "multiple of 32"),
        ({"width": 10**6}, "width"),
        ({"size": True}, "size"),
        ({"n_classes": 1}, "n_classes"),
        ({"border": 1}, "design"),
        ({"stages": ["a", "a", "b", "c", "d"]}, "each stage once"),
        ({"stages": ["a"], "widths": [1], "strides": [8]}, "reads 5 maps"),
        ({"strides": [2, 4, 8, 16, 64]}, "strides"),
        ({"strides": [2, 4, 8, 16, 0]}, "strides"),
        ({"widths": [1, 2, 3, 4, 0]}, "widths"),
        ({"design": "fpn", "refine": True}, "U-Net"),
        ({"depth": 3}, "not as expected"),
        ({"stages": 5}, "not as expected"),
    ],
)
def test_a_wrong_spec_is_refused(unet: DecoderHead, changed: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        DecoderSpec.from_dict({**unet.spec.to_dict(), **changed})


def test_what_it_cannot_read_is_refused(unet: DecoderHead, lite0: Backbone) -> None:
    with pytest.raises(ModelError, match=f"reads {unet.spec.n_features} features"):
        unet.logits(np.zeros((1, 5), np.float32))
    other = DecoderSpec.of(lite0, 2, border=True, width=64)
    with pytest.raises(ModelError, match="do not fit"):
        DecoderHead(other, {**unet.arrays, "head.weight": np.zeros((3, 32, 3, 3), np.float32)})
    with pytest.raises(BackboneError, match="no maps for unet at 16"):
        DecoderSpec.of(lite0.replace(size=16), 2)
    with pytest.raises(ModelError, match="expected unet"):
        DecoderSpec.of(lite0, 2, "transformer")  # type: ignore[arg-type]
