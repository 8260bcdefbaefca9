"""The regularisation path: every strength, strong to weak, judged on held-out rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from topwork._arrays import Float32Array, Float64Array, IntpArray
from topwork.metrics import exceeds_zero

from ._design import Design
from ._rows import ALWAYS_TRAINS
from ._solver import Problem, minimise
from ._temperature import fit_temperature, row_losses

PATH_TOLERANCE = 3e-6  # of the objective; at 1e-3 held-out probabilities are still off by up to 0.07
_SAME_LOSS = 1e-4  # nats: losses closer than this are a tie whatever their standard error
_MANY = 200  # images held out: with fewer, no error of a difference can be told, and folds are dealt again
_DEALINGS = 4
_STACK_ELEMENTS = 8_000_000  # 32 MB for each array of stacked folds; a solve holds about twenty


class PathPoint(NamedTuple):
    """How one L2 strength did on held-out rows.

    Attributes:
        strength: L2 strength, as in `fit_linear`.
        accuracy: Share of held-out rows whose class came first.
        log_loss: Mean log loss of held-out rows in nats, at the temperature that suits them best. Both are of the first
            dealing of folds.
    """

    strength: float
    accuracy: float
    log_loss: float


class Candidate(NamedTuple):
    """One strength of the path with all that may still be needed of it."""

    place: int  # its place among the path's points
    losses: Float64Array  # of each held-out row, times its weight; mean over the dealings
    logits: list[Float32Array]  # (N, C) out-of-fold, of each dealing
    weights: Float32Array  # (C, d) mean over the folds


class Path(NamedTuple):
    """The points that were tried, and the one that was chosen."""

    points: tuple[PathPoint, ...]
    chosen: Candidate


def run_path(
    design: Design,
    labels: IntpArray,
    dealings: Sequence[IntpArray],
    row_weights: Float32Array,
    strengths: Sequence[float],
    samples: Float32Array,
) -> Path:
    """Cross-validate strengths from strong to weak, each started where the two before point to.

    Each dealing gives every row (N,) its fold; all hold the same rows out. Rows weigh ``row_weights`` (N,) where they
    train, and ``samples`` (N,) where they judge.

    The path ends early once the loss has clearly turned up: weaker strengths are the slowest to fit, and the loss has
    one minimum in all but freak cases. The labels (N,) are 0..C-1, each present; at least one row is held out; the
    strengths fall.
    """
    held = dealings[0] != ALWAYS_TRAINS
    judges = samples[held] / samples[held].mean()
    errors = errors_for(int(held.sum()))
    weights = [_start(labels, row_weights, int(each.max()) + 1, design.rows.shape[1]) for each in dealings]
    before = [each.copy() for each in weights]
    candidates: list[Candidate] = []
    points: list[PathPoint] = []
    for strength in strengths:
        # Strengths fall by equal factors, and solutions move by nearly equal steps then: a third of the iterations.
        ahead = [2 * now - last for now, last in zip(weights, before, strict=True)]
        before, weights = weights, ahead
        answers = [
            _solve_folds(design, labels, fold_of, row_weights, strength, start)
            for fold_of, start in zip(dealings, weights, strict=True)
        ]
        losses = np.array([row_losses_at_best(each[held], labels[held], judges) for each in answers])
        hits = answers[0][held].argmax(axis=1) == labels[held]
        points.append(PathPoint(float(strength), float(np.average(hits, weights=judges)), float(losses[0].mean())))
        found = Candidate(len(points) - 1, losses.mean(axis=0), answers, weights[0].mean(axis=0))
        candidates = still_possible([*candidates, found], errors)
        if turned_up(candidates, found):
            break
    return Path(tuple(points), candidates[0])


def dealings_for(images: int) -> int:
    """How often folds are dealt, so that many answers judge however few images are held out."""
    return max(1, min(_DEALINGS, _MANY // max(1, images)))


def errors_for(images: int) -> int:
    """By how many standard errors of so many held-out images a loss may be higher and still be called the same."""
    return 1 if images >= _MANY else 0


def row_losses_at_best(logits: Float32Array, labels: IntpArray, judges: Float32Array) -> Float64Array:
    """Log loss (N,) in nats at the temperature that suits the rows best, each times how much it judges."""
    temperature = fit_temperature(logits, labels, judges)
    losses: Float64Array = judges * row_losses(logits / np.float32(temperature), labels)
    return losses


def _start(labels: IntpArray, row_weights: Float32Array, n_folds: int, width: int) -> Float32Array:
    """Weights (K, C, d) that predict the class shares for any image: the solution at infinite strength."""
    share = np.bincount(labels, row_weights)
    weights = np.zeros((n_folds, len(share), width), np.float32)
    bias = np.log(share)
    weights[..., -1] = bias - bias.mean()
    return weights


def _solve_folds(
    design: Design,
    labels: IntpArray,
    fold_of: IntpArray,
    row_weights: Float32Array,
    strength: float,
    weights: Float32Array,
) -> Float32Array:
    """Fit each fold from its weights (K, C, d), in place, and return the out-of-fold logits (N, C)."""
    out = np.empty((len(labels), weights.shape[1]), np.float32)
    n_folds, n_classes, width = weights.shape
    size = max(1, _STACK_ELEMENTS // (n_classes * max(width, len(labels))))
    for first in range(0, n_folds, size):
        folds = np.arange(first, min(first + size, n_folds))
        problem = Problem(design, labels, (folds[:, None] != fold_of) * row_weights)
        weights[folds], logits = minimise(problem, strength, weights[folds], tolerance=PATH_TOLERANCE)
        for place, fold in enumerate(folds):
            # A row that always trains has no out-of-fold logits; the first fold's stand in for them.
            rows = (fold_of == fold) | ((fold_of == ALWAYS_TRAINS) & (fold == 0))
            out[rows] = logits[place][:, rows].T
    return out


def still_possible(candidates: list[Candidate], errors: float) -> list[Candidate]:
    """Candidates, strong to weak, from the first that is within so many standard errors of the best.

    The error is that of the *paired* difference in loss over the same rows. The plain one-standard-error rule
    (Breiman et al. 1984) compares with the spread of the loss itself, which on a few hundred images is so
    wide that it picks strengths that plainly underfit; the paired error only calls a tie what is one. Of a few dozen
    images even that is too wide, and the lowest loss is taken.
    """
    best = _best(candidates)
    first = next(place for place, candidate in enumerate(candidates) if not _worse(candidate, best, errors=errors))
    return candidates[first:]


def _best(candidates: list[Candidate]) -> Candidate:
    return min(candidates, key=lambda candidate: float(candidate.losses.mean()))


def _worse(candidate: Candidate, best: Candidate, *, errors: float) -> bool:
    difference = candidate.losses - best.losses
    return bool(difference.mean() > _SAME_LOSS) and exceeds_zero(difference, errors)


def turned_up(candidates: list[Candidate], last: Candidate) -> bool:
    """Worse than the best by two standard errors, or twice in a row by one."""
    best = _best(candidates)
    behind = last.place - best.place
    return behind > 0 and (_worse(last, best, errors=2) or (behind > 1 and _worse(last, best, errors=1)))
