"""A million boxes in 100,000 images: time and peak memory of reading their annotations and of a detector's figures.

    python bench/many_boxes.py [--images 10000 100000] [--boxes 10] [--classes 20]

The images are links to one JPEG; boxes are drawn by a seed, and what is found is each box a little off, some of them
missed, and as many inventions. Each count runs in processes of their own, one for each format and one for the figures.
``before`` is the peak once topwork is imported and the data are made.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from _report import header, table

SIDE = 64


def drawn(images: int, boxes: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Corners (images, boxes, 4) within the square, and labels."""
    rng = np.random.default_rng(0)
    starts = rng.uniform(0, SIDE - 20, (images, boxes, 2))
    corners = np.concatenate([starts, starts + rng.uniform(4, 20, (images, boxes, 2))], axis=2)
    return corners.astype(np.float32), rng.integers(0, classes, (images, boxes)).astype(np.int32)


def generate(folder: Path, images: int, boxes: int, classes: int) -> None:
    """COCO's JSON and a table beside links to one image; a thousand in a folder."""
    import simplejpeg

    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
    corners, labels = drawn(images, boxes, classes)
    names = [f"{row // 1000:04d}/{row:07d}.jpg" for row in range(images)]
    for row, name in enumerate(names):
        if row % 1000 == 0:
            (folder / name).parent.mkdir()
            (folder / name).write_bytes(simplejpeg.encode_jpeg(pixels, 85))
            first = folder / name
        else:
            os.link(first, folder / name)
    told = {
        "images": [{"id": row, "file_name": name, "width": SIDE, "height": SIDE} for row, name in enumerate(names)],
        "categories": [{"id": label, "name": f"class {label}"} for label in range(classes)],
        "annotations": [
            {
                "id": row * boxes + place,
                "image_id": row,
                "category_id": int(labels[row, place]),
                "bbox": [round(float(each), 2) for each in (*box[:2], *(box[2:] - box[:2]))],
                "iscrowd": 0,
            }
            for row in range(images)
            for place, box in enumerate(corners[row])
        ],
    }
    (folder / "annotations.json").write_text(json.dumps(told))


def peak() -> float:
    """Of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def child(what: str, folder: str, images: int, boxes: int, classes: int) -> None:
    """Do it once, and tell boxes, seconds, processor seconds, and peaks before and after."""
    from topwork.data import Boxes, read_boxes
    from topwork.metrics import Detections, detection_report

    if what == "figures":
        corners, labels = drawn(images, boxes, classes)
        rng = np.random.default_rng(1)
        truth = [Boxes(*each, np.zeros(boxes, bool)) for each in zip(corners, labels, strict=True)]
        moved = corners + rng.normal(0, 1, corners.shape).astype(np.float32)
        moved[..., 2:] = np.maximum(moved[..., 2:], moved[..., :2] + 1)
        scores = rng.random(labels.shape).astype(np.float32)
        found = [Detections(*each) for each in zip(moved, scores, labels, strict=True)]
    before, began, processor = peak(), time.perf_counter(), time.process_time()
    if what == "figures":
        count = detection_report(truth, found, [f"class {each}" for each in range(classes)]).boxes
    else:
        count = len(read_boxes(folder).labels)
    print(count, time.perf_counter() - began, time.process_time() - processor, before, peak())


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--boxes", type=int, default=10)
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(*given.child, given.images[0], given.boxes, given.classes)
        return
    rows = []
    with tempfile.TemporaryDirectory() as root:
        for images in given.images:
            folder = Path(root, str(images))
            generate(folder, images, given.boxes, given.classes)
            for what in ("reading", "figures"):
                sizes = ["--images", str(images), "--boxes", str(given.boxes), "--classes", str(given.classes)]
                command = [sys.executable, __file__, "--child", what, str(folder), *sizes]
                told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
                count, (seconds, processor, before, after) = int(told[0]), map(float, told[1:])
                numbers = (f"{seconds:.1f}", f"{processor:.1f}", f"{before:.0f}", f"{after:.0f}")
                rows.append([what, f"{images:,}", f"{count:,}", *numbers])
    print(header("Many boxes: reading COCO's JSON, and a detector's figures"))
    heads = ("what", "images", "boxes", "seconds", "of processor", "MB before", "MB peak")
    print(table(heads, rows))


if __name__ == "__main__":
    main()
