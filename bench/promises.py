"""What a model promises and when it warns, against what comes of it: on real images, over many random splits.

Every data set is split at random into training images and others. What to read is chosen each time as `fit` chooses it,
out of thirty readings; the chosen head's out-of-fold answers on the training images make the promises, the others try
them. The plain way of prediction sets, APS without a random draw (Romano, Sesia & Candes 2020), stands beside. The
alarm is fitted on the training images and asked about the others, in batches of 20 too, and about the other data sets.
scikit-learn's logistic regression on noisy digits shows the same where there are ten classes.

    python bench/promises.py NAME=DATA[:TRAINING_IMAGES] ... [--splits 10]
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt

from _report import header, table
from topwork.advising import BudgetClock
from topwork.backbones import Backbone, load
from topwork.data import ImageDataset, read
from topwork.features import FeatureTable, extract
from topwork.heads import equal_blocks, fit_novelty
from topwork.metrics import abstention_thresholds, conformal_thresholds, selective_reports, shift, typicality
from topwork.tasks.classification.ladder import AdviceOptions
from topwork.tasks.classification.ladder._ladder import Ladder, RungAnnouncer
from topwork.tasks.classification.ladder._training_features import TrainingFeatures
from topwork.tasks.classification.strategies import FinetuneOptions, ProbeOptions

LEVELS = (0.9, 0.95, 0.99)
BATCH = 20
Rows = npt.NDArray[np.intp]
Shares = npt.NDArray[np.floating]
Draw = tuple[Shares, Rows, Shares, Rows]  # probabilities and labels: of what promises, of what tries it


def chosen_answers(dataset: ImageDataset, backbone: Backbone, training: Rows, seed: int) -> Draw:
    """Probabilities of training images, out of fold, and of the others, by the head that `fit` would choose of all."""
    parts = np.where(np.isin(np.arange(len(dataset)), training), "train", "test")
    probe = ProbeOptions(seed=seed)
    options = AdviceOptions(budget_seconds=3600, describe=False, finetune=FinetuneOptions(probe=probe))
    ground = TrainingFeatures(dataclasses.replace(dataset, splits=parts), backbone, options, lambda text: None)
    ladder = Ladder(ground, BudgetClock(3600), RungAnnouncer(lambda text: None))
    ladder.probe()
    ladder.readings()
    chosen = ladder.leader.trained
    assert chosen is not None
    fitted = chosen.fitted
    logits = fitted.oof_logits[fitted.held_out].astype(np.float64) / fitted.head.temperature
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    others = ground.whole(chosen.spec).split("test")
    known = ground.labels[fitted.held_out]
    new = fitted.head.probabilities(others.values)
    return shares / shares.sum(axis=1, keepdims=True), known, new, others.dataset.labels.astype(np.intp)


def aps(known: Shares, labels: Rows, new: Shares, new_labels: Rows, level: float) -> tuple[float, float]:
    """Coverage and size of adaptive prediction sets: classes until their probabilities sum to a threshold."""
    order = np.argsort(-known, axis=1)
    sums = np.cumsum(np.take_along_axis(known, order, axis=1), axis=1)
    own = np.sort(sums[np.arange(len(labels)), (order == labels[:, None]).argmax(axis=1)])
    threshold = own[min(int(np.ceil((len(own) + 1) * level)), len(own)) - 1]
    order = np.argsort(-new, axis=1)
    sums = np.cumsum(np.take_along_axis(new, order, axis=1), axis=1)
    sizes = np.minimum((sums < threshold - 1e-12).sum(axis=1) + 1, new.shape[1])
    return float(((order == new_labels[:, None]).argmax(axis=1) < sizes).mean()), float(sizes.mean())


def promise_rows(name: str, draws: list[Draw]) -> list[list[str]]:
    """One row a level: means over the draws."""
    rows = []
    for level in LEVELS:
        figures = []
        for known, labels, new, new_labels in draws:
            made = {
                "levels": [level],
                "sets": conformal_thresholds(known, labels, [level]),
                "answers": abstention_thresholds(known, labels, [level]),
            }
            (came,) = selective_reports(new, new_labels, **made, reported=[level])
            answered = (came.answered.value, came.accuracy.value) if came.answered and came.accuracy else (np.nan,) * 2
            figures.append((came.coverage.value, came.size, *answered, *aps(known, labels, new, new_labels, level)))
        means = np.nanmean(figures, axis=0)
        shown = [f"{100 * value:.1f}" if place not in (1, 5) else f"{value:.2f}" for place, value in enumerate(means)]
        rows.append([name, f"{100 * level:.0f}", *shown])
    return rows


def digit_draws(splits: int) -> list[Draw]:
    """Noisy digits: 600 to learn from, 400 to promise by, the others to try it on."""
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    data = load_digits()
    images = data.data / 16 + np.random.default_rng(1).normal(0, 0.2, data.data.shape)
    draws = []
    for seed in range(splits):
        order = np.random.default_rng(seed).permutation(len(images))
        learn, known, new = order[:600], order[600:1000], order[1000:]
        model = LogisticRegression(max_iter=1000).fit(images[learn], data.target[learn])
        said = [model.predict_proba(images[rows]) for rows in (known, new)]
        draws.append((said[0], data.target[known], said[1], data.target[new]))
    return draws


def alarm_row(name: str, found: FeatureTable, count: int, others: dict[str, Shares], splits: int) -> list[str]:
    """Shares of own images and own batches that are called strange, and of other data."""
    own, batches = [], []
    strange: dict[str, list[float]] = {other: [] for other in others}
    for seed in range(splits):
        order = np.random.default_rng(seed).permutation(len(found))
        values, weights = found.values[order[:count]], equal_blocks(found.widths)
        novelty = fit_novelty(values, np.arange(count) % 5, column_weights=weights)

        def far(features: Shares, novelty=novelty) -> npt.NDArray[np.float64]:
            return typicality(novelty.distances(features), novelty.reference)

        mine = far(found.values[order[count:]])
        own.append((mine <= 0.05).mean())
        starts = range(0, len(mine) - BATCH + 1, BATCH)
        batches.append(np.mean([shift(mine[start : start + BATCH], count).alarm for start in starts]))
        for other, features in others.items():
            strange[other].append((far(features) <= 0.05).mean())
    told = ", ".join(f"{other} {100 * np.mean(shares):.1f}" for other, shares in strange.items())
    return [name, str(count), f"{100 * np.mean(own):.1f}", f"{100 * np.mean(batches):.1f}", told or "–"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", nargs="+", help="NAME=DATA[:TRAINING_IMAGES]")
    parser.add_argument("--splits", type=int, default=10)
    arguments = parser.parse_args()
    backbone = load("lite0")
    found, counts = {}, {}
    for given in arguments.data:
        name, _, rest = given.partition("=")
        folder, _, count = rest.partition(":")
        # For the alarm; textile needs the early stages, which are all tried elsewhere (bench/accuracy.py).
        outputs = backbone.outputs("all" if "textile" in name else "last", "mean+max")
        network = backbone.replace(crop_mode="squash" if "textile" in name else "crop")
        found[name] = extract(read(Path(folder)), network, outputs=outputs)
        counts[name] = int(count or 200)
    promises, alarms = [], []
    for name, features in found.items():
        count, draws = counts[name], []
        for seed in range(arguments.splits):
            training = np.random.default_rng(seed).permutation(len(features))[:count]
            draws.append(chosen_answers(features.dataset, backbone, training, seed))
        promises += promise_rows(f"{name}, {count}", draws)
        own = {"outputs": features.outputs, "choice": features.choice}
        others = {
            other: np.array(extract(theirs.dataset, features.backbone, **own).values)
            for other, theirs in found.items()
            if other != name
        }
        alarms.append(alarm_row(name, features, count, others, arguments.splits))
    promises += promise_rows("noisy digits, 400", digit_draws(arguments.splits))
    print(header(f"Promises and the alarm, {arguments.splits} random splits"))
    head = ("data, calibration images", "promised %", "sets hold %", "classes", "answered %", "right %")
    print(table((*head, "APS: hold %", "classes"), promises))
    print("\nCalled strange, in % of images:\n")
    print(table(("trained on", "images", "own", f"own batches of {BATCH}", "others"), alarms))


if __name__ == "__main__":
    main()
