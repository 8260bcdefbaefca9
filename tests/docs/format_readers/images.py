"""From an image to the columns that a head reads: the page's square, and the backbone by timm."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import networks

Rectangle = tuple[float, float, float, float]


def opened(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """``model.json``, and the head's tensors."""
    from safetensors.numpy import load_file

    record = json.loads((folder / "model.json").read_text("utf-8"))
    assert record["format"] == 2
    return record, load_file(folder / "head.safetensors")


def view(height: int, width: int, how: Mapping[str, Any]) -> tuple[Rectangle, tuple[int, int, int, int]]:
    """``seen`` and ``placed``."""
    size, mode, short = how["size"], how["crop_mode"], min(height, width)
    whole, square = (0.0, 0.0, float(width), float(height)), (0, 0, size, size)
    if mode == "pad":
        k = max(height, width) / size
        w, h = max(1, round(width / k)), max(1, round(height / k))
        left, top = (size - w) // 2, (size - h) // 2
        return whole, (left, top, left + w, top + h)
    if mode == "corner":
        k = size / max(height, width)
        return whole, (0, 0, max(1, math.floor(width * k + 0.5)), max(1, math.floor(height * k + 0.5)))
    if how["rules"] == "timm":
        (rows, top), (columns, left) = grid(height, width, how)
        down, across = height / rows, width / columns
        return (
            left * across,
            top * down,
            min((left + size) * across, width),
            min((top + size) * down, height),
        ), square
    if mode == "squash":
        return whole, square
    side = how["crop"] * short
    left, top = (width - side) / 2, (height - side) / 2
    return (left, top, left + side, top + side), square


def grid(height: int, width: int, how: Mapping[str, Any]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and first row, columns and first column, of the resized image in timm's rules."""
    size, least = how["size"], math.floor(how["size"] / how["crop"])
    if how["crop_mode"] == "squash":
        rows = columns = least
    else:
        rows, columns = (int(least * side / min(height, width)) for side in (height, width))
    return (rows, round((rows - size) / 2)), (columns, round((columns - size) / 2))


def squared(pixels: Any, how: Mapping[str, Any]) -> Any:
    """The square of uint8 (H, W, 3)."""
    height, width = pixels.shape[:2]
    seen, (left, top, right, bottom) = view(height, width, how)
    size = how["size"]
    if how["rules"] == "timm" and how["crop_mode"] in ("crop", "squash"):
        (rows, top), (columns, left) = grid(height, width, how)
        resized = _resized(pixels, (0, 0, width, height), (columns, rows), how)
        return resized[top : top + size, left : left + size]
    found = np.empty((size, size, 3), np.uint8)
    found[:] = np.round(np.array(how["mean"]) * 255)
    found[top:bottom, left:right] = _resized(pixels, seen, (right - left, bottom - top), how)
    return found


def _resized(pixels: Any, box: Rectangle, size: tuple[int, int], how: Mapping[str, Any]) -> Any:
    from PIL import Image

    name = how["interpolation"]
    if name == "area":
        enlarges = box[2] - box[0] < size[0] or box[3] - box[1] < size[1]
        name = "bilinear" if enlarges else "box"
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling[name.upper()], box=box))


def features(folder: Path, record: Mapping[str, Any], images: list[Any]) -> Any:
    """(N, D) of uint8 (H, W, 3): the columns of all ``outputs``."""
    backbone, how = record["backbone"], record["backbone"]["preprocessing"]
    pixels = np.stack([squared(each, how) for each in images]).astype(np.float32) / 255
    normed = (pixels - np.array(how["mean"], np.float32)) / np.array(how["std"], np.float32)
    given = np.ascontiguousarray(normed.transpose(0, 3, 1, 2))
    if "reads" in backbone:
        return networks.features(folder, backbone, given)
    return np.concatenate(list(_of_timm(folder, backbone, record["outputs"], given)), axis=1)


def _of_timm(folder: Path, backbone: Mapping[str, Any], outputs: list[str], images: Any) -> Iterator[Any]:
    """The columns of each output."""
    import timm
    import torch
    from safetensors.torch import load_file

    network: Any = timm.create_model(backbone["name"], pretrained=False, num_classes=0).eval()
    told = network.load_state_dict(load_file(folder / "backbone.safetensors"), strict=False)
    assert not told.missing_keys
    found = dict[str, Any]()
    for stage in {name.rpartition("/")[0] for name in outputs} - {""}:
        module = network.get_submodule(stage)
        module.register_forward_hook(lambda module, taken, given, stage=stage: found.update({stage: given}))
    with torch.no_grad():
        last = network.forward_features(torch.from_numpy(images))
        embedding = network.forward_head(last, pre_logits=True).numpy()
    for name in outputs:
        stage, _, pool = name.rpartition("/")
        flat = found[stage].flatten(2).numpy() if stage else embedding
        yield {"": lambda x: x, "mean": lambda x: x.mean(2), "max": lambda x: x.max(2)}.get(
            pool if stage else "", lambda x: x.reshape(len(x), -1)
        )(flat)


def maps(row: Any, spec: Mapping[str, Any]) -> list[Any]:
    """One row of features as the maps (width, side, side) that a head's spec names."""
    found, start = [], 0
    for width, stride in zip(spec["widths"], spec["strides"], strict=True):
        side = math.ceil(spec["size"] / stride)
        found.append(np.asarray(row[start : start + width * side**2]).reshape(width, side, side))
        start += width * side**2
    assert start == len(row)
    return found


def moved(places: Any, here: tuple[float, float], there: tuple[float, float]) -> Any:
    """Coordinates along one axis, from one interval to the other."""
    return (places - here[0]) * (there[1] - there[0]) / (here[1] - here[0]) + there[0]
