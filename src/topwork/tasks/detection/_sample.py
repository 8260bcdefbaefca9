"""The images of the demo: washers, nuts and screws on a bench, drawn for it by a seed, so that nothing is fetched."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from topwork._system import cache_dir, cached
from topwork.data import read_boxes, split
from topwork.tasks._task import Sample

_SECONDS = 100.0
_IMAGES, _TEST, _UNSEEN = 103, 0.35, 3
_HEIGHT, _WIDTH, _FINE = 240, 320, 2  # pixels, and how much larger each is drawn
_FILE = "annotations.json"
_METALS = ((188, 190, 196), (150, 154, 160), (196, 172, 110))
_GROUNDS = ((92, 74, 58), (70, 84, 78), (116, 112, 104), (60, 64, 76))

Point = tuple[float, float]


def sample() -> Sample:
    """Images of small parts in three classes: some to train on, others to measure, three to predict."""
    folder = cached(cache_dir() / "samples" / "bench-1", _FILE, lambda: _written).parent
    drawn = read_boxes(folder)
    dataset = split(drawn.select(np.arange(len(drawn))[:-_UNSEEN]), test=_TEST)
    train, test = (len(dataset.split(name)) for name in ("train", "test"))
    return Sample(
        dataset,
        {drawn.paths[row]: drawn.full_path(row) for row in range(len(drawn) - _UNSEEN, len(drawn))},
        (
            f"The sample data set: washers, nuts and screws on a bench, drawn for it, in {folder}",
            f"{train} images train the model, and {test} others measure it. This takes about two minutes.",
        ),
        _SECONDS,
        "PHOTOS -o MODEL    (PHOTOS: a folder with COCO JSON, Pascal VOC or YOLO files)",
    )


def _written(file: Path) -> None:
    """Draw every image beside the file of their boxes, in COCO's form."""
    images, annotations = [], list[dict[str, Any]]()
    for place in range(_IMAGES):
        picture, boxes = _bench(np.random.default_rng(place))
        name = f"bench-{place:03}.jpg"
        picture.save(file.with_name(name), quality=90)
        images.append({"id": place + 1, "file_name": name, "height": _HEIGHT, "width": _WIDTH})
        for kind, (left, top, right, bottom) in boxes:
            box = [left, top, right - left, bottom - top]
            told = {"image_id": place + 1, "category_id": kind + 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            annotations.append({"id": len(annotations) + 1, **told})
    categories = [{"id": place + 1, "name": name} for place, (name, _) in enumerate(_PARTS)]
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}), "utf-8")


def _bench(rng: np.random.Generator) -> tuple[Image.Image, list[tuple[int, tuple[float, ...]]]]:
    """One image, and the class and box of each part on it."""
    picture = _ground(rng)
    pen = ImageDraw.Draw(picture)
    boxes: list[tuple[int, tuple[float, ...]]] = []
    for _ in range(int(rng.integers(1, 6))):
        kind, radius = int(rng.integers(len(_PARTS))), float(rng.uniform(14, 34)) * _FINE
        middle = rng.uniform([radius, radius], [_WIDTH * _FINE - radius, _HEIGHT * _FINE - radius])
        outline = _PARTS[kind][1](middle, radius, float(rng.uniform(0, 2 * math.pi)))
        box = (*(outline[0].min(axis=0) / _FINE).tolist(), *(outline[0].max(axis=0) / _FINE).tolist())
        if any(_touch(box, other) for _, other in boxes):
            continue
        metal = np.array(_METALS[int(rng.integers(len(_METALS)))]) * rng.uniform(0.85, 1.1)
        _draw(pen, outline, tuple(metal.clip(0, 255).astype(int).tolist()))
        boxes.append((kind, tuple(round(number, 1) for number in box)))
    reduced = picture.resize((_WIDTH, _HEIGHT), Image.Resampling.BOX)
    noisy = np.asarray(reduced) + rng.normal(0, 5, (_HEIGHT, _WIDTH, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8)), boxes


def _ground(rng: np.random.Generator) -> Image.Image:
    """A bench with light from one side, and the grain of its wood or the spots of its paint."""
    colour = np.array(_GROUNDS[int(rng.integers(len(_GROUNDS)))])
    grain = rng.normal(1, 0.12, (int(rng.integers(4, 40)), int(rng.integers(4, 40)), 1))
    light = np.linspace(float(rng.uniform(0.8, 1.2)), float(rng.uniform(0.8, 1.2)), grain.shape[1])[None, :, None]
    pixels = (colour * grain * light).clip(0, 255).astype(np.uint8)
    return Image.fromarray(pixels).resize((_WIDTH * _FINE, _HEIGHT * _FINE), Image.Resampling.BICUBIC)


def _touch(box: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]


def _draw(pen: Any, outline: tuple[np.ndarray[Any, Any], ...], metal: tuple[int, ...]) -> None:
    """A part with its shadow; the outlines behind the first are what lies in it: a hole, a thread."""
    whole, *inner = outline
    pen.polygon(list(map(tuple, (whole + 2.5 * _FINE).tolist())), fill=(28, 26, 24))
    pen.polygon(list(map(tuple, whole.tolist())), fill=metal)
    for each in inner:
        pen.polygon(list(map(tuple, each.tolist())), fill=tuple(number // 3 for number in metal))


def _round(corners: int, radius: float, turned: float = 0.0) -> np.ndarray[Any, Any]:
    angles = turned + np.arange(corners) * 2 * math.pi / corners
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _washer(middle: Any, radius: float, turned: float) -> tuple[np.ndarray[Any, Any], ...]:
    return middle + _round(40, radius), middle + _round(40, 0.5 * radius)


def _nut(middle: Any, radius: float, turned: float) -> tuple[np.ndarray[Any, Any], ...]:
    return middle + _round(6, radius, turned), middle + _round(40, 0.45 * radius)


def _screw(middle: Any, radius: float, turned: float) -> tuple[np.ndarray[Any, Any], ...]:
    """A head, a shaft with a point, and turns of its thread across."""
    half = np.array([(-1, 0.42), (-0.75, 0.42), (-0.62, 0.16), (0.75, 0.16), (1, 0)])
    whole = np.concatenate([half, half[::-1] * (1, -1)])
    turns = [
        np.array([(x, 0.16), (x + 0.05, 0.16), (x - 0.03, -0.16), (x - 0.08, -0.16)]) for x in (-0.4, -0.1, 0.2, 0.5)
    ]
    across = np.array([(math.cos(turned), math.sin(turned)), (-math.sin(turned), math.cos(turned))])
    return tuple(middle + radius * each @ across for each in (whole, *turns))


_PARTS: tuple[tuple[str, Callable[..., tuple[np.ndarray[Any, Any], ...]]], ...] = (
    ("washer", _washer),
    ("nut", _nut),
    ("screw", _screw),
)
