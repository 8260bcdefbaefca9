"""The data doctor: how well it finds wrong labels, how long it takes, how much memory it needs.

    python bench/doctor.py labels DATA | textile | digits | fashion-mnist=FOLDER [--seeds 5] [--flipped 0.05 0.1]
    python bench/doctor.py speed DATA [--repeats 3]
    python bench/doctor.py scale [--few 2000] [--many 100000]

``labels`` turns a share of the training part's labels to another class at random, in memory, and compares the list of
likely label errors with what was turned. Beside it stands the plain way: confident learning as published (Northcutt,
Jiang & Chuang 2021), on out-of-fold probabilities of scikit-learn's logistic regression on the standardised last
features, and on those of our own probe. Lists are of different lengths, so each way is also asked for its best
list with nine right of ten, and ours for the precision of a list that finds what it finds.
``speed`` compares the check with extracting the same features once, both
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
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from _report import header, spread, table
from advice import digits, fashion
from memory import generate
from topwork import extract, load_backbone, read
from topwork.checking import check
from topwork.checking._labels import WRONG
from topwork.checking._probe import _Reader, ask_probe
from topwork.data import ImageDataset, split
from topwork.features import FeatureTable
from topwork.tasks.classification import sample_folder


def flipped(dataset: ImageDataset, share: float, seed: int) -> tuple[ImageDataset, set[str]]:
    """The data set with a share of its labels turned to another class, and the paths of those."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(dataset), round(share * len(dataset)), replace=False)
    labels = dataset.labels.copy()
    labels[rows] = (labels[rows] + rng.integers(1, len(dataset.classes), len(rows))) % len(dataset.classes)
    return replace(dataset, labels=labels), {dataset.paths[row] for row in rows.tolist()}


def images(name: str) -> ImageDataset:
    """The training part of a folder or of one of the sets that packages hold."""
    makers = {
        "textile": lambda: split(read(sample_folder()), test=0.5),
        "digits": digits,
        "fashion-mnist": lambda: fashion(Path(name.partition("=")[2])),
    }
    dataset = makers.get(name.partition("=")[0], lambda: read(name))()
    return dataset.split("train") if (dataset.splits == "train").any() else dataset


def labels(options: argparse.Namespace) -> None:
    dataset, backbone = images(options.data), load_backbone()
    table_of = extract(dataset, backbone, outputs=backbone.outputs("all"))
    clean = _asked(table_of, table_of.dataset.labels)
    rows = [("none", way, str(int(found.listed.sum())), "", "", "", "") for way, found in clean.items()]
    for share in options.flipped:
        draws = []
        for seed in range(options.seeds):
            changed, turned = flipped(table_of.dataset, share, seed)
            wrong = np.isin(np.array(changed.paths), list(turned))
            draws.append((_asked(table_of, changed.labels), wrong))
        rows += [(f"{share:.0%}", way, *_compared(way, draws)) for way in clean]
    name = Path(options.data.partition("=")[0]).name
    print(header(f"Likely label errors among {len(table_of)} images of {name}, {options.seeds} draws together"))
    print(
        table(
            ("turned", "way", "listed", "precision", "recall", "recall, 9 of 10 right", "our precision at its recall"),
            rows,
        )
    )


class Found(NamedTuple):
    """What one way says of N labels."""

    listed: npt.NDArray[np.bool_]
    order: npt.NDArray[np.intp]  # the most suspicious first


