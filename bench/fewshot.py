"""Heads on features of few images: `fit_linear` as it is and as it was, and scikit-learn's, on held-out images.

    python bench/fewshot.py run OUT.jsonl DATA [DATA ...] [--each 1,2,5,10,20,50,0] [--draws 5] [--most N]
    python bench/fewshot.py table OUT.jsonl
    python bench/fewshot.py large

DATA is NAME=FOLDER, ``textile`` (the extra ``sample``), ``digits`` (scikit-learn's) or ``fashion=FOLDER`` (that of
Debian's ``dataset-fashion-mnist``). So many images a class learn, 0
being all; the split ``test`` is judged, half of the images where there is none. What OUT.jsonl holds is not made again.
Features are those of `FeatureExtractor()`. Nothing is chosen on test images. Before: `fit_linear` with columns
standardised by their own deviation, one dealing of folds, and the strongest of equal strengths.

``large`` times the head alone: 1,000 classes of 5 images with 1,280 made-up features each.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from _report import header, table
from advice import digits, fashion
from topwork.backbones import load
from topwork.data import ImageDataset, read, split
from topwork.features import FeatureTable, extract
from topwork.heads import fit_linear
from topwork.heads._rows import one_thread
from topwork.tasks.classification import sample_folder

Row = dict[str, Any]
OURS = ("now", "before")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table", "large"))
    parser.add_argument("out", type=Path, nargs="?", default=Path("fewshot.jsonl"))
    parser.add_argument("data", nargs="*")
    parser.add_argument("--each", default="1,2,5,10,20,50,0")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--most", type=float, default=1e9, help="seconds after which nothing more is begun")
    options = parser.parse_args()
    if options.what == "large":
        large()
        return
    done = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    if options.what == "table":
        show(done)
        return
    made = {(row["data"], row["each"], row["draw"]) for row in done}
    start = time.perf_counter()
    for asked in options.data:
        name = asked.split("=")[0]
        todo = [
            (each, draw)
            for draw in range(options.draws)
            for each in map(int, options.each.split(","))
            if (name, each, draw) not in made
        ]
        features = features_of(asked) if todo else None
        for each, draw in todo:
            assert features is not None
            if time.perf_counter() - start > options.most:
                return
            row = {"data": name, "each": each, "draw": draw, **measured(features, each, draw)}
            with options.out.open("a") as file:
                file.write(json.dumps(row) + "\n")


def features_of(asked: str) -> FeatureTable:
    name, _, folder = asked.partition("=")
    if name in ("digits", "fashion"):
        dataset = digits() if name == "digits" else fashion(Path(folder))
    else:
        dataset = read(str(sample_folder()) if name == "textile" else folder)
    if not dataset.held_out_split:
        dataset = split(dataset, test=0.5)
    backbone = load()
    return extract(dataset, backbone, outputs=backbone.outputs("last", "mean+max"))


def drawn(dataset: ImageDataset, each: int, draw: int) -> npt.NDArray[np.intp]:
    """So many training images of each class; all where there are fewer, or where 0 are asked for."""
    rng = np.random.default_rng(draw)
    rows = np.flatnonzero(np.asarray(dataset.splits) == "train")
    dealt = [rng.permutation(rows[dataset.labels[rows] == label]) for label in range(len(dataset.classes))]
    return np.concatenate([part[: each or None] for part in dealt])


def measured(features: FeatureTable, each: int, draw: int) -> Row:
    """Test accuracy and seconds of every head."""
    labels = features.dataset.labels.astype(np.intp)
    rows = drawn(features.dataset, each, draw)
    test = np.flatnonzero(np.asarray(features.dataset.splits) == "test")
    found: Row = {"images": len(rows), "accuracy": {}, "seconds": {}}
    for name, fit in heads(int(np.bincount(labels[rows]).min()), len(features.dataset.classes), draw).items():
        start = time.perf_counter()
        with one_thread(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of solvers that stop early
            answer = fit(features.values[rows], labels[rows])
        found["seconds"][name] = round(time.perf_counter() - start, 3)
        found["accuracy"][name] = float((answer(features.values[test]) == labels[test]).mean())
    return found


Answer = Callable[[npt.NDArray[np.float32]], npt.NDArray[Any]]


def heads(fewest: int, classes: int, seed: int) -> dict[str, Callable[..., Answer]]:
    """What fits features and labels and gives a function from features to classes; LDA needs two images a class."""
    folds = min(5, fewest)
    strengths = np.logspace(-6, 1, 8)
    logistic: Any = LogisticRegression()
    if folds > 1:
        logistic = LogisticRegressionCV(Cs=strengths, cv=folds, scoring="neg_log_loss", max_iter=200)
    theirs: dict[str, Any] = {
        "LogisticRegressionCV, standardised": make_pipeline(StandardScaler(), logistic),
        "kNN": KNeighborsClassifier(min(5, fewest)),
        "nearest mean": NearestCentroid(),
        "logistic C=100, normalised": make_pipeline(Normalizer(), LogisticRegression(C=100, max_iter=1000)),
    }
    if folds > 1:
        theirs["LDA, Ledoit–Wolf"] = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    ours = {
        "now": lambda x, y: _ours(x, y, classes, seed),
        "before": lambda x, y: _before(x, y, classes, seed),
    }
    return ours | {name: (lambda x, y, head=head: head.fit(x, y).predict) for name, head in theirs.items()}


def _ours(features: Any, labels: Any, classes: int, seed: int, **how: Any) -> Answer:
    head = fit_linear(features, labels, classes, seed=seed, **how).head
    return lambda rows: head.logits(rows).argmax(axis=1)


def _before(features: Any, labels: Any, classes: int, seed: int) -> Answer:
    with contextlib.ExitStack() as stack:
        for name in ("_design.IMAGINED", "_path._MANY"):
            stack.enter_context(mock.patch(f"topwork.heads.{name}", 0))
        return _ours(features, labels, classes, seed, method="logistic")


def show(done: list[Row]) -> None:
    print(header("Heads on features of few images, EfficientNet-Lite0"))
    names = list(dict.fromkeys(name for row in done for name in row["accuracy"]))
    rows = [*summary(done, names)]
    print(table(("data", "images a class", "draws", *(f"{name} %" for name in names), "best − now"), rows))
    print()
    print(table(("head", "mean regret", "largest regret"), [*regrets(done, names)]))


def means(done: list[Row], names: list[str]) -> Iterator[tuple[str, int, int, list[float]]]:
    """Data, images a class, draws, and each head's mean accuracy in per cent; NaN where it cannot be fitted."""
    for data, each in dict.fromkeys((row["data"], row["each"]) for row in done):
        own = [row["accuracy"] for row in done if (row["data"], row["each"]) == (data, each)]
        yield data, each, len(own), [100 * float(np.mean([row.get(name, np.nan) for row in own])) for name in names]


