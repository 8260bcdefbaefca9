"""Images of discs and squares with their masks, drawn by a seed; and a segmenter of random numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from topwork._arrays import UInt8Array
from topwork.backbones import load as load_backbone
from topwork.model import DataRecord, EngineRecord, ModelRecord, versions
from topwork.tasks.segmentation import Segmenter
from topwork.tasks.segmentation._record import SegmentationRecord
from topwork.tasks.segmentation.network import PixelHead, PixelSpec, SegmentationHead

SIZE = 128


def drawn(seed: int, side: int = SIZE) -> tuple[UInt8Array, UInt8Array]:
    """An image (side, side, 3) and its mask (side, side): 0 ground, 1 bright discs, 2 dark squares."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[:side, :side]
    mask = np.zeros((side, side), np.uint8)
    for label in (1, 2):
        for _ in range(3):
            y, x = rng.integers(side // 8, side - side // 8, 2)
            radius = int(rng.integers(side // 12, side // 7))
            far = np.hypot(down - y, across - x) if label == 1 else np.maximum(abs(down - y), abs(across - x))
            mask[far <= radius] = label
    colours = np.array([[110, 100, 90], [210, 200, 120], [40, 50, 90]])
    noisy = colours[mask] + rng.normal(0, 12, (side, side, 3))
    return noisy.clip(0, 255).astype(np.uint8), mask


def written(folder: Path, count: int = 8, *, classes: int = 3, side: int = SIZE) -> Path:
    """``images/`` and ``masks/`` with so many of them; with two classes discs alone are told."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for place in range(count):
        image, mask = drawn(place, side)
        told = np.where(mask < classes, mask, 0).astype(np.uint8)
        Image.fromarray(image).save(folder / "images" / f"{place:02}.png")
        Image.fromarray(told).save(folder / "masks" / f"{place:02}.png")
    return folder


def segmenter(
    size: int = SIZE,
    *,
    classes: tuple[str, ...] = ("a", "b", "c"),
    border: bool = False,
    hidden: int = 8,
    crop_mode: str = "squash",
    raised: float = 0.0,
    head: SegmentationHead | None = None,
    **block: Any,
) -> Segmenter:
    """A segmenter of random numbers, the same at every size, on maps that see a few pixels around each.

    The first class is ``raised`` by so much before the softmax.
    """
    backbone = load_backbone("lite0", size=size).replace(crop_mode=crop_mode)
    spec = PixelSpec(("bn1", "blocks.1"), (32, 24), (2, 4), size, len(classes), border=border, hidden=hidden)
    rng = np.random.default_rng(0)
    told = hidden or spec.channels
    arrays = {"maps.0": rng.normal(0, 0.5, (told, 32)), "maps.1": rng.normal(0, 0.1, (told, 24))}
    arrays["bias"] = rng.normal(0, 0.1, told)
    if hidden:
        arrays |= {"out": rng.normal(0, 0.5, (spec.channels, hidden)), "out_bias": np.zeros(spec.channels)}
    arrays["out_bias" if hidden else "bias"][0] += raised
    made = head or PixelHead(spec, {name: each.astype(np.float32) for name, each in arrays.items()})
    fields: dict[str, Any] = {"classes": classes, "has_background": True, "training": (1,) * len(classes)}
    record = ModelRecord[SegmentationRecord](
        task=SegmentationRecord(name="segmentation", head=made.spec.to_dict(), **fields, **block),
        strategy="probe",
        backbone=backbone.to_dict(),
        outputs=backbone.maps(made.spec.stages),
        engine=EngineRecord(name="openvino", precision="f32", deviation=None),
        head=made.spec.to_dict()["kind"],
        cross_validation={},
        trials=(),
        data=DataRecord.none("made for a test"),
        seed=0,
        versions=versions(),
        created="2026-01-01T00:00:00+00:00",
    )
    return Segmenter(record, made, backbone)
