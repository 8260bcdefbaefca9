"""The candidates: what a head may read, by successive halving, and which backbone, by cheap scores of a sample."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from topwork.advising import (
    BudgetClock,
    FeatureSpec,
    Scores,
    Shortlisted,
    cross_val_scores,
    fit_head,
    h_score,
    knn,
    logme,
    scores_of_linear,
)
from topwork.backbones import Backbone, Pooling
from topwork.data import ImageDataset
from topwork.errors import DataError
from topwork.features import FeatureTable
from topwork.heads import LinearFit
from topwork.tasks._task import Announce
from topwork.tasks.classification.ladder._training_features import (
    SAMPLE,
    AdviceOptions,
    TrainingFeatures,
    sampled,
)

_LARGER = (1.15, 1.4)  # sides of the network's input that are tried, in its own
_STEP = 32  # pixels; what the strides of the usual networks multiply to
_DEPTHS = (1 / 3, 1 / 2, 1.0)  # shares of the stages, counted from the last
_POOLINGS: tuple[Pooling, ...] = ("mean", "max", "mean+max")
_FINALISTS = 2  # backbones
_HALVING = 4  # each round has so many times the images, and as many times fewer specs


class Trained(NamedTuple):
    """A head on what one spec takes, and what it got right out of fold."""

    spec: FeatureSpec
    fitted: LinearFit
    scores: Scores


def train(features: TrainingFeatures, spec: FeatureSpec, table: FeatureTable) -> Trained:
    """Fit and cross-validate a head on what a spec takes of a table, which has all stages at the spec's size."""
    kept = table.keep(spec.outputs(table.backbone))
    asked, seed = features.options.probe, features.options.seed
    fitted = fit_head(kept, class_weight=asked.class_weight, seed=seed, method=asked.method)
    return Trained(spec, fitted, scores_of_linear(fitted, kept))


def depths(features: TrainingFeatures) -> list[FeatureSpec]:
    """Specs at the network's own size, the fewest stages first; its own pooled features are not among them."""
    known = len(features.backbone.stages)
    counts = sorted({max(1, math.ceil(share * known)) for share in _DEPTHS})
    return [replace(features.own, stages=count, pooling=pooling) for count in counts for pooling in _POOLINGS]


def larger(features: TrainingFeatures) -> list[int]:
    """Sizes above the network's own."""
    rounded = {_STEP * round(features.size * factor / _STEP) for factor in _LARGER}
    return sorted(size for size in rounded if size > features.size)


class Halved(NamedTuple):
    """What a halving has found.

    Attributes:
        best: The best specs, each cross-validated on all training images; none where it was left early.
        why: It was left early.
        losses: By size, the lowest log loss in the first round, in which each size is tried on the same images.
    """

    best: list[Trained]
    why: str
    losses: dict[int, float]


def halved(features: TrainingFeatures, specs: Sequence[FeatureSpec], clock: BudgetClock) -> Halved:
    """All specs are tried on a small stratified sample; the best quarter on a sample four times as large, and so on.

    The order is by log loss. A round that the budget does not allow is not begun.

    Source: Jamieson & Talwalkar 2016, "Non-stochastic Best Arm Identification and Hyperparameter Optimization".
    """
    images, count = min(SAMPLE, len(features.order)), len(features.order)
    losses: dict[int, float] = {}
    while True:
        found: list[Trained] = []
        before = clock.spent
        for spec in specs:
            if clock.left == 0:
                why = f"the time was used up after {len(found)} of {len(specs)} feature sets on {images} images"
                return Halved([], why, losses)
            found.append(train(features, spec, features.sample(spec.size, images)))
        losses = losses or least_losses(found)
        if images == count:
            return Halved(found, "", losses)
        found.sort(key=lambda each: each.scores.log_loss)
        specs = [each.spec for each in found[: max(1, math.ceil(len(found) / _HALVING))]]
        following = min(_HALVING * images, count)
        needed = (clock.spent - before) * following / images / _HALVING
        if needed > clock.left:
            return Halved([], f"a comparison on {following} images would have taken about {needed:.0f} s", losses)
        images = following


def least_losses(found: Sequence[Trained]) -> dict[int, float]:
    """The lowest log loss of a head at each size."""
    sizes = sorted({each.spec.size for each in found})
    return {size: min(each.scores.log_loss for each in found if each.spec.size == size) for size in sizes}


def sizes_to_train(losses: Mapping[int, float], own: int, best: int) -> list[int]:
    """Sizes at which a network may be trained: its own, that at which heads do best, and between these the useful ones.

    A larger input takes longer, so it must serve heads better than all smaller ones do. Cloth of 250 pixels serves them
    worse at 256 pixels than at 224, and far better at 320; so it does whoever trains.

    Args:
        losses: By size, of the best head there.
        own: The network's own size.
        best: At which the best head of all stands; none is larger.
    """
    between = [size for size in sorted(losses) if own < size < best]
    useful = [size for size in between if losses[size] < min(losses[each] for each in losses if each < size)]
    return sorted({own, *useful, best})


def chosen_features(
    dataset: ImageDataset, backbones: Sequence[Backbone], options: AdviceOptions, clock: BudgetClock, say: Announce
) -> tuple[TrainingFeatures, tuple[Shortlisted, ...]]:
    """The features on the best backbone, and how it was found.

    No single score is to be trusted alone (docs/decisions/advice.md), so the finalists are those with the best mean
    rank in all four; among them the probe with the lowest log loss on all training images wins.

    Raises:
        DataError: A backbone comes twice, or there is none.
    """
    names = [backbone.name for backbone in backbones]
    if not names or len(set(names)) < len(names):
        raise DataError("a backbone is given twice" if names else "no backbone was given")
    if len(backbones) == 1:
        return TrainingFeatures(dataset, backbones[0], options, say), ()
    found = [scored(sampled(dataset.split("train"), each, options, SAMPLE, say), options.seed) for each in backbones]
    scores = np.array([[x.logme, x.h_score, x.knn or 0.0, x.probe or 0.0] for x in found])
    ranks = (
        (scores[:, None] > scores[None]).sum(axis=1).mean(axis=1)
    )  # mean over the scores of how many others it beats
    order = np.argsort(-ranks, kind="stable")[:_FINALISTS]
    best: tuple[float, TrainingFeatures] | None = None
    finalists = set()
    for place in order.tolist():
        if best is not None and clock.left == 0:
            break
        features = TrainingFeatures(dataset, backbones[place], options, say)
        loss = train(features, features.own, features.train).scores.log_loss
        finalists.add(place)
        if best is None or loss < best[0]:
            best = (loss, features)
    assert best is not None
    return best[1], tuple(replace(each, finalist=place in finalists) for place, each in enumerate(found))


def scored(sample: FeatureTable, seed: int) -> Shortlisted:
    """All cheap scores of a backbone's last features."""
    values, labels = sample.values, sample.dataset.labels
    neighbours = cross_val_scores(knn, sample, seed)
    return Shortlisted(
        sample.backbone.name,
        logme(values, labels),
        h_score(values, labels),
        None if neighbours is None else neighbours.accuracy,
        fit_head(sample, class_weight="none", seed=seed).cv_accuracy,
    )