def summary(done: list[Row], names: list[str]) -> Iterator[tuple[str, ...]]:
    for data, each, draws, found in sorted(means(done, names), key=lambda row: (row[0], row[1] or 10_000)):
        cells = ["–" if np.isnan(value) else f"{value:.1f}" for value in found]
        yield data, str(each or "all"), str(draws), *cells, f"{np.nanmax(found) - found[0]:.1f}"


def regrets(done: list[Row], names: list[str]) -> Iterator[tuple[str, str, str]]:
    """How far each head stays behind the best of a set and size, in points."""
    found = np.array([values for *_, values in means(done, names)])
    behind = np.nanmax(found, axis=1, keepdims=True) - found
    for name, column in zip(names, behind.T, strict=True):
        yield name, f"{np.nanmean(column):.2f}", f"{np.nanmax(column):.1f}"


def large(classes: int = 1000, each: int = 5, width: int = 1280) -> None:
    rng = np.random.default_rng(0)
    centres = 0.5 * rng.standard_normal((classes, width))

    def images(count: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]]:
        labels = np.repeat(np.arange(classes), count)
        return np.maximum(
            centres[labels] + 1.6 * rng.standard_normal((len(labels), width)), 0, dtype=np.float32
        ), labels

    (features, labels), (others, truth) = images(each), images(2)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    found = fit_linear(features, labels, classes)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    hits = float((found.head.logits(others).argmax(axis=1) == truth).mean())
    print(
        f"{classes} x {each} x {width}: {seconds:.1f} s, {peak / 2**20:.2f} GB at the peak, {before / 2**20:.2f} before"
    )
    print(f"accuracy {100 * hits:.1f} %, out of fold {100 * (found.cv_accuracy or 0):.1f} %")


if __name__ == "__main__":
    main()
