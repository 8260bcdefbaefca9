"""Seconds and peak memory of listing a folder of many files, and of splitting what was listed.

    python bench/listing.py [--count 1000000] [--classes 100]

The files are empty: listing opens none of them. FeatureSpec runs in a process of its own; the goal is a million names
within 60 s and 1 GB.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _report import header, table


def generate(folder: Path, count: int, classes: int) -> None:
    """``count`` empty files in ``classes`` class folders."""
    for label in range(classes):
        (folder / f"class-{label:03d}").mkdir(parents=True)
    for index in range(count):
        (folder / f"class-{index % classes:03d}" / f"image-{index:07d}.jpg").touch()


def child(folder: str) -> None:
    """List one folder, split it, and tell seconds and peak memory after each."""
    from topwork.data import read, split

    start = time.perf_counter()
    dataset = read(folder)
    listed, listed_peak = time.perf_counter() - start, _peak()
    split(dataset)
    done = time.perf_counter() - start
    print(f"{len(dataset):,}", f"{listed:.1f}", listed_peak, f"{done - listed:.1f}", _peak())


def _peak() -> str:
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child)
        return
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), options.count, options.classes)
        command = [sys.executable, __file__, "--child", folder]
        row = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    print(header("Listing a folder"))
    print(table(("files", "seconds to list", "peak MB", "seconds to split", "peak MB after it"), [row]))


if __name__ == "__main__":
    main()
