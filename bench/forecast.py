"""The forecast by hindsight: from a tenth of the images, does the accuracy with all of them lie in the interval?

    python bench/forecast.py DATA --fashion FOLDER [--seeds 10] [--share 0.1] [--only NAME ...]

DATA holds the folders ``hymenoptera`` and ``cats-dogs``; FOLDER is that of Debian's ``dataset-fashion-mnist``. The
textile sample and scikit-learn's digits make eight sets with them, by all or some of their classes. Of each training
part a stratified sample is drawn by every seed; the forecast sees nothing else. The truth is the accuracy, on the test
part, of the same probe with 2 and 4 times the sample and with all. The last network's features are read.

The width to compare with is that of a Wilson interval of the sample's own accuracy, which is left open if nothing but
the accuracy of today is known. ``told`` is the share of forecasts that are shown, as others are too vague; coverage and
width are of all of them, shown or not.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from _report import header, table
from advice import digits, fashion
from topwork.advising import BudgetClock
from topwork.advising import _learning_curve as curve
from topwork.advising._comparison import fit_head, stratified_order
from topwork.backbones import load
from topwork.data import ImageDataset, read, split
from topwork.features import FeatureTable, extract
from topwork.metrics import wilson_interval
from topwork.tasks.classification import sample_folder


def sets(data: Path, folder: Path) -> Iterator[tuple[str, Callable[[], ImageDataset]]]:
    """Eight names and makers."""
    yield "hymenoptera", lambda: read(data / "hymenoptera")
    yield "cats-dogs", lambda: read(data / "cats-dogs")
    yield "textile", textile
    yield "textile, two kinds of fault", lambda: only(textile(), (0, 1))
    yield "digits", digits
    yield "digits 3, 5, 8, 9", lambda: only(digits(), (3, 5, 8, 9))
    yield "fashion-mnist", lambda: fashion(folder)
    yield "fashion-mnist, four tops", lambda: only(fashion(folder, 3000), (0, 2, 4, 6))


def textile() -> ImageDataset:
    return split(read(sample_folder()), test=0.5)


def only(dataset: ImageDataset, labels: tuple[int, ...]) -> ImageDataset:
    """The images of some classes, and no other class."""
    from dataclasses import replace

    kept = dataset.select(np.flatnonzero(np.isin(dataset.labels, labels)))
    places = np.searchsorted(labels, kept.labels).astype(np.int32)
    return replace(kept, labels=places, classes=tuple(dataset.classes[label] for label in labels))


def accuracy(train: FeatureTable, test: FeatureTable) -> float:
    head = fit_head(train, class_weight="none", seed=0).head
    return float((head.logits(test.values).argmax(axis=1) == test.dataset.labels).mean())


def judged(dataset: ImageDataset, share: float, seeds: int) -> list[tuple[int, bool, float, float, bool, float]]:
    """Of every seed and size: times the sample, held, width, error of the median, told, width of the present."""
    found = extract(dataset, load(), outputs=("embedding",))
    train, test = found.split("train"), found.split("test")
    count = max(round(share * len(train)), len(dataset.classes))
    full, rows = accuracy(train, test), []
    for seed in range(seeds):
        order = stratified_order(train.dataset.labels, 100 + seed)
        sample = train.select(np.sort(order[:count]))
        vague, curve.VAGUE = curve.VAGUE, np.inf
        told = curve.forecast(sample, "none", seed, BudgetClock(600))
        curve.VAGUE = vague
        assert told is not None
        for ahead in told.ahead:
            every = ahead.images >= len(train) * 0.95
            truth = full if every else accuracy(train.select(np.sort(order[: ahead.images])), test)
            right, now = ahead.accuracy, told.points[-1].accuracy
            present = wilson_interval(round(now * count), count)
            rows.append(
                (
                    round(ahead.images / count),
                    right.low <= truth <= right.high,
                    right.high - right.low,
                    right.value - truth,
                    right.high - right.low < vague,
                    present[1] - present[0],
                )
            )
    return rows


def cells(name: str, rows: list[tuple[int, bool, float, float, bool, float]], times: int) -> tuple[str, ...]:
    """Coverage, width, error, share told and the present's width, of one size."""
    held, width, error, told, present = np.array([row[1:] for row in rows if row[0] == times], float).T
    shown = (100 * held.mean(), 100 * width.mean(), 100 * present.mean(), 100 * error.mean(), 100 * told.mean())
    return (name, f"{times} times", *(f"{value:.1f}" for value in shown))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--fashion", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--only", nargs="*")
    asked = parser.parse_args()
    print(header(f"Forecasts from {asked.share:.0%} of the images, {asked.seeds} samples of each set"))
    lines, every = [], []
    for name, make in sets(asked.data, asked.fashion):
        if asked.only and name not in asked.only:
            continue
        rows = judged(make(), asked.share, asked.seeds)
        every += rows
        lines += [cells(name, rows, times) for times in curve.AHEAD if any(row[0] == times for row in rows)]
    lines += [cells("all", every, times) for times in curve.AHEAD]
    head = ("set", "of the sample", "held %", "width", "width of the present", "median - truth", "told %")
    print(table(head, lines))


if __name__ == "__main__":
    main()
