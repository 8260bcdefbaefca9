"""Images with boxes that take no time to make: squares and discs on a mottled ground, in COCO's form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

CLASSES = ("square", "disc")


def draw_shapes(folder: Path, count: int, *, seed: int = 0, height: int = 96, width: int = 128) -> Path:
    """Write so many images of up to three shapes each, and ``annotations.json`` beside them; gives the folder."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    images, boxes = [], list[dict[str, object]]()
    for place in range(count):
        ground = rng.integers(80, 170, (6, 8, 3)).astype(np.uint8)
        picture = Image.fromarray(ground).resize((width, height), Image.Resampling.BICUBIC)
        pen = ImageDraw.Draw(picture)
        for _ in range(int(rng.integers(0, 4)) if place else 2):
            side, kind = int(rng.integers(20, 44)), int(rng.integers(2))
            x, y = int(rng.integers(0, width - side)), int(rng.integers(0, height - side))
            draw, colour = (pen.ellipse, (230, 40, 40)) if kind else (pen.rectangle, (40, 60, 230))
            draw((x, y, x + side - 1, y + side - 1), fill=colour)
            box = {"image_id": place + 1, "category_id": kind + 1, "bbox": [x, y, side, side], "iscrowd": 0}
            boxes.append({"id": len(boxes) + 1, "area": side * side, **box})
        name = f"{place:03}.jpg"
        picture.save(folder / name, quality=95)
        images.append({"id": place + 1, "file_name": name, "height": height, "width": width})
    categories = [{"id": place + 1, "name": name} for place, name in enumerate(CLASSES)]
    told = {"images": images, "annotations": boxes, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(told), "utf-8")
    return folder
