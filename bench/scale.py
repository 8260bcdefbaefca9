"""What 100 million images would take: calculated from figures of one machine, which are measured here or given.

    python bench/scale.py [--images 100e6] [--measure N]

Measured and calculated are told apart: what is measured stands in the first table, with what it was measured on; all
else is arithmetic on it, and the prices and speeds that are given stand in the second.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from _report import header, table

FEATURES = "bytes of an image's float16 features"
GIVEN = {
    "bytes of an image": 110_000.0,  # ImageNet's mean JPEG
    "cores of a CPU machine": 16.0,
    "currency a core and hour": 0.04,
    "GPU images/s (network alone)": 8_000.0,
    "currency a GPU and hour": 2.5,
    "cores beside a GPU": 16.0,
    "network MB/s of a machine": 1_000.0,
}
"""Assumptions of the arithmetic, each to be replaced by one's own; none was measured here."""


def generate(folder: Path, count: int) -> list[Path]:
    """JPEGs of 500 x 375, as large as ImageNet's."""
    import simplejpeg

    rng = np.random.default_rng(0)
    paths = []
    for index in range(count):
        coarse = rng.integers(0, 256, (75, 100, 3), dtype=np.uint8).repeat(5, axis=0).repeat(5, axis=1)
        paths.append(folder / f"{index:05d}.jpg")
        paths[-1].write_bytes(simplejpeg.encode_jpeg(coarse, 85))
    return paths


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measured(count: int) -> dict[str, float]:
    """Processor seconds of each step, and bytes, on this machine in one process."""
    from topwork.backbones import load
    from topwork.data import decode, read_bytes
    from topwork.engines import EngineChoice, open_engine
    from topwork.sharding import Embedding, plan, work_all

    network: Any = load("lite0")
    recipe = Embedding(network, network.outputs("last"), EngineChoice("openvino", "f32"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "data")
        folder.mkdir()
        paths = generate(folder, count)
        engine = open_engine(network, recipe.outputs, recipe.choice)
        rules = network.preprocessing
        engine(np.zeros((16, 224, 224, 3), np.uint8))
        start = cpu()
        pixels = [rules(decode(read_bytes(path), min_side=rules.min_side)) for path in paths]
        decoding = cpu() - start
        start = cpu()
        for place in range(0, count, 16):
            engine(np.stack(pixels[place : place + 16]))
        running = cpu() - start
        made = plan(str(folder), str(Path(name, "out")), recipe, size=max(32, count // 4))
        start, clock = cpu(), time.perf_counter()
        assert all(each.failure is None for each in work_all(made, made.shards))
        whole, wall = cpu() - start, time.perf_counter() - clock
        parts = sum(each.stat().st_size for each in Path(name, "out").glob("part-*"))
        listing = sum(each.stat().st_size for each in Path(name, "out").glob("plan.json")) / len(made.shards)
    return {
        "images measured": count,
        "decoding: core ms an image": 1e3 * decoding / count,
        "network: core ms an image": 1e3 * running / count,
        "whole pipeline: core ms an image": 1e3 * whole / count,
        "whole pipeline: ms an image by the clock": 1e3 * wall / count,
        "bytes of a part an image (generated images: they compress well)": parts / count,
        FEATURES: 2.0 * recipe.width,
        "bytes of the plan a shard": listing,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=float, default=100e6)
    parser.add_argument("--measure", type=int, default=512)
    args = parser.parse_args()
    print(header("Scale"), "\n\n## Measured\n")
    found = measured(args.measure)
    print(table(["what", "value"], [[name, f"{value:,.2f}"] for name, value in found.items()]))
    print("\n## Given, not measured\n")
    print(table(["what", "value"], [[name, f"{value:,.2f}"] for name, value in GIVEN.items()]))
    print(f"\n## Calculated for {args.images:,.0f} images\n")
    print(table(["what", "value"], calculated(found, args.images)))


def calculated(found: dict[str, float], images: float) -> list[list[str]]:
    """Bytes, time and cost; the slowest step of a GPU machine is its bottleneck."""
    hours = found["whole pipeline: core ms an image"] / 1e3 * images / 3600
    steps = {
        "the GPU": GIVEN["GPU images/s (network alone)"],
        "decoding on the cores beside it": 1e3 * GIVEN["cores beside a GPU"] / found["decoding: core ms an image"],
        "the network card": GIVEN["network MB/s of a machine"] * 1e6 / GIVEN["bytes of an image"],
    }
    slowest = min(steps, key=lambda name: steps[name])
    gpu_hours = images / steps[slowest] / 3600
    price = GIVEN["currency a core and hour"]
    return [
        ["images to read", f"{images * GIVEN['bytes of an image'] / 1e12:.1f} TB"],
        ["parts to write, at most", f"{images * found[FEATURES] / 1e9:,.0f} GB"],
        [
            "shards of 4,096, and the plan",
            f"{images / 4096:,.0f}, {images / 4096 * found['bytes of the plan a shard'] / 1e6:.1f} MB",
        ],
        ["core hours", f"{hours:,.0f}"],
        ["on 100 CPU machines", f"{hours / 100 / GIVEN['cores of a CPU machine']:.1f} h, cost {hours * price:,.0f}"],
        *([f"images/s through {name}", f"{value:,.0f}"] for name, value in steps.items()),
        ["bottleneck of a GPU machine", slowest],
        ["on GPU machines", f"{gpu_hours:,.0f} GPU hours, cost {gpu_hours * GIVEN['currency a GPU and hour']:,.0f}"],
    ]


if __name__ == "__main__":
    main()
