"""The networks of ``keras.applications`` whose files are read: what each is made of, and how it sees an image."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from topwork.backbones._keras import _names
from topwork.backbones._keras._names import Layer

Mode = Literal["caffe", "tf", "torch", "own"]

_TOPLESS = "-notop"


@dataclass(frozen=True)
class KerasRow:
    """One network as Keras builds it.

    Attributes:
        name: Ours: ``keras-`` and Keras's own.
        family: Networks of one design, which differ from timm's in the same way.
        base: timm's network that has the same layers.
        mode: How Keras's ``preprocess_input`` scales pixels: ``caffe`` takes ImageNet's mean from blue, green and red;
            ``tf`` goes from -1 to 1; ``torch`` takes mean and deviation; ``own`` is a layer of the network.
        size: Side of the image in pixels that it was made for.
        epsilon: Of every batch norm.
        layers: Gives its layers.
        width: Channels of its last convolution or norm, by which networks with the same layers are told apart.
        paper: Where it was published.
    """

    name: str
    family: str
    base: str
    mode: Mode
    size: int
    epsilon: float
    layers: Callable[[], Iterator[Layer]]
    width: int
    paper: str

    @property
    def topless(self) -> bool:
        """Whether it lacks the dense layers before the classifier; of VGG alone."""
        return self.name.endswith(_TOPLESS)


_DEEP = 1.001e-5  # what Keras gives ResNet and DenseNet
_USUAL = 1e-3  # what a batch norm of Keras has if nothing is said
_VGGS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
_RESNETS = {"50": (3, 4, 6, 3), "101": (3, 4, 23, 3), "152": (3, 8, 36, 3)}
_DENSENETS = {"121": (6, 12, 24, 16), "169": (6, 12, 32, 32), "201": (6, 12, 48, 32)}
_DENSE_WIDTHS = {"121": 1024, "169": 1664, "201": 1920}
_BS = ((1.0, 224, 1280), (1.1, 240, 1280), (1.2, 260, 1408), (1.4, 300, 1536), (1.8, 380, 1792), (2.2, 456, 2048))
_LARGE_BS = ((2.6, 528, 2304), (3.1, 600, 2560))


def _vggs() -> Iterator[KerasRow]:
    for name, depths in _VGGS.items():
        for top in (True, False):
            layers = functools.partial(_names.vgg, depths, top=top)
            own = f"keras-{name}{'' if top else _TOPLESS}"
            yield KerasRow(own, "vgg", name, "caffe", 224, _USUAL, layers, 4096 if top else 512, "arXiv 1409.1556")


def _resnets() -> Iterator[KerasRow]:
    for size, depths in _RESNETS.items():
        first, second = functools.partial(_names.resnet, depths), functools.partial(_names.resnet_v2, depths)
        name, base = f"keras-resnet{size}", f"resnet{size}"
        yield KerasRow(name, "resnet", base, "caffe", 224, _DEEP, first, 2048, "arXiv 1512.03385")
        name, base = f"keras-resnet{size}v2", f"resnetv2_{size}"
        yield KerasRow(name, "resnet-v2", base, "tf", 224, _DEEP, second, 2048, "arXiv 1603.05027")


def _densenets() -> Iterator[KerasRow]:
    for size, depths in _DENSENETS.items():
        layers, width = functools.partial(_names.densenet, depths), _DENSE_WIDTHS[size]
        name = f"densenet{size}"
        yield KerasRow(f"keras-{name}", "densenet", name, "torch", 224, _DEEP, layers, width, "arXiv 1608.06993")


def _efficientnets() -> Iterator[KerasRow]:
    for number, (depth, size, width) in enumerate((*_BS, *_LARGE_BS)):
        layers = functools.partial(_names.efficientnet, depth)
        name, base = f"keras-efficientnetb{number}", f"tf_efficientnet_b{number}"
        yield KerasRow(name, "efficientnet", base, "own", size, _USUAL, layers, width, "arXiv 1905.11946")


def _others() -> Iterator[KerasRow]:
    inception, xception, mobile = _names.inception_v3, _names.xception, _names.mobilenet
    yield KerasRow(
        "keras-inceptionv3", "inception", "inception_v3", "tf", 299, _USUAL, inception, 192, "arXiv 1512.00567"
    )
    yield KerasRow(
        "keras-xception", "xception", "legacy_xception", "tf", 299, _USUAL, xception, 2048, "arXiv 1610.02357"
    )
    yield KerasRow(
        "keras-mobilenet", "mobilenet", "mobilenetv1_100", "tf", 224, _USUAL, mobile, 1024, "arXiv 1704.04861"
    )
    v2 = _names.mobilenet_v2
    yield KerasRow(
        "keras-mobilenetv2", "mobilenet-v2", "mobilenetv2_100", "tf", 224, _USUAL, v2, 1280, "arXiv 1801.04381"
    )


ROWS = {row.name: row for rows in (_vggs(), _resnets(), _densenets(), _efficientnets(), _others()) for row in rows}


def keras_row(name: str) -> KerasRow | None:
    """The row of that name, as ours or as Keras's (``ResNet50V2``, ``mobilenet_v2``); None where there is none."""
    plain = name.strip().lower().removesuffix(_TOPLESS)
    known = {own.replace("-", "").replace("_", ""): row for own, row in ROWS.items()}
    topless = name.strip().lower().endswith(_TOPLESS)
    found = plain.partition(".")[0].removeprefix("keras").replace("-", "").replace("_", "").removeprefix("tf")
    return known.get(f"keras{found}{_TOPLESS.replace('-', '') if topless else ''}")
