"""Whole commands from a cold start, imports and saving included: fit (empty and warm cache), predict, help.

    python bench/commands.py IMAGES [--repeats 5]        IMAGES: a folder of class folders

There is no plain way to set beside a command line; what is measured is what a user waits for.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _report import header, spread, table
from topwork import read


def seconds(arguments: list[str], cache: str) -> float:
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "topwork", *arguments],
        env={**os.environ, "TOPWORK_CACHE": cache},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    dataset = read(options.data)
    image = str(dataset.full_path(0))
    figures: dict[str, list[float]] = {}

    def measure(name: str, arguments: list[str], cache: str) -> None:
        figures.setdefault(name, []).append(seconds(arguments, cache))

    for _ in range(options.repeats):
        with tempfile.TemporaryDirectory() as folder:
            model = str(Path(folder) / "model")
            fit = ["fit", str(options.data), "-o", model, "--strategy", "probe"]
            measure(f"fit, {len(dataset)} images, empty cache", fit, folder)
            measure(f"fit, {len(dataset)} images, warm cache", fit, folder)
            measure("predict, one image", ["predict", model, image], folder)
            measure("--help", ["--help"], folder)
    print(header("Commands from a cold start"))
    rows = [(name, spread(values, 2)) for name, values in figures.items()]
    print(table(("command", f"seconds: median (lowest–highest) of {options.repeats}"), rows))


if __name__ == "__main__":
    main()
