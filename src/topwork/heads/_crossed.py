"""Heads fitted without each fold in turn, and what they say of it: a regression, a discriminant analysis, or both."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from topwork._arrays import AnyArray, BoolArray, Float32Array, Float64Array, IntpArray
from topwork.metrics import macro_f1

from ._design import Design, one_block
from ._lda import SHRINKAGE, held_out
from ._path import PathPoint, run_path
from ._rows import ALWAYS_TRAINS
from ._temperature import fit_temperature

ClassWeight = Literal["none", "balanced"]
Method = Literal["logistic", "lda", "blend", "normalised", "power"]

IMBALANCE = 2.0
# Of the L2 strengths to D features: D / strength is the prior variance of a logit, so one range fits any width.
RELATIVE_STRENGTHS = 10.0 ** np.arange(2.0, -5.5, -0.5)


class Task(NamedTuple):
    """What is fitted, however the features are scaled."""

    targets: IntpArray  # (N,) 0..S-1, each present
    seen: IntpArray  # (S,) their classes
    n_classes: int
    dealings: list[IntpArray]  # each the fold (N,) that holds each row out
    samples: Float32Array  # (N,)
    class_weight: ClassWeight | Literal["auto"]
    column_weights: AnyArray | None

    @property
    def held(self) -> BoolArray:
        held: BoolArray = self.dealings[0] != ALWAYS_TRAINS
        return held

    @property
    def balanced(self) -> bool:
        counts = np.bincount(self.targets)
        return bool(counts.max() <= IMBALANCE * counts.min())

    @property
    def one_block(self) -> bool:
        return one_block(self.column_weights)


class Crossed(NamedTuple):
    """What the heads of the folds say, the images weighed in one way."""

    weighting: ClassWeight
    logits: list[Float32Array]  # (N, S) out-of-fold, of each dealing
    shares: tuple[float, float]  # of the regression and of the discriminant analysis
    points: tuple[PathPoint, ...] = ()
    strength: float = SHRINKAGE
    start: Float32Array | None = None  # (S, d) near the regression's weights


def cross_validated(method: Method, design: Design, task: Task) -> Crossed:
    """What the folds say with the weighting that was asked for or found better."""
    held, labels = task.held, task.targets
    if not held.any():
        return _unmeasured(method, design, task)
    if task.class_weight == "balanced":
        return _weighed(method, design, task, "balanced")
    plain = _weighed(method, design, task, "none")
    if task.class_weight == "none" or task.balanced:
        return plain
    balanced = _weighed(method, design, task, "balanced")
    scores = [macro_f1(p.logits[0][held].argmax(axis=1), labels[held], len(task.seen)) for p in (plain, balanced)]
    return balanced if scores[1] > scores[0] else plain


def _weighed(method: Method, design: Design, task: Task, weighting: ClassWeight) -> Crossed:
    labels, held = task.targets, task.held
    weights = task.samples * row_weights(labels, weighting)
    analysis: list[Float32Array] = []
    if method != "logistic":
        analysis = [held_out(design, labels, fold_of, weights) for fold_of in task.dealings]
    if method == "lda":
        return Crossed(weighting, analysis, (0.0, 1.0))
    points, chosen = run_path(design, labels, task.dealings, weights, _strengths(design), task.samples)
    found = Crossed(weighting, chosen.logits, (1.0, 0.0), points, points[chosen.place].strength, chosen.weights)
    if method == "logistic":
        return found
    # The mean of both, each at its own temperature: a logarithmic opinion pool, which is again a linear head.
    shares = tuple(
        0.5 / float(np.exp(np.mean([np.log(fit_temperature(a[held], labels[held], task.samples[held])) for a in each])))
        for each in (chosen.logits, analysis)
    )
    pooled = [
        np.float32(shares[0]) * a + np.float32(shares[1]) * b for a, b in zip(chosen.logits, analysis, strict=True)
    ]
    return found._replace(logits=pooled, shares=(shares[0], shares[1]))


def _unmeasured(method: Method, design: Design, task: Task) -> Crossed:
    """One image a class: nothing can be measured, so the middle strength, and nothing to set two heads beside."""
    weighting: ClassWeight = "balanced" if task.class_weight == "balanced" else "none"
    if method == "lda":
        return Crossed(weighting, [], (0.0, 1.0))
    strengths, start = _strengths(design), np.zeros((len(task.seen), design.rows.shape[1]), np.float32)
    return Crossed(weighting, [], (1.0, 0.0), (), strengths[len(strengths) // 2], start)


def _strengths(design: Design) -> list[float]:
    found: list[float] = (len(design.mean) * RELATIVE_STRENGTHS).tolist()
    return found


def row_weights(labels: IntpArray, class_weight: str) -> Float32Array:
    """(N,) weight of each image; their mean is 1."""
    return class_weights(np.bincount(labels), class_weight)[labels]


def class_weights(counts: AnyArray, class_weight: str) -> Float32Array:
    """(C,) weight of each image of a class with so many images (C,), at least one each."""
    if class_weight == "none":
        return np.ones(len(counts), np.float32)
    weights: Float64Array = counts.sum() / (len(counts) * counts)
    return weights.astype(np.float32)
