"""From the models of k folds to what they say together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from topwork.metrics import evaluate, mean_of_folds
from topwork.model import Classifier, FoldRecord, FoldsRecord

_FIGURES = ("accuracy", "macro_f1", "log_loss")


def folds_of(models: Sequence[Classifier], split: Literal["all", "train"], seed: int) -> dict[str, Any]:
    """Fields of the block; ``Task.folds_of`` tells the arguments."""
    folds = [_fold(model) for model in models]
    found = [model.held_out for model in models if model.held_out is not None]
    probabilities = np.concatenate([each.probabilities for each in found])
    labels = np.concatenate([each.dataset.labels for each in found])
    answers = np.concatenate([each.answers for each in found])
    pooled = evaluate(probabilities, labels, models[0].classes, decided=answers, seed=seed)
    sizes = {"trained": min(fold.training for fold in folds), "measured": max(fold.images for fold in folds)}
    figures = {}
    for name in _FIGURES:
        values, whole = [getattr(fold, name) for fold in folds], getattr(pooled, name)
        most = float("inf") if name == "log_loss" else 1.0
        figures[name] = mean_of_folds(values, (whole.low, whole.high), most=most, **sizes)
    return {"folds": FoldsRecord(split=split, folds=tuple(folds), **figures)}


def _fold(model: Classifier) -> FoldRecord:
    found = model.metrics
    assert found is not None
    return FoldRecord(
        training=model.record.data.training,
        images=found.n,
        strategy=model.record.strategy,
        **{name: getattr(found, name).value for name in _FIGURES},
    )
