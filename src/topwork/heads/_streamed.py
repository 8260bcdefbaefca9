"""The linear head of more rows than memory holds, the same to the last bit however many workers read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from topwork._arrays import AnyArray, Float32Array, IntpArray
from topwork._system import Executor
from topwork.errors import DataError
from topwork.metrics import macro_f1

from ._crossed import RELATIVE_STRENGTHS, ClassWeight, class_weights
from ._linear import ABSENT_LOGIT, FINAL_TOLERANCE, FOLDS, LinearHead
from ._moments import discriminant_of, ridge_of, ridge_strength
from ._path import PATH_TOLERANCE, Candidate, PathPoint, errors_for, row_losses_at_best, still_possible, turned_up
from ._rows import one_thread
from ._streamed_rows import Rows, Shards
from ._streamed_solver import Spectrum, minimise
from ._temperature import fit_temperature

StreamedMethod = Literal["logistic", "lda", "ridge"]
_CLASS_WEIGHTS = ("none", "balanced", "auto")

_SHRINKAGES = (0.9, 0.5, 0.1, 0.01, 0.001)


@dataclass(frozen=True, eq=False)
class StreamedFit:
    """A linear head and the evidence for it.

    Attributes:
        head: Fitted on all rows at the chosen strength.
        method: As given.
        class_weight: "none" or "balanced", as given or as measured.
        strength: The L2 strength that was chosen; of "lda" the shrinkage.
        path: What was tried, strong to weak; empty of "ridge", whose strengths are judged without looking at rows.
        judged: Rows whose out-of-fold logits gave the figures and the temperature.
        cv_accuracy: Over the judged rows.
        cv_log_loss: Over the judged rows, in nats, at the head's temperature.
        rows: All of them.
        passes: How often all rows were read.
        oof_logits: (J, C) of the judged rows, each by the head that did not train on it, before the temperature.
        oof_labels: (J,) theirs.
    """

    head: LinearHead
    method: StreamedMethod
    class_weight: ClassWeight
    strength: float
    path: tuple[PathPoint, ...]
    judged: int
    cv_accuracy: float
    cv_log_loss: float
    rows: int
    passes: int
    oof_logits: Float32Array
    oof_labels: IntpArray


def fit_streamed(
    shards: Shards,
    n_classes: int,
    *,
    method: StreamedMethod = "logistic",
    class_weight: ClassWeight | Literal["auto"] = "auto",
    folds: int = FOLDS,
    workers: int | None = None,
) -> StreamedFit:
    """Fit a linear head on rows in shards, of which each worker has one block in memory.

    "logistic" is what `fit_linear` gives of more than 2,048 images: its objective, its strengths, its rule. "lda" is
    linear discriminant analysis, its shrinkage chosen by log loss; "ridge" is ridge regression on one-hot classes, its
    strength chosen by squared error from the folds' Gram matrices. A row's fold is told by its key. Up to 100,000 rows,
    drawn by their keys, judge; the others train only.

    Memory: K Gram matrices (D, D) of float64 for each worker, and 2 K besides.

    Args:
        shards: The rows.
        n_classes: C. A class without rows keeps its index and gets a probability of zero.
        method: Which head.
        class_weight: As `fit_linear` has it: with "auto", where the largest class has more than twice the rows of the
            smallest, both are fitted and the higher out-of-fold macro-F1 wins. That takes twice the passes.
        folds: K, at least 2.
        workers: Threads; one for each core when None. They change nothing in the head.

    Raises:
        DataError: Features or labels that cannot be used, fewer than two classes, a shard named twice.
    """
    if method not in _FITS:
        raise DataError(f"method must be one of {', '.join(_FITS)}, got {method!r}")
    if class_weight not in _CLASS_WEIGHTS:
        raise DataError(f"class_weight must be none, balanced or auto, got {class_weight!r}")
    if n_classes < 2 or folds < 2:
        raise DataError(f"a head needs at least 2 classes and 2 folds, got {n_classes} and {folds}")
    with one_thread(), Executor("shards", workers) as cores:
        rows = Rows(shards, n_classes, folds, cores)
        tried = [_FITS[method](rows, each) for each in _weightings(class_weight, rows)]
        found = max(tried, key=_macro_f1)  # of equals the first: "none"
    weight = np.zeros((len(rows.mean), n_classes), np.float32)
    bias = np.full(n_classes, ABSENT_LOGIT, np.float32)
    weight[:, rows.seen], bias[rows.seen] = found.weights[:, :-1].T, found.weights[:, -1]
    logits, labels = found.logits, found.labels
    oof_logits = np.full((len(labels), n_classes), ABSENT_LOGIT, np.float32)
    oof_logits[:, rows.seen] = logits
    return StreamedFit(
        head=LinearHead(rows.mean, rows.scale, weight, bias, fit_temperature(logits, labels)),
        method=method,
        class_weight=found.weighting,
        strength=found.strength,
        path=found.points,
        judged=len(labels),
        cv_accuracy=_accuracy(logits, labels),
        cv_log_loss=float(_losses(logits, labels).mean()),
        rows=rows.moments.rows,
        passes=rows.passes,
        oof_logits=oof_logits,
        oof_labels=rows.seen[labels],
    )


class _Found(NamedTuple):
    weights: AnyArray  # (S, D + 1) on standardised rows
    strength: float
    points: tuple[PathPoint, ...]
    logits: Float32Array  # (J, S) out-of-fold, of the rows that judge
    labels: IntpArray  # (J,)
    weighting: ClassWeight


def _logistic(rows: Rows, weighting: ClassWeight) -> _Found:
    moments = rows.standardised("none")
    spectrum = Spectrum.of(moments.total())
    bias = np.log(rows.counts * class_weights(rows.counts, weighting))
    weights = np.zeros((len(moments.counts), len(bias), len(rows.mean) + 1), np.float32)
    weights[..., -1] = bias - bias.mean()
    before = weights
    candidates: list[Candidate] = []
    points: list[PathPoint] = []
    for strength in (len(rows.mean) * RELATIVE_STRENGTHS).tolist():
        # As the path in memory: solutions move by nearly equal steps.
        ahead = 2 * weights - before
        before = weights
        weights, last = minimise(rows, spectrum, strength, ahead, weighting, tolerance=PATH_TOLERANCE)
        losses = _losses(last.logits, last.labels)
        points.append(PathPoint(strength, _accuracy(last.logits, last.labels), float(losses.mean())))
        found = Candidate(len(points) - 1, losses, [last.logits], weights.mean(axis=0))
        candidates = still_possible([*candidates, found], errors_for(len(losses)))
        if turned_up(candidates, found):
            break
    chosen = candidates[0]
    strength = points[chosen.place].strength
    solved, _ = minimise(rows, spectrum, strength, chosen.weights[None], weighting, tolerance=FINAL_TOLERANCE)
    return _Found(solved[0], strength, tuple(points), chosen.logits[0], last.labels, weighting)


def _lda(rows: Rows, weighting: ClassWeight) -> _Found:
    moments = rows.standardised(weighting)
    folds = range(len(moments.counts))
    tried = [[discriminant_of(moments.total(fold), each) for fold in folds] for each in _SHRINKAGES]
    logits, labels = rows.judged(np.array(tried, np.float32))
    points = tuple(
        PathPoint(shrinkage, _accuracy(each, labels), float(_losses(each, labels).mean()))
        for shrinkage, each in zip(_SHRINKAGES, logits, strict=True)
    )
    best = min(range(len(points)), key=lambda place: points[place].log_loss)
    shrinkage = points[best].strength
    return _Found(discriminant_of(moments.total(), shrinkage), shrinkage, points, logits[best], labels, weighting)


def _ridge(rows: Rows, weighting: ClassWeight) -> _Found:
    moments = rows.standardised(weighting)
    strengths = (len(rows.mean) * RELATIVE_STRENGTHS).tolist()
    strength, _ = ridge_strength(rows.standardised("none"), strengths, moments)
    crossed = [ridge_of(moments.total(fold), [strength])[0] for fold in range(len(moments.counts))]
    logits, labels = rows.judged(np.array([crossed], np.float32))
    return _Found(ridge_of(moments.total(), [strength])[0], strength, (), logits[0], labels, weighting)


_FITS = {"logistic": _logistic, "lda": _lda, "ridge": _ridge}


def _weightings(asked: ClassWeight | Literal["auto"], rows: Rows) -> list[ClassWeight]:
    if asked != "auto":
        return [asked]
    return ["none"] if rows.balanced else ["none", "balanced"]


def _macro_f1(found: _Found) -> float:
    return macro_f1(found.logits.argmax(axis=1), found.labels, found.logits.shape[1])


def _accuracy(logits: Float32Array, labels: IntpArray) -> float:
    return float((logits.argmax(axis=1) == labels).mean())


def _losses(logits: Float32Array, labels: IntpArray) -> AnyArray:
    return row_losses_at_best(logits, labels, np.ones(len(labels), np.float32))
