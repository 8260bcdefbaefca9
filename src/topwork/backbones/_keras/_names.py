"""Which of Keras's layers become which modules of our networks: by name, nearest the pixels first.

Keras's names are those of ``keras.applications``; ours are timm's. A layer that Keras numbers by itself (``conv2d_17``)
is called by its place among those of its kind: ``conv2d#0`` is the first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["conv", "depthwise", "separable", "norm", "dense", "dense-conv", "conv-dense", "flat"]


@dataclass(frozen=True)
class Layer:
    """One layer with numbers.

    Attributes:
        theirs: Keras's name of it.
        ours: The module, or for ``separable`` what its two modules' names begin with.
        kind: How its arrays lie: ``dense-conv`` is a dense layer that ours has as a 1x1 convolution, ``conv-dense`` the
            other way round, ``flat`` a dense layer on a map that was flattened row by row.
        head: Whether it belongs to the classifier, which a file may lack.
    """

    theirs: str
    ours: str
    kind: Kind
    head: bool = False


_RESIDUAL = (("1_conv", "conv1", "1_bn", "bn1"), ("2_conv", "conv2", "2_bn", "bn2"), ("3_conv", "conv3", "3_bn", "bn3"))
_EXPANDED = (("expand", "conv_pw", "bn1"), ("depthwise", "conv_dw", "bn2"), ("project", "conv_pwl", "bn3"))
_PLAIN = (("depthwise", "conv_dw", "bn1"), ("project", "conv_pw", "bn2"))
_B_DEPTHS = (1, 2, 2, 3, 3, 4, 1)  # blocks of EfficientNet-B0's stages


def vgg(depths: tuple[int, ...], *, top: bool) -> Iterator[Layer]:
    """VGG: plain convolutions, and two dense layers that read the last map where there is a ``top``."""
    place = 0
    for block, depth in enumerate(depths, start=1):
        for index in range(1, depth + 1):
            yield Layer(f"block{block}_conv{index}", f"features.{place}", "conv")
            place += 2
        place += 1
    if top:
        yield Layer("fc1", "pre_logits.fc1", "flat")
        yield Layer("fc2", "pre_logits.fc2", "dense-conv")
    yield Layer("predictions", "head.fc", "dense", head=True)


def resnet(depths: tuple[int, ...]) -> Iterator[Layer]:
    """ResNet as Keras has it first: biased convolutions, each with a norm behind it."""
    yield Layer("conv1_conv", "conv1", "conv")
    yield Layer("conv1_bn", "bn1", "norm")
    for stage, depth in enumerate(depths):
        for block in range(depth):
            theirs, ours = f"conv{stage + 2}_block{block + 1}", f"layer{stage + 1}.{block}"
            if block == 0:
                yield Layer(f"{theirs}_0_conv", f"{ours}.downsample.0", "conv")
                yield Layer(f"{theirs}_0_bn", f"{ours}.downsample.1", "norm")
            for conv, our_conv, norm, our_norm in _RESIDUAL:
                yield Layer(f"{theirs}_{conv}", f"{ours}.{our_conv}", "conv")
                yield Layer(f"{theirs}_{norm}", f"{ours}.{our_norm}", "norm")
    yield Layer("predictions", "fc", "dense", head=True)


def resnet_v2(depths: tuple[int, ...]) -> Iterator[Layer]:
    """ResNetV2: a norm before every convolution."""
    yield Layer("conv1_conv", "stem.conv", "conv")
    for stage, depth in enumerate(depths):
        for block in range(depth):
            theirs, ours = f"conv{stage + 2}_block{block + 1}", f"stages.{stage}.blocks.{block}"
            yield Layer(f"{theirs}_preact_bn", f"{ours}.norm1", "norm")
            if block == 0:
                yield Layer(f"{theirs}_0_conv", f"{ours}.downsample.conv", "conv")
            yield Layer(f"{theirs}_1_conv", f"{ours}.conv1", "conv")
            yield Layer(f"{theirs}_1_bn", f"{ours}.norm2", "norm")
            yield Layer(f"{theirs}_2_conv", f"{ours}.conv2", "conv")
            yield Layer(f"{theirs}_2_bn", f"{ours}.norm3", "norm")
            yield Layer(f"{theirs}_3_conv", f"{ours}.conv3", "conv")
    yield Layer("post_bn", "norm", "norm")
    yield Layer("predictions", "head.fc", "dense-conv", head=True)


def densenet(depths: tuple[int, ...]) -> Iterator[Layer]:
    """DenseNet: each layer reads all before it; a transition between the blocks."""
    yield Layer("conv1_conv", "features.conv0", "conv")
    yield Layer("conv1_bn", "features.norm0", "norm")
    for block, depth in enumerate(depths):
        for index in range(1, depth + 1):
            theirs, ours = f"conv{block + 2}_block{index}", f"features.denseblock{block + 1}.denselayer{index}"
            yield Layer(f"{theirs}_0_bn", f"{ours}.norm1", "norm")
            yield Layer(f"{theirs}_1_conv", f"{ours}.conv1", "conv")
            yield Layer(f"{theirs}_1_bn", f"{ours}.norm2", "norm")
            yield Layer(f"{theirs}_2_conv", f"{ours}.conv2", "conv")
        if block < len(depths) - 1:
            yield Layer(f"pool{block + 2}_bn", f"features.transition{block + 1}.norm", "norm")
            yield Layer(f"pool{block + 2}_conv", f"features.transition{block + 1}.conv", "conv")
    yield Layer("bn", "features.norm5", "norm")
    yield Layer("predictions", "classifier", "dense", head=True)


def mobilenet() -> Iterator[Layer]:
    """MobileNet: depthwise and pointwise convolutions by turns."""
    yield Layer("conv1", "conv_stem", "conv")
    yield Layer("conv1_bn", "bn1", "norm")
    places = [(group, index) for group, depth in enumerate((1, 2, 2, 6, 2)) for index in range(depth)]
    for number, (group, index) in enumerate(places, start=1):
        ours = f"blocks.{group}.{index}"
        yield Layer(f"conv_dw_{number}", f"{ours}.conv_dw", "depthwise")
        yield Layer(f"conv_dw_{number}_bn", f"{ours}.bn1", "norm")
        yield Layer(f"conv_pw_{number}", f"{ours}.conv_pw", "conv")
        yield Layer(f"conv_pw_{number}_bn", f"{ours}.bn2", "norm")
    yield Layer("conv_preds", "classifier", "conv-dense", head=True)


def mobilenet_v2() -> Iterator[Layer]:
    """MobileNetV2: inverted residuals."""
    yield Layer("Conv1", "conv_stem", "conv")
    yield Layer("bn_Conv1", "bn1", "norm")
    places = [(group, index) for group, depth in enumerate((1, 2, 3, 4, 3, 3, 1)) for index in range(depth)]
    for number, (group, index) in enumerate(places):
        prefix = f"block_{number}_" if number else "expanded_conv_"
        for theirs, conv, norm in _EXPANDED if number else _PLAIN:
            kind: Kind = "depthwise" if theirs == "depthwise" else "conv"
            yield Layer(f"{prefix}{theirs}", f"blocks.{group}.{index}.{conv}", kind)
            yield Layer(f"{prefix}{theirs}_BN", f"blocks.{group}.{index}.{norm}", "norm")
    yield Layer("Conv_1", "conv_head", "conv")
    yield Layer("Conv_1_bn", "bn2", "norm")
    yield Layer("predictions", "classifier", "dense", head=True)


def efficientnet(depth: float) -> Iterator[Layer]:
    """EfficientNet-B0, or one that is ``depth`` times as deep."""
    yield Layer("stem_conv", "conv_stem", "conv")
    yield Layer("stem_bn", "bn1", "norm")
    for stage, count in enumerate(_B_DEPTHS):
        for index in range(math.ceil(count * depth)):
            theirs, ours = f"block{stage + 1}{chr(ord('a') + index)}_", f"blocks.{stage}.{index}."
            yield from _squeezed(theirs, ours, expands=stage > 0)
    yield Layer("top_conv", "conv_head", "conv")
    yield Layer("top_bn", "bn2", "norm")
    yield Layer("predictions", "classifier", "dense", head=True)


def _squeezed(theirs: str, ours: str, *, expands: bool) -> Iterator[Layer]:
    """An inverted residual with squeeze-and-excitation."""
    first = 1
    if expands:
        yield Layer(f"{theirs}expand_conv", f"{ours}conv_pw", "conv")
        yield Layer(f"{theirs}expand_bn", f"{ours}bn1", "norm")
        first = 2
    yield Layer(f"{theirs}dwconv", f"{ours}conv_dw", "depthwise")
    yield Layer(f"{theirs}bn", f"{ours}bn{first}", "norm")
    yield Layer(f"{theirs}se_reduce", f"{ours}se.conv_reduce", "conv")
    yield Layer(f"{theirs}se_expand", f"{ours}se.conv_expand", "conv")
    yield Layer(f"{theirs}project_conv", f"{ours}conv_pw{'l' if expands else ''}", "conv")
    yield Layer(f"{theirs}project_bn", f"{ours}bn{first + 1}", "norm")


def xception() -> Iterator[Layer]:
    """Xception: separable convolutions, with shortcuts whose layers Keras numbers by itself."""
    for number in (1, 2):
        yield Layer(f"block1_conv{number}", f"conv{number}", "conv")
        yield Layer(f"block1_conv{number}_bn", f"bn{number}", "norm")
    shortcuts = 0
    for block in range(1, 13):
        if block in (1, 2, 3, 12):
            yield Layer(f"conv2d#{shortcuts}", f"block{block}.skip", "conv")
            yield Layer(f"batch_normalization#{shortcuts}", f"block{block}.skipbn", "norm")
            shortcuts += 1
        for index in range(3 if 4 <= block <= 11 else 2):
            place = 3 * index + (block > 1)  # the first block does not begin with a ReLU
            yield Layer(f"block{block + 1}_sepconv{index + 1}", f"block{block}.rep.{place}", "separable")
            yield Layer(f"block{block + 1}_sepconv{index + 1}_bn", f"block{block}.rep.{place + 1}", "norm")
    for number in (1, 2):
        yield Layer(f"block14_sepconv{number}", f"conv{number + 2}", "separable")
        yield Layer(f"block14_sepconv{number}_bn", f"bn{number + 2}", "norm")
    yield Layer("predictions", "fc", "dense", head=True)


_A = "1x1 5x5_1 5x5_2 3x3dbl_1 3x3dbl_2 3x3dbl_3 _pool"
_B = "3x3 3x3dbl_1 3x3dbl_2 3x3dbl_3"
_C = "1x1 7x7_1 7x7_2 7x7_3 7x7dbl_1 7x7dbl_2 7x7dbl_3 7x7dbl_4 7x7dbl_5 _pool"
_D = "3x3_1 3x3_2 7x7x3_1 7x7x3_2 7x7x3_3 7x7x3_4"
_E = "1x1 3x3_1 3x3_2a 3x3_2b 3x3dbl_1 3x3dbl_2 3x3dbl_3a 3x3dbl_3b _pool"
_MIXED = {
    **dict.fromkeys(("5b", "5c", "5d"), _A),
    "6a": _B,
    **dict.fromkeys(("6b", "6c", "6d", "6e"), _C),
    "7a": _D,
    **dict.fromkeys(("7b", "7c"), _E),
}


def inception_v3() -> Iterator[Layer]:
    """InceptionV3, all of whose layers Keras numbers in the order of their making."""
    stem = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
    mixed = [f"Mixed_{name}.branch{branch}" for name, branches in _MIXED.items() for branch in branches.split()]
    for number, ours in enumerate((*stem, *mixed)):
        yield Layer(f"conv2d#{number}", f"{ours}.conv", "conv")
        yield Layer(f"batch_normalization#{number}", f"{ours}.bn", "norm")
    yield Layer("predictions", "fc", "dense", head=True)
