"""Advice against the truth: what it would have been best to choose, and what was promised, on parts it never saw.

    python bench/advice.py OUT.jsonl [hymenoptera=FOLDER] [cats-dogs=FOLDER] [fashion=FOLDER]
                           ["only=NAME;NAME"] [budget=SECONDS]
    python bench/advice.py OUT.jsonl table

Every task has a test part that advice never sees. A task is climbed once under the budget; then *every* rung is
measured in full: each reading of the grid on all training images, and both fine-tunings with the whole budget each.
One row a task is appended to OUT.jsonl as soon as it is done, and a task that is there already is passed over, so that
the bench may be interrupted and gone on with. ``table`` prints what is there.

The textile sample (the extra ``sample``) and scikit-learn's digits are always there. Fashion-MNIST is Debian's package
``dataset-fashion-mnist``: ``fashion=/usr/share/datasets/fashion-mnist``.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from _report import header, table
from topwork.advising import BudgetClock
from topwork.advising._advice import FeatureSpec
from topwork.advising._bbc_cv import best
from topwork.advising._learning_curve import forecast
from topwork.advising._out_of_fold import knn
from topwork.backbones import load
from topwork.data import ImageDataset, from_arrays, read, split
from topwork.tasks.classification import sample_folder
from topwork.tasks.classification.ladder import AdviceOptions, climb
from topwork.tasks.classification.ladder._candidates import Trained, depths, larger, scored, train
from topwork.tasks.classification.ladder._training_features import SAMPLE, TrainingFeatures
from topwork.tasks.classification.strategies import (
    AsIsOptions,
    FinetuneOptions,
    default_config,
    finetune,
    fit_as_is,
    probe_of,
)

FEW = (5, 20)
SCORES = ("logme", "h_score", "knn", "probe")
_POINTS = 100.0


def few(dataset: ImageDataset, count: int) -> ImageDataset:
    """The same test part, and so many training images a class."""
    rng = np.random.default_rng(0)
    rows = np.flatnonzero(dataset.splits == "train")
    kept = [rng.permutation(rows[dataset.labels[rows] == label])[:count] for label in range(len(dataset.classes))]
    return dataset.select(np.sort(np.concatenate([*kept, np.flatnonzero(dataset.splits == "test")])))


def grey(pixels: npt.NDArray[np.uint8], labels: npt.NDArray[Any], factor: int) -> ImageDataset:
    """Small grey images (N, h, w), larger by a whole factor, in three equal channels."""
    large = pixels.repeat(factor, axis=1).repeat(factor, axis=2)
    return from_arrays(np.stack([large] * 3, axis=-1), [str(label) for label in labels])


def digits() -> ImageDataset:
    """scikit-learn's digits: 8 x 8, as 64 x 64."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return split(grey((found.images * (255 / 16)).astype(np.uint8), found.target, 8), test=0.5)


def unpacked(file: Path) -> bytes:
    """What a .gz file holds."""
    return gzip.decompress(file.read_bytes())


