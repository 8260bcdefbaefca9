"""Small pictures of large photographs, as `topwork ui` shows a class's rows: processor time of each.

    python bench/thumbnails.py [--images 12] [--width 4000] [--height 3000]

Photographs are drawn by a seed and written as JPEG, with a PNG mask and COCO's boxes beside them. ``whole`` decodes the
whole image, and paints the whole mask; ``reduced`` is what the page does; ``again`` is the same rows after another
check, whose numbers differ. Reading the mask is in all of them but ``again``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from _report import header, spread, table
from topwork.data import BoxDataset, MaskDataset, decode, read_boxes, read_masks
from topwork.drawing import painted
from topwork.report import row_file
from topwork.report._pictures import BOXED_SIDE, sheet_file, thumbnail_file
from topwork.ui._pictures import Pictures

NAMES = ("ground", "one", "two")


def generate(folder: Path, images: int, width: int, height: int) -> None:
    """``masks/`` with images and masks, and ``boxes/`` with the same images and their boxes."""
    for name in ("masks/images", "masks/masks", "boxes"):
        (folder / name).mkdir(parents=True)
    told, boxes = [], []
    for place in range(images):
        rng = np.random.default_rng(place)
        rough = Image.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)).resize((width, height))
        noisy = np.asarray(rough, np.int16) + rng.integers(-12, 12, (height, width, 1), dtype=np.int16)
        image, mask = Image.fromarray(noisy.clip(0, 255).astype(np.uint8)), np.zeros((height, width), np.uint8)
        told.append({"id": place, "file_name": f"{place:02}.jpg", "width": width, "height": height})
        for label in (1, 2):
            left, top = (int(each) for each in rng.integers(0, (width // 2, height // 2)))
            wide, high = width // 4, height // 4
            mask[top : top + high, left : left + wide] = label
            of = {"image_id": place, "category_id": label, "bbox": [left, top, wide, high], "iscrowd": 0}
            boxes.append({"id": len(boxes), **of})
        for name in ("masks/images", "boxes"):
            image.save(folder / name / f"{place:02}.jpg", quality=90)
        Image.fromarray(mask).save(folder / "masks" / "masks" / f"{place:02}.png")
    (folder / "masks" / "classes.txt").write_text("\n".join(NAMES))
    categories = [{"id": label, "name": NAMES[label]} for label in (1, 2)]
    coco = {"images": told, "annotations": boxes, "categories": categories}
    (folder / "boxes" / "annotations.json").write_text(json.dumps(coco))


def whole(dataset: BoxDataset | MaskDataset, row: int) -> bytes:
    """The plain way."""
    image = decode(dataset.source(row))
    if isinstance(dataset, BoxDataset):
        return thumbnail_file(image, BOXED_SIDE)
    mask, names = dataset.mask(row), {place: dataset.classes[place] for place in dataset.foreground}
    return sheet_file(painted(image, mask.labels, names, mask.objects, side=BOXED_SIDE, legend=False))


def milliseconds(make: Callable[[int], bytes], rows: int) -> list[float]:
    """Of the processor, for each row."""
    found = []
    for row in range(rows):
        began = time.process_time()
        make(row)
        found.append(1000 * (time.process_time() - began))
    return found


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--width", type=int, default=4000)
    parser.add_argument("--height", type=int, default=3000)
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as root:
        generate(Path(root), given.images, given.width, given.height)
        for dataset in (read_boxes(Path(root, "boxes")), read_masks(Path(root, "masks"))):
            count, pictures = len(dataset), Pictures()
            later = dataset.select(range(count - 1, -1, -1))
            whole(dataset, 0)
            row_file(dataset, 0)  # whatever is imported is there
            ways = {
                "whole": lambda row, dataset=dataset: whole(dataset, row),
                "reduced": lambda row, dataset=dataset, pictures=pictures: pictures.picture(dataset, row),
                "again": lambda row, later=later, pictures=pictures: pictures.picture(later, row),
            }
            kind = "boxes" if isinstance(dataset, BoxDataset) else "masks"
            rows += [[kind, name, spread(milliseconds(way, count), 1)] for name, way in ways.items()]
    print(header(f"Small pictures of {given.images} photographs of {given.width * given.height / 1e6:.0f} megapixels"))
    print(table(("data", "way", "processor milliseconds a picture"), rows))


if __name__ == "__main__":
    main()
