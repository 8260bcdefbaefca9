"""Every row of the catalogue, with random weights: builds, converts, runs in the engine, and how near to torch it is.

    python bench/backbones.py IMAGES [--only NAME ...]        IMAGES: a folder of class folders

Random weights say nothing of accuracy; they show that shapes and numbers agree. What is compared are all of a network's
outputs (every stage's mean and max, and its own pooled features) on four real pictures, with torch's float32.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from _report import header, table
from topwork import read
from topwork.backbones import CatalogueRow, catalogue, load, row
from topwork.data import ImageDataset, decode
from topwork.engines import PARITY_IMAGES, EngineChoice, open_engine, precisions
from topwork.engines._parity import TOLERANCE, worst_deviation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    rows = [entry for name in options.only if (entry := row(name))] or catalogue()
    dataset = read(options.data)
    print(header("The catalogue's rows with random weights"))
    cells = []
    for entry in rows:
        with tempfile.TemporaryDirectory() as cache:  # large networks would fill the disk
            os.environ["TOPWORK_CACHE"] = cache
            cells.append(measured(entry, dataset))
        print(*cells[-1], sep=" | ", flush=True)
    head = (
        "backbone",
        "M parameters",
        "pixels",
        "outputs",
        "torch s",
        "convert s",
        "f32 off by",
        "bf16 off by",
        "runs in",
    )
    print("\n" + table(head, cells))


def measured(entry: CatalogueRow, dataset: ImageDataset) -> tuple[str, ...]:
    backbone = load(entry.name, weights="random")
    values = backbone.preprocessing
    places = np.linspace(0, len(dataset) - 1, PARITY_IMAGES).astype(int)
    images = np.stack([values(decode(dataset.source(int(i)), min_side=values.min_side)) for i in places])
    outputs = backbone.outputs("all")
    reference, first = timed(lambda: open_engine(backbone, outputs, EngineChoice("torch-cpu", "f32"))(images))
    assert reference.shape == (PARITY_IMAGES, sum(map(backbone.width, outputs)))
    assert np.isfinite(reference).all()
    found: dict[str, str] = {"bf16": "not here"}
    kept, convert = "", 0.0
    for precision in reversed(precisions("openvino")):
        engine, opened = timed(lambda p=precision: open_engine(backbone, outputs, EngineChoice("openvino", p)))
        distance = worst_deviation(backbone, outputs, engine(images), reference)
        found[precision] = f"{distance:.2%}"
        convert = opened if precision == "f32" else convert
        kept = precision if distance <= TOLERANCE[precision] else kept
    size = str(values.size)
    return (
        entry.name,
        str(entry.parameters),
        size,
        str(len(outputs)),
        f"{first:.1f}",
        f"{convert:.1f}",
        found["f32"],
        found["bf16"],
        kept or "NOTHING",
    )


def timed(work: Any) -> tuple[Any, float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start


if __name__ == "__main__":
    main()