def fashion(folder: Path, count: int = 1000) -> ImageDataset:
    """Fashion-MNIST: the first images of either part, 28 x 28 as 56 x 56."""

    def part(name: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        images = np.frombuffer(unpacked(folder / f"{name}-images-idx3-ubyte.gz")[16:], np.uint8)
        labels = np.frombuffer(unpacked(folder / f"{name}-labels-idx1-ubyte.gz")[8:], np.uint8)
        return images.reshape(-1, 28, 28)[:count], labels[:count]

    (first, ours), (second, theirs) = part("train"), part("t10k")
    dataset = grey(np.concatenate([first, second]), np.concatenate([ours, theirs]), 2)
    return dataclasses.replace(dataset, splits=np.repeat(["train", "test"], count))


def tasks(folders: dict[str, str]) -> Iterator[tuple[str, Callable[[], ImageDataset]]]:
    """Name and maker of every task that there is data for."""
    textile: Callable[[], ImageDataset] = lambda: split(read(sample_folder()), test=0.5)  # noqa: E731
    if "hymenoptera" in folders:
        yield "hymenoptera", lambda: read(folders["hymenoptera"])
    if "cats-dogs" in folders:
        yield "cats-dogs", lambda: read(folders["cats-dogs"])
        for count in FEW:
            yield f"cats-dogs, {count} a class", lambda count=count: few(read(folders["cats-dogs"]), count)
    yield "textile", textile
    yield "textile, 20 a class", lambda: few(textile(), 20)
    yield "digits", digits
    if "fashion" in folders:
        yield "fashion-mnist", lambda: fashion(Path(folders["fashion"]))


def accuracy(fitted: Any) -> float:
    """On the part ``test``."""
    test = fitted.table.split("test")
    return float((fitted.head.probabilities(test.values).argmax(axis=1) == test.dataset.labels).mean())


def measure(dataset: ImageDataset, budget: float) -> dict[str, Any]:
    """What advice chose and promised, and what everything would have given."""
    options = AdviceOptions(budget_seconds=budget)
    fresh = dataclasses.replace(
        options, describe=False, finetune=dataclasses.replace(options.finetune, probe=_uncached(options))
    )
    found = climb(dataset, [load()], fresh)
    advice, chosen = found.advice, found.advice.chosen
    assert chosen.accuracy is not None
    row: dict[str, Any] = {
        "train": len(dataset.split("train")),
        "test": len(dataset.split("test")),
        "choice": chosen.name,
        "detail": chosen.detail,
        "promised": chosen.accuracy.to_dict(),
        "chosen": accuracy(found.fitted()),
        "seconds": advice.seconds,
        "stopped": advice.stopped,
        "rungs": {rung.name: rung.accuracy.value for rung in advice.rungs if rung.accuracy},
    }
    begin = time.perf_counter()
    row["truth"], row["scores"], row["best reading"] = everything(dataset, options, budget)
    row["full_seconds"] = time.perf_counter() - begin
    row["forecast"] = forecast_half(dataset, options)
    return row


def _uncached(options: AdviceOptions) -> Any:
    return dataclasses.replace(options.probe, cache=False)


def everything(
    dataset: ImageDataset, options: AdviceOptions, budget: float
) -> tuple[dict[str, float], dict[str, list[float]], str]:
    """Every rung in full, with nothing but the networks from the cache.

    Returns:
        Accuracy on the test part by name; what each cheap score says of each reading, on the usual sample; and the
        reading that advice's own rule takes when all are cross-validated on all training images.
    """
    features = TrainingFeatures(
        dataset, load(), dataclasses.replace(options, finetune=FinetuneOptions(probe=_uncached(options))), say
    )
    found: dict[str, float] = {}
    scores: dict[str, list[float]] = {}
    tests: dict[int, Any] = {}
    tried: list[tuple[Trained, Any, str]] = []
    for reading in readings(features):
        trained = train(features, reading, features.table(reading.size))
        if reading.size not in tests:
            everything_read = FeatureSpec(reading.size, reading.crop_mode, len(features.backbone.stages), "mean+max")
            tests[reading.size] = features.whole(everything_read)
        whole = tests[reading.size].keep(reading.outputs(features.backbone))
        fitted = probe_of(whole, trained.fitted, ())
        name = f"probe: {reading.words(features.backbone)}"
        found[name] = accuracy(fitted)
        said = scored(features.sample(reading.size, SAMPLE).keep(reading.outputs(features.backbone)), 0)
        scores[name] = [float(getattr(said, score) or 0.0) for score in SCORES]
        tried.append((trained, fitted, name))
    tried.sort(key=lambda each: (each[0].spec.size, each[0].spec.stages))
    _, fitted, name = tried[best([trained.scores for trained, _, _ in tried])]
    found |= neighbours(features, tests)
    try:
        found["as-is"] = accuracy(fit_as_is(dataset, features.backbone, AsIsOptions(way="names", cache=False)))
    except Exception as error:
        print(f"  as-is: {error}", file=sys.stderr)
    for unfreeze in ("auto", "all"):
        config = default_config(budget_seconds=budget)
        try:
            asked = FinetuneOptions(unfreeze=unfreeze, config=config, probe=_uncached(options))
            tuned = finetune(dataset, fitted, asked)
        except Exception as error:  # too few images to set some aside
            print(f"  fine-tuning {unfreeze}: {error}", file=sys.stderr)
            continue
        if tuned.strategy == "finetune":
            found[f"fine-tuning, {unfreeze}"] = accuracy(tuned)
    return found, scores, name


def readings(features: TrainingFeatures) -> list[FeatureSpec]:
    """All of the grid."""
    return [
        dataclasses.replace(each, size=size)
        for size in (features.size, *larger(features))
        for each in (features.own, *depths(features))
    ]


def neighbours(features: TrainingFeatures, tests: dict[int, Any]) -> dict[str, float]:
    """kNN on the last features."""
    own = features.own.outputs(features.backbone)
    head = knn(features.train.keep(own))
    test = tests[features.size].split("test")
    return {"kNN": float((head.probabilities(test.columns(own)).argmax(axis=1) == test.dataset.labels).mean())}


def forecast_half(dataset: ImageDataset, options: AdviceOptions) -> dict[str, Any] | None:
    """A forecast from half of the training part, and what all of it gives."""
    train_rows = np.flatnonzero(dataset.splits == "train")
    half = split(dataset.split("train"), test=0.5).splits == "train"
    fewer = dataset.select(np.sort(np.concatenate([train_rows[half], np.flatnonzero(dataset.splits == "test")])))
    features = TrainingFeatures(fewer, load(), options, say)
    spec = dataclasses.replace(features.own, stages=len(features.backbone.stages), pooling="mean+max")
    read_by_half = features.train.keep(spec.outputs(features.backbone))
    found = forecast(read_by_half, "auto", 0, BudgetClock(600))
    if found is None:
        return None
    full = TrainingFeatures(dataset, features.backbone, options, say)
    trained = train(full, dataclasses.replace(spec, crop_mode=full.own.crop_mode), full.train)
    return {
        "ahead": found.ahead[0].accuracy.to_dict(),
        "truth": accuracy(probe_of(full.whole(spec), trained.fitted, ())),
        "cross-validated": trained.scores.accuracy,
    }


def say(text: str) -> None:
    """Nothing."""


def main() -> None:
    out, *rest = sys.argv[1:]
    given = dict(each.split("=", 1) for each in rest if "=" in each)
    file = Path(out)
    done = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    if "table" not in rest:
        wanted = given.get("only")
        for name, make in tasks(given):
            if any(row["task"] == name for row in done) or (wanted and name not in wanted.split(";")):
                continue
            print(name, file=sys.stderr, flush=True)
            row = {"task": name, **measure(make(), float(given.get("budget", 300)))}
            with file.open("a") as lines:
                lines.write(json.dumps(row) + "\n")
            done.append(row)
    print(report(done))


def report(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown, with what the issue asks of them."""
    cells, regrets, strict, inside, costs, ahead = [], [], [], [], [], []
    for row in rows:
        readings = row["scores"]
        rungs = {name: value for name, value in row["truth"].items() if name not in readings}
        first = next(iter(readings))  # the network's own features, its own size
        rungs |= {name: row["truth"][name] for name in (first, row["best reading"])}
        name = max(rungs, key=lambda key: rungs[key])
        regret = _POINTS * max(0.0, rungs[name] - row["chosen"])
        strict.append(_POINTS * max(0.0, *(value - row["chosen"] for value in row["truth"].values())))
        promised = row["promised"]
        within = promised["low"] <= row["chosen"] <= promised["high"]
        regrets.append(regret)
        inside.append(within)
        costs.append(row["seconds"] / row["full_seconds"])
        if row["forecast"]:
            seen = row["forecast"]
            ahead.append(seen["ahead"]["low"] <= seen["truth"] <= seen["ahead"]["high"])
        cells.append(
            (
                row["task"],
                f"{row['train']} / {row['test']}",
                f"{row['choice']}: {row['detail']}",
                f"{100 * promised['value']:.1f} ({100 * promised['low']:.1f}–{100 * promised['high']:.1f})",
                f"{100 * row['chosen']:.1f}{'' if within else ' (!)'}",
                f"{name} {100 * rungs[name]:.1f}",
                f"{regret:.1f}",
                f"{row['seconds']:.0f} / {row['full_seconds']:.0f}",
                _forecast(row["forecast"]),
            )
        )
    head = (
        "task",
        "train / test",
        "choice",
        "promised %",
        "test %",
        "best rung %",
        "regret",
        "seconds / in full",
        "forecast %",
    )
    return "\n".join(
        [
            header("Advice: regret, promises, cost, forecasts"),
            table(head, cells),
            "",
            f"Regret against the best rung: mean {statistics.mean(regrets):.2f}, at most {max(regrets):.2f} points; "
            "against the best of everything that was measured, each reading of the grid by itself, picked on the test "
            f"part: {statistics.mean(strict):.2f} and {max(strict):.2f}. "
            f"Promises held: {sum(inside)} of {len(inside)}. Forecasts held: {sum(ahead)} of {len(ahead)}. "
            f"Cost against measuring every rung: mean {statistics.mean(costs):.2f}.",
            "",
            f"Test accuracy % of the reading that one cheap score alone would have chosen on {SAMPLE} images:",
            "",
            table(
                ("task", "LogME", "H-score", "kNN", "probe", "advice", "best reading"),
                [_by_score(row) for row in rows],
            ),
        ]
    )


def _by_score(row: dict[str, Any]) -> tuple[str, ...]:
    readings = row["scores"]
    picked = [row["truth"][max(readings, key=lambda name: readings[name][place])] for place in range(len(SCORES))]
    highest = max(row["truth"][name] for name in readings)
    return (row["task"], *(f"{100 * value:.1f}" for value in (*picked, row["chosen"], highest)))


def _forecast(found: dict[str, Any] | None) -> str:
    if found is None:
        return "–"
    low, high = 100 * found["ahead"]["low"], 100 * found["ahead"]["high"]
    held = found["ahead"]["low"] <= found["truth"] <= found["ahead"]["high"]
    return f"{low:.1f}–{high:.1f}: {100 * found['truth']:.1f}{'' if held else ' (!)'}"


if __name__ == "__main__":
    main()