def _asked(features: FeatureTable, given: npt.NDArray[Any]) -> dict[str, Found]:
    """Every way's answer."""
    turned = replace(features, dataset=replace(features.dataset, labels=given.astype(np.int32)))
    rows, classes = np.arange(len(given)), len(features.dataset.classes)
    opinion = ask_probe(turned, rows, seed=0)
    assert opinion is not None
    suspicion = np.zeros(len(given))
    suspicion[opinion.rows] = opinion.wrong
    last = np.asarray(features.values[:, -features.widths[-1] :])
    plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    answers = cross_val_predict(plain, last, given, cv=folds, method="predict_proba")
    read_by = _Reader(turned, rows, classes)
    read_by.choose(rows, 0)
    fitted = read_by.fit(read_by.values(rows), read_by.labels(rows), 0)
    logits = fitted.oof_logits / fitted.head.temperature
    ours = np.exp(logits - logits.max(axis=1, keepdims=True))
    return {
        "topwork": Found(suspicion > WRONG, np.argsort(-suspicion, kind="stable")),
        "confident learning, logistic regression": confident_learning(answers, given),
        "confident learning, our probe": confident_learning(ours / ours.sum(axis=1, keepdims=True), given),
    }


def confident_learning(answers: npt.NDArray[Any], given: npt.NDArray[Any]) -> Found:
    """Northcutt, Jiang & Chuang 2021, "Confident Learning", sections 3.1 and 3.2.

    A class's threshold is the mean probability that its own images give it; an image counts, in the confident joint,
    for the likeliest class above its threshold. The joint is scaled to the given labels' counts, and pruned by noise
    rate: of each pair of classes so many labels as the joint says, the largest margins first.

    Args:
        answers: (N, C) out-of-fold probabilities.
        given: (N,) labels, each class among them.
    """
    rows, classes = np.arange(len(given)), answers.shape[1]
    own = answers[rows, given]
    thresholds = np.array([own[given == label].mean() for label in range(classes)])
    above = np.where(answers >= thresholds, answers, -1.0)
    counted = above.max(axis=1) >= 0
    joint = np.zeros((classes, classes))
    np.add.at(joint, (given[counted], above.argmax(axis=1)[counted]), 1)
    joint *= (np.bincount(given, minlength=classes) / np.maximum(joint.sum(axis=1), 1))[:, None]
    joint *= len(given) / joint.sum()
    margins, listed = answers - own[:, None], np.zeros(len(given), np.bool_)
    for label in range(classes):
        some = np.flatnonzero(given == label)
        for other in range(classes):
            if other != label:
                listed[some[np.argsort(-margins[some, other], kind="stable")[: round(joint[label, other])]]] = True
    margins[rows, given] = -np.inf
    return Found(listed & (answers.argmax(axis=1) != given), np.argsort(-margins.max(axis=1), kind="stable"))


def _compared(way: str, draws: list[tuple[dict[str, Found], npt.NDArray[np.bool_]]]) -> tuple[str, ...]:
    """Listed, precision, recall, recall at a precision of 0.9, and ours at the same recall."""
    listed = right = turned = best = needed = 0
    for asked, wrong in draws:
        found = asked[way]
        hits = np.cumsum(wrong[found.order])
        precise = np.flatnonzero(hits >= 0.9 * np.arange(1, len(wrong) + 1))
        hit = int((found.listed & wrong).sum())
        best += int(hits[precise[-1]]) if len(precise) else 0
        needed += int(np.searchsorted(np.cumsum(wrong[asked["topwork"].order]), hit)) + 1 if hit else 0
        listed, right, turned = listed + int(found.listed.sum()), right + hit, turned + int(wrong.sum())
    at_its_recall = f"{right / max(needed, 1):.3f} at {right / turned:.3f}"
    shares = (f"{right / max(listed, 1):.3f}", f"{right / turned:.3f}", f"{best / turned:.3f}", at_its_recall)
    return str(listed), *shares


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
            part.add_argument("data", type=str if work is labels else Path)
        if work is labels:
            part.add_argument("--seeds", type=int, default=5)
            part.add_argument("--flipped", type=float, nargs="+", default=(0.05, 0.1))
        if work is speed:
            part.add_argument("--repeats", type=int, default=3)
        if work is scale:
            part.add_argument("--few", type=int, default=2_000)
            part.add_argument("--many", type=int, default=100_000)
    options = parser.parse_args()
    options.work(options)


if __name__ == "__main__":
    main()
