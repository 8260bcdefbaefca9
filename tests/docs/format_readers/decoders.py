"""The five decoders: from the backbone's maps to logits of a grid."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import layers

STRIDES = {
    "unet": (2, 4, 8, 16, 32),
    "unet++": (2, 4, 8, 16, 32),
    "fpn": (4, 8, 16, 32),
    "deeplabv3+": (4, 16),
    "segformer": (4, 8, 16, 32),
}
Spec = Mapping[str, Any]
Tensors = Mapping[str, Any]


def sides(spec: Spec) -> list[int]:
    """Rows of each map as the decoder takes it, the finest first."""
    wanted, own = STRIDES[spec["design"]], [math.ceil(spec["size"] / each) for each in spec["strides"]]
    base = own[-1]
    if len(set(spec["strides"])) == 1 and spec["design"] != "deeplabv3+":
        base = math.ceil(base / 2)
    return [base * wanted[-1] // each for each in wanted[-len(own) :]]


def finest(spec: Spec) -> int:
    """Rows of the grid that is told."""
    return sides(spec)[0] * (2 if spec["refine"] or spec["design"] == "unet++" else 1)


def logits(maps: list[Any], spec: Spec, t: Tensors) -> Any:
    """(K, side, side)."""
    levels = [layers.bilinear(each, side) for each, side in zip(maps, sides(spec), strict=True)]
    design = {"unet": _unet, "unet++": _nested, "fpn": _fpn, "deeplabv3+": _deeplab, "segformer": _segformer}
    found = design[spec["design"]](levels[::-1], finest(spec), t)
    return layers.conv(found, t["head.weight"], t["head.bias"])


def _unet(levels: list[Any], side: int, t: Tensors) -> Any:
    x, skips, place = levels[0], levels[1:], 0
    while f"decoder.blocks.{place}.conv1.0.weight" in t:
        skip = skips[place : place + 1]
        x = _block(x, skip[0].shape[1] if skip else side, skip, t, f"decoder.blocks.{place}")
        place += 1
    return x


def _nested(levels: list[Any], side: int, t: Tensors) -> Any:
    """U-Net++: x[i, j] stands j - i + 1 steps behind the map i, and is as fine as the map j + 1."""
    last, x = len(levels) - 2, dict[tuple[int, int], Any]()
    for step in range(last + 1):
        for i in range(last + 1 - step):
            j = i + step
            below = levels[i] if i == j else x[i, j - 1]
            skips = [*(x[k, j] for k in range(i + 1, j + 1)), levels[j + 1]]
            x[i, j] = _block(below, levels[j + 1].shape[1], skips, t, f"decoder.blocks.x_{i}_{j}")
    return _block(x[0, last], side, [], t, f"decoder.blocks.x_0_{last + 1}")


def _block(x: Any, side: int, skips: list[Any], t: Tensors, name: str) -> Any:
    x = np.concatenate([layers.nearest(x, side), *skips])
    for each in ("conv1", "conv2"):
        x = _conv_norm(x, t, f"{name}.{each}.0", f"{name}.{each}.1")
    return x


def _conv_norm(x: Any, t: Tensors, kernel: str, norm: str) -> Any:
    return layers.relu(layers.norm(layers.conv(x, t[f"{kernel}.weight"]), t, norm))


def _fpn(levels: list[Any], side: int, t: Tensors) -> Any:
    p, total = layers.conv(levels[0], t["decoder.p5.weight"], t["decoder.p5.bias"]), 0
    for i in range(4):
        if i:
            name = f"decoder.p{5 - i}.skip_conv"
            skip = layers.conv(levels[i], t[f"{name}.weight"], t[f"{name}.bias"])
            p = layers.nearest(p, skip.shape[1]) + skip
        y = p
        for step in range(max(1, 3 - i)):
            name = f"decoder.seg_blocks.{i}.block.{step}.block"
            y = layers.relu(layers.group_norm(layers.conv(y, t[f"{name}.0.weight"]), t, f"{name}.1", 32))
            if i < 3:
                y = layers.bilinear(y, 2 * y.shape[1], corners=True)
        total = total + y
    return total


def _deeplab(levels: list[Any], side: int, t: Tensors) -> Any:
    coarse, fine = levels
    seen = [_conv_norm(coarse, t, "decoder.aspp.0.convs.0.0", "decoder.aspp.0.convs.0.1")]
    for place, rate in enumerate((12, 24, 36), start=1):
        name = f"decoder.aspp.0.convs.{place}"
        each = layers.conv(coarse, t[f"{name}.0.0.weight"], dilation=rate)
        seen.append(_conv_norm(each, t, f"{name}.0.1", f"{name}.1"))
    mean = coarse.mean((1, 2), keepdims=True)
    whole = _conv_norm(mean, t, "decoder.aspp.0.convs.4.1", "decoder.aspp.0.convs.4.2")
    seen.append(np.broadcast_to(whole, (len(whole), *coarse.shape[1:])))
    x = _conv_norm(np.concatenate(seen), t, "decoder.aspp.0.project.0", "decoder.aspp.0.project.1")
    x = layers.conv(x, t["decoder.aspp.1.0.weight"])
    x = _conv_norm(x, t, "decoder.aspp.1.1", "decoder.aspp.2")
    x = layers.bilinear(x, fine.shape[1], corners=True)
    x = np.concatenate([x, _conv_norm(fine, t, "decoder.block1.0", "decoder.block1.1")])
    x = layers.conv(x, t["decoder.block2.0.0.weight"])
    return _conv_norm(x, t, "decoder.block2.0.1", "decoder.block2.1")


def _segformer(levels: list[Any], side: int, t: Tensors) -> Any:
    mixed = []
    for place, each in enumerate(levels):
        name = f"decoder.mlp_stage.{place}.linear"
        told = np.tensordot(t[f"{name}.weight"], each, axes=1) + t[f"{name}.bias"][:, None, None]
        mixed.append(layers.bilinear(told, side))
    return _conv_norm(np.concatenate(mixed), t, "decoder.fuse_stage.0", "decoder.fuse_stage.1")
