"""The data doctor of boxes: how many missing and misplaced boxes it lists, and how many of the listed ones are.

    python bench/doctor_boxes.py DATA [--seeds 0 1 2] [--share 0 0.05] [--images 60]

Of the training part of a data set (80 %, by the seed) a share of the images loses a box, and of another share one is
moved to a place where there is none, in memory. What the doctor lists of either kind is compared with what was done; a
box that was moved is missing where it was, too. With a share of 0 nothing is done: what is listed then is for a person
to judge. A listed place is right where it overlaps the box that is missing there by 0.4. ``seconds`` are those of all
cores that were free.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from _report import header, table
from topwork.checking import Checkup, check
from topwork.data import BoxDataset, Boxes, read_boxes, split
from topwork.metrics import overlaps
from topwork.tasks.detection.checks import BOXES, check_suspects

MISSING, WRONG = "likely-missing-boxes", "likely-wrong-boxes"


class Spoilt(NamedTuple):
    """A data set with boxes taken away and moved.

    Attributes:
        missing: Path and corners of every box that is not where it was.
        moved: Path and corners of every box where it is now.
    """

    dataset: BoxDataset
    missing: list[tuple[str, np.ndarray]]
    moved: list[tuple[str, np.ndarray]]


def spoilt(dataset: BoxDataset, share: float, seed: int) -> Spoilt:
    """One box of a share of the images taken away, and one of another share moved."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(np.flatnonzero(dataset.counts))
    count = round(share * len(rows))
    boxes, missing, moved = dataset.all_boxes(), [], []
    for place, row in enumerate(rows[: 2 * count].tolist()):
        chosen = int(rng.integers(len(boxes[row])))
        elsewhere = None if place < count else _elsewhere(boxes[row], chosen, dataset.sizes[row], rng)
        if place >= count and elsewhere is None:
            continue
        missing.append((dataset.paths[row], boxes[row].corners[chosen]))
        kept = np.arange(len(boxes[row])) != chosen
        if elsewhere is None:
            boxes[row] = Boxes(boxes[row].corners[kept], boxes[row].labels[kept], boxes[row].crowd[kept])
        else:
            corners = boxes[row].corners.copy()
            corners[chosen] = elsewhere
            boxes[row] = replace(boxes[row], corners=corners)
            moved.append((dataset.paths[row], elsewhere))
    return Spoilt(dataset.with_boxes(boxes), missing, moved)


def _elsewhere(boxes: Boxes, chosen: int, size: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """A place for a box, at most half as large as the image, that overlaps no box by a fifth; None where none is."""
    limit = size[::-1].astype(np.float64)
    side = np.minimum(boxes.corners[chosen, 2:] - boxes.corners[chosen, :2], limit / 2)
    for _ in range(100):
        start = rng.uniform(0, limit - side)
        box = np.concatenate([start, start + side]).astype(np.float32)
        if overlaps(box[None].astype(float), boxes.corners.astype(float), np.zeros(len(boxes), bool)).max() < 0.2:
            return box
    return None


def right(found: Checkup, name: str, true: list[tuple[str, np.ndarray]], least: float) -> tuple[int, int]:
    """How many cases are listed, and how many of what is true they name."""
    finding = found.finding(name)
    cases = finding.cases if finding else ()
    named = set()
    for case in cases:
        drawn = np.array([case.outlines[0].corners])
        for place, (path, box) in enumerate(true):
            if path == case.paths[0] and overlaps(drawn, box[None].astype(float), np.zeros(1, bool))[0, 0] >= least:
                named.add(place)
    return len(cases), len(named)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("data")
    arguments.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    arguments.add_argument("--images", type=int, help="of the training part, drawn by the seed; all if not given")
    arguments.add_argument("--share", type=float, nargs="*", default=[0.0, 0.05])
    given = arguments.parse_args()
    print(header("The data doctor of boxes"))
    rows = []
    for share in given.share:
        for seed in given.seeds:
            train = split(read_boxes(given.data), test=0.2, seed=seed).split("train")
            if given.images:
                drawn = np.random.default_rng(seed).permutation(len(train))[: given.images]
                train = train.select(np.sort(drawn))
            case = spoilt(train, share, seed)
            began = time.perf_counter()
            found = check(case.dataset, checks=(check_suspects,), examination=BOXES, cache=False, seed=seed)
            seconds = time.perf_counter() - began
            listed, named = right(found, MISSING, case.missing, 0.4)
            told, moved = right(found, WRONG, case.moved, 0.99)
            counts = (seed, len(train), listed, named, len(case.missing), told, moved, len(case.moved))
            rows.append([f"{share:.0%}", *map(str, counts), f"{seconds:.0f}"])
    heads = ("share", "seed", "images", "missing: listed", "right", "of", "wrong: listed", "right", "of", "seconds")
    print(table(heads, rows))


if __name__ == "__main__":
    main()
