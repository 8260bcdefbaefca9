"""Whole commands of two versions of topwork in turn, from a cold start: seconds, seconds of the cores, peak memory.

    git archive COMMIT src | tar x -C OLD
    python bench/light.py OLD/src IMAGES SPLIT [--repeats 3] [--demo]

IMAGES is a folder of class folders, SPLIT one with splits, which ``fit`` climbs the ladder for. The plain way is the
older version, which converts its network from torch. Each command runs in every precision that this machine has, and in
float32 with the convolutions held to AVX2, as most laptops compute (oneDNN's own setting; OpenVINO's elementwise code
does not hear it).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from _report import header, spread, table
from topwork import read
from topwork.engines import precisions

HERE = Path(__file__).parents[1] / "src"
WAYS = {
    "bf16": {"TOPWORK_PRECISION": "bf16"},
    "f32": {"TOPWORK_PRECISION": "f32"},
    "f32, AVX2": {"TOPWORK_PRECISION": "f32", "ONEDNN_MAX_CPU_ISA": "AVX2"},
}
Figures = dict[tuple[str, str, str], list[tuple[float, float, float, float]]]


def measured(source: Path, environment: dict[str, str], *arguments: object) -> tuple[float, float, float]:
    """Seconds, seconds of all cores together (which other jobs on the machine change little), MB at the peak."""
    start = time.perf_counter()
    running = subprocess.Popen(
        [sys.executable, "-m", "topwork", *map(str, arguments)],
        env={**os.environ, **environment, "PYTHONPATH": str(source)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(running.pid, 0)
    if status:
        raise RuntimeError(f"{arguments} ended with {status}")
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def accuracy(model: Path) -> float:
    return float(json.loads((model / "model.json").read_text())["task"]["metrics"]["accuracy"]["value"])


def walk(source: Path, options: argparse.Namespace, way: str, version: str, figures: Figures) -> None:
    """Every command once, each in a process of its own, with a cache that begins empty."""
    image = read(options.images).full_path(0)
    with tempfile.TemporaryDirectory() as folder:
        model, environment = Path(folder) / "model", {**WAYS[way], "TOPWORK_CACHE": f"{folder}/cache"}

        def note(name: str, *arguments: object) -> None:
            found = measured(source, environment, *arguments)
            share = accuracy(model) if arguments[0] in ("fit", "demo") else float("nan")
            figures[name, way, version].append((*found, share))
            print(name, way, version, *(f"{figure:.2f}" for figure in (*found, share)), file=sys.stderr, flush=True)

        probe = ("fit", options.images, "-o", model, "--strategy", "probe")
        note("fit --strategy probe, empty cache", *probe)
        note("fit --strategy probe, again", *probe)
        note("predict, first", "predict", model, image)
        note("predict, again", "predict", model, image)
        note("fit, empty cache", "fit", options.split, "-o", model)
        if options.demo:
            environment["TOPWORK_CACHE"] = f"{folder}/another"
            note("demo, empty cache", "demo", "-o", model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("split", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--demo", action="store_true")
    parser.add_argument("--ways", nargs="+", choices=[*WAYS], default=[*WAYS])
    options = parser.parse_args()
    figures: Figures = defaultdict(list)
    ways = [way for way in options.ways if way != "bf16" or "bf16" in precisions("openvino")]
    for _ in range(options.repeats):
        for way in ways:
            for version, source in (("before", options.old), ("now", HERE)):
                walk(source, options, way, version, figures)
    print(header("Whole commands with and without torch"))
    rows = []
    for name, way in dict.fromkeys((name, way) for name, way, _ in figures):
        cells = [f"{name}, {way}"]
        for version in ("before", "now"):
            seconds, of_cores, memory, shares = zip(*figures[name, way, version], strict=True)
            told = f"{shares[0]:.1%}" if shares[0] == shares[0] else "–"
            cells += [spread(seconds, 2), spread(of_cores, 2), f"{max(memory):.0f}", told]
        rows.append(cells)
    head = ["command, precision"]
    kinds = ("seconds", "core seconds", "peak MB", "accuracy")
    head += [f"{version}: {kind}" for version in ("before", "now") for kind in kinds]
    print(table(head, rows))
    print(f"\nSeconds: median (lowest–highest) of {options.repeats}; accuracy on held-out images.")


if __name__ == "__main__":
    main()
