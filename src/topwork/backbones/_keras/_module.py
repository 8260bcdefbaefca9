"""Keras's networks as torch modules: timm's, changed where Keras computes something else. Imports torch and timm."""

from __future__ import annotations

from typing import Any

import timm
import torch
from timm.layers.classifier import ClassifierHead
from timm.layers.create_conv2d import create_conv2d
from timm.layers.norm_act import BatchNormAct2d
from timm.layers.pool2d_same import create_pool2d
from timm.models.resnetv2 import PreActBottleneck
from torch import nn
from torch.nn import functional

from topwork.backbones._keras._rows import KerasRow

_SAME: dict[str, Any] = {"pad_type": "same"}  # TensorFlow's padding: what is odd goes to the end


class _EndPadded(nn.Conv2d):
    """A convolution of stride 2 that is padded at the end alone, whatever the map's size."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(functional.pad(input, (0, 1, 0, 1)))


class _Halving(PreActBottleneck):
    """The last block of a stage of ResNetV2, which halves the map; its shortcut takes every other place."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.conv1(self.norm1(x))
        inner = self.conv3(self.norm3(self.conv2(self.norm2(inner))))
        found: torch.Tensor = functional.max_pool2d(x, 1, 2) + inner
        return found


def create(row: KerasRow) -> nn.Module:
    """A network without its weights, as Keras computes it."""
    same = row.base.startswith(("mobilenet", "tf_efficientnet"))
    network: Any = timm.create_model(row.base, pretrained=False, **(_SAME if same else {}))
    if row.family in _CHANGES:  # the others are the same but for padding and epsilon
        _CHANGES[row.family](network)
    if row.topless:
        _without_top(network)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = row.epsilon
    network.pretrained_cfg = _settings(network, row)
    return network  # type: ignore[no-any-return]


def _settings(network: Any, row: KerasRow) -> dict[str, Any]:
    """What timm tells of a network, as far as it is Keras's."""
    told = dict(network.pretrained_cfg)
    plain = {"crop_pct": 0.875, "crop_mode": "center", "interpolation": "bilinear", "tag": "", "license": ""}
    return {**told, **plain, "input_size": (3, row.size, row.size), "fixed_input_size": False}


def _resnet(network: Any) -> None:
    """Biased convolutions; a stage halves its map in the first convolution, not in the second."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            _bias(module)
    for stage in (network.layer2, network.layer3, network.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)


def _resnet_v2(network: Any) -> None:
    """A biased stem with zeros around it, and stages that halve their map in the last block."""
    network.stem.pool = nn.Sequential(nn.ConstantPad2d(1, 0.0), nn.MaxPool2d(3, 2))
    _bias(network.stem.conv)
    for number, stage in enumerate(network.stages):
        first = stage.blocks[0]
        first.conv2.stride = first.downsample.conv.stride = (1, 1)
        _bias(first.downsample.conv)
        if number < len(network.stages) - 1:
            width = first.conv3.out_channels
            made: Any = {"conv_layer": create_conv2d, "norm_layer": BatchNormAct2d}
            stage.blocks[-1] = _Halving(width, width, stride=2, **made)
        for block in stage.blocks:
            _bias(block.conv3)
    for number, info in enumerate(network.feature_info[1:]):
        info["reduction"] = min(8 * 2**number, 32)


def _bias(convolution: nn.Conv2d) -> None:
    convolution.bias = nn.Parameter(torch.zeros(convolution.out_channels, device=convolution.weight.device))


def _xception(network: Any) -> None:
    """Pools padded as TensorFlow does."""
    for block in (network.block1, network.block2, network.block3, network.block12):
        block.rep[-1] = create_pool2d("max", 3, 2, padding="same")  # type: ignore[no-untyped-call]


def _inception(network: Any) -> None:
    """Averages of the places inside the map alone, where timm's count those of the padding too."""
    for name, module in network.named_modules():
        if name.endswith("branch_pool"):
            module.register_forward_pre_hook(_of_inside)


def _of_inside(module: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
    (averages,) = inputs
    inside = functional.avg_pool2d(torch.ones_like(averages[:1, :1]), 3, 1, 1)
    return (averages / inside,)


def _mobilenet(network: Any) -> None:
    """Depthwise convolutions of stride 2 are padded at the end alone."""
    for group in network.blocks:
        for block in group:
            if block.conv_dw.stride == (2, 2):
                width, device = block.conv_dw.in_channels, block.conv_dw.weight.device
                block.conv_dw = _EndPadded(width, width, 3, 2, groups=width, bias=False, device=device)


def _without_top(network: Any) -> None:
    """VGG that ends with its last map, whose mean is then its own pooled features."""
    width = network.num_features
    network.pre_logits = nn.Identity()
    network.head = ClassifierHead(width, network.num_classes, pool_type="avg")
    network.head_hidden_size = width


_CHANGES = {
    "resnet": _resnet,
    "resnet-v2": _resnet_v2,
    "xception": _xception,
    "inception": _inception,
    "mobilenet": _mobilenet,
}
