"""Several backbones: cheap scores of all on a sample, then a probe on all images for the finalists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from topwork.advising import BudgetClock, Shortlisted, cross_val_scores, fit_head, h_score, knn, logme
from topwork.backbones import Backbone
from topwork.data import ImageDataset
from topwork.errors import DataError
from topwork.features import FeatureTable
from topwork.tasks._task import Announce
from topwork.tasks.classification.ladder._grid import train
from topwork.tasks.classification.ladder._options import AdviceOptions
from topwork.tasks.classification.ladder._training_features import SAMPLE, TrainingFeatures, sampled

_FINALISTS = 2


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
        raise DataError("a backbone comes twice" if names else "no backbone was named")
    if len(backbones) == 1:
        return TrainingFeatures(dataset, backbones[0], options, say), ()
    found = [scored(sampled(dataset.split("train"), each, options, SAMPLE, say), options.seed) for each in backbones]
    order = np.argsort(-_mean_ranks(found), kind="stable")[:_FINALISTS]
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


def _mean_ranks(found: Sequence[Shortlisted]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """(B,) mean over the scores of how many others each backbone beats."""
    scores = np.array([[x.logme, x.h_score, x.knn or 0.0, x.probe or 0.0] for x in found])
    ranks: np.ndarray[tuple[int], np.dtype[np.float64]] = (scores[:, None] > scores[None]).sum(axis=1).mean(axis=1)
    return ranks
