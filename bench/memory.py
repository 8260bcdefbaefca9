"""Peak memory of extraction over 2,000 and over 100,000 different images: it must stay flat.

    python bench/memory.py [--many 100000] [--few 2000]

The images are generated from a seed, 64 x 64 JPEG, no two alike. Each count runs in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from _report import header, table


def generate(folder: Path, count: int) -> None:
    """``count`` images in two class folders."""
    import simplejpeg

    rng = np.random.default_rng(0)
    for label in ("light", "dark"):
        (folder / label).mkdir(parents=True)
    for index in range(count):
        label = "light" if index % 2 else "dark"
        pixels = rng.integers(0, 128, (8, 8, 3), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1) + 120 * (index % 2)
        (folder / label / f"{index:06d}.jpg").write_bytes(simplejpeg.encode_jpeg(pixels.astype(np.uint8), 85))


def child(folder: str) -> None:
    """Extract all stages of one folder and tell seconds and peak memory."""
    from topwork import extract, load_backbone, read

    backbone = load_backbone()
    start = time.perf_counter()
    table = extract(read(folder), backbone, outputs=backbone.outputs("all"))
    wall = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(len(table), table.values.shape[1], f"{wall:.1f}", f"{peak:.0f}")


def measured(count: int, root: Path) -> list[str]:
    folder = root / str(count)
    generate(folder, count)
    environment = {**os.environ, "TOPWORK_CACHE": str(root / "cache")}
    command = [sys.executable, __file__, "--child", str(folder)]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--few", type=int, default=2_000)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child)
        return
    with tempfile.TemporaryDirectory() as folder:
        measured(32, Path(folder))  # converts the network, which imports torch and would count as memory
        rows = [measured(count, Path(folder)) for count in (options.few, options.many)]
    print(header("Peak memory of extraction"))
    print(table(("images", "features each", "seconds", "peak MB"), rows))
    print(f"\n{int(rows[1][3]) - int(rows[0][3])} MB more for {int(rows[1][0]) // int(rows[0][0])} times the images")


if __name__ == "__main__":
    main()
