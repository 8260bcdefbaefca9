"""The data doctor: how well it finds wrong labels, how long it takes, how much memory it needs.

    python bench/doctor.py labels DATA [--seeds 5] [--flipped 0.05]
    python bench/doctor.py speed DATA [--repeats 3]
    python bench/doctor.py scale [--few 2000] [--many 100000]

``labels`` turns a share of the training part's labels to another class at random, in memory, and compares the list of
likely label errors with what was turned. ``speed`` compares the check with extracting the same features once, both
with an empty cache of features; the network is converted beforehand. ``scale`` checks generated images, each count in
a process of its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from _report import header, spread, table
from memory import generate
from topwork import extract, load_backbone, read
from topwork.checking import check
from topwork.data import ImageDataset


def flipped(dataset: ImageDataset, share: float, seed: int) -> tuple[ImageDataset, set[str]]:
    """The data set with a share of its labels turned to another class, and the paths of those."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(dataset), round(share * len(dataset)), replace=False)
    labels = dataset.labels.copy()
    labels[rows] = (labels[rows] + rng.integers(1, len(dataset.classes), len(rows))) % len(dataset.classes)
    return replace(dataset, labels=labels), {dataset.paths[row] for row in rows.tolist()}


def labels(options: argparse.Namespace) -> None:
    dataset = read(options.data)
    dataset = dataset.split("train") if (dataset.splits == "train").any() else dataset
    rows = [("none", *_listed(dataset, set()))]
    figures = []
    for seed in range(options.seeds):
        changed, turned = flipped(dataset, options.flipped, seed)
        count, right, precision, recall = _listed(changed, turned)
        figures.append((float(precision), float(recall)))
        rows.append((str(seed), count, right, precision, recall))
    print(
        header(f"Likely label errors among {len(dataset)} images of {options.data.name}, {options.flipped:.0%} turned")
    )
    print(table(("seed", "listed", "of them turned", "precision", "recall"), rows))
    precision, recall = zip(*figures, strict=True)
    print(f"\nprecision {spread(precision, 2)} · recall {spread(recall, 2)}")


def _listed(dataset: ImageDataset, turned: set[str]) -> tuple[str, str, str, str]:
    finding = check(dataset).finding("likely-label-errors")
    paths = {case.paths[0] for case in finding.cases} if finding else set()
    right = len(paths & turned)
    shares = (right / len(paths) if paths else 1.0, right / len(turned) if turned else 1.0)
    return str(len(paths)), str(right), *(f"{value:.3f}" for value in shares)


def speed(options: argparse.Namespace) -> None:
    dataset, backbone = read(options.data), load_backbone()
    outputs = backbone.outputs("all")
    extract(dataset.select(range(8)), backbone, outputs=outputs, cache=False)  # converts the network
    seconds: dict[str, list[float]] = {"extract": [], "check": []}
    for _ in range(options.repeats):
        with _no_features():
            seconds["extract"].append(timed(lambda: extract(dataset, backbone, outputs=outputs)))
        with _no_features():
            seconds["check"].append(timed(lambda: check(dataset, backbone)))
    ratios = [check / extract for check, extract in zip(seconds["check"], seconds["extract"], strict=True)]
    print(header(f"The whole check of {len(dataset)} images"))
    rows = [(name, spread(values, 1)) for name, values in seconds.items()]
    print(table(("seconds: median (lowest–highest)", f"{options.repeats} runs"), rows))
    print(f"\ncheck / extract: {spread(ratios, 2)} times")


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@contextmanager
def _no_features() -> Iterator[None]:
    """A cache that holds the networks and no features."""
    from topwork._system import cache_dir

    before, networks = os.environ.get("TOPWORK_CACHE"), cache_dir() / "networks"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "networks").symlink_to(networks, target_is_directory=True)
        os.environ["TOPWORK_CACHE"] = folder
        try:
            yield
        finally:
            os.environ.pop("TOPWORK_CACHE")
            if before is not None:
                os.environ["TOPWORK_CACHE"] = before


def scale(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        measured(32, Path(folder))  # converts the network, which imports torch and would count as memory
        rows = [measured(count, Path(folder)) for count in (options.few, options.many)]
    print(header("Time and peak memory of the whole check"))
    print(table(("images", "findings", "seconds", "extract alone", "peak MB"), rows))
    few, many = ([float(value) for value in row] for row in rows)
    times = f"{many[2] / few[2]:.1f} times the seconds for {many[0] / few[0]:.0f} times the images"
    print(f"\n{many[4] - few[4]:.0f} MB more and {times}")


def measured(count: int, root: Path) -> list[str]:
    folder = root / str(count)
    generate(folder, count)
    command = [sys.executable, __file__, "child", str(folder)]
    environment = {**os.environ, "TOPWORK_CACHE": str(root / "cache")}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split()


def child(options: argparse.Namespace) -> None:
    """Check one folder; tell seconds, seconds of its extraction, and peak memory."""
    dataset, backbone = read(options.data), load_backbone()
    start, marks = time.perf_counter(), [0.0, 0.0]

    def mark(done: int, of: int) -> None:
        marks[done > of // 2] = time.perf_counter()

    checkup = check(dataset, backbone, progress=mark)
    wall = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(len(dataset), len(checkup.findings), f"{wall:.1f}", f"{marks[1] - marks[0]:.1f}", f"{peak:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(required=True)
    for work in (labels, speed, scale, child):
        part = parts.add_parser(work.__name__)
        part.set_defaults(work=work)
        if work is not scale:
            part.add_argument("data", type=Path)
        if work is labels:
            part.add_argument("--seeds", type=int, default=5)
            part.add_argument("--flipped", type=float, default=0.05)
        if work is speed:
            part.add_argument("--repeats", type=int, default=3)
        if work is scale:
            part.add_argument("--few", type=int, default=2_000)
            part.add_argument("--many", type=int, default=100_000)
    options = parser.parse_args()
    options.work(options)


if __name__ == "__main__":
    main()
