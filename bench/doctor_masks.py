"""The data doctor of masks: whether it tells masks that were moved from those that were not.

    python bench/doctor_masks.py DATA [--split train] [--every 4]

The masks of a data set are moved in memory by a few pixels, and it is asked of all images together, and of each alone,
whether they are shifted. The first row is the masks as they are: who is accused there is for a person to judge.
"""

from __future__ import annotations

import argparse

import numpy as np

from _report import header, table
from topwork.data import decode, read_masks
from topwork.tasks.segmentation.checks._shifts import shift_of, shift_of_all

MOVES = ((0, 0), (1, 0), (2, 2), (3, 0), (5, 3))


def main() -> None:
    """Print a table: move, what all tell together, the share of images that tell it alone."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--split", default="train")
    parser.add_argument("--every", type=int, default=4)
    asked = parser.parse_args()
    dataset = read_masks(asked.data)
    chosen = np.flatnonzero((dataset.splits == asked.split) | (dataset.splits == ""))[:: asked.every]
    images = [decode(dataset.source(row)) for row in chosen.tolist()]
    labels = [dataset.mask(row).labels for row in chosen.tolist()]
    rows = []
    for move in MOVES:
        found = [shift_of(pixels, np.roll(mask, move, (0, 1))) for pixels, mask in zip(images, labels, strict=True)]
        told = [shift for shift in found if shift is not None]
        together = shift_of_all(told)
        alone = sum(shift.is_sure for shift in told)
        rows.append([f"{move[0]} down, {move[1]} right", str(together or "no"), f"{alone} of {len(told)}"])
    print(header("Masks that were moved, and what the doctor says moves them back"))
    print(table(["moved", "all together (down, right)", "alone"], rows))


if __name__ == "__main__":
    main()
