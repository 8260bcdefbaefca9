"""Multinomial regressions with L2 on rows that are read pass after pass: one pass for each point that is tried.

L-BFGS as in ``_solver``, with the whole spectrum of the rows' second moments, which the first pass gave, to start from.
The logits of all rows cannot be kept, so a step is tried whole, and shortened where the objective did not fall.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from topwork._arrays import Float32Array, Float64Array

from ._crossed import ClassWeight
from ._moments import Moments
from ._solver import FLOOR, Memory, Metric, dots
from ._streamed_rows import Evaluated, Rows

_SUFFICIENT = 1e-4  # of the fall that the slope promises (Armijo 1966)
_MAX_TRIALS = 8
_MAX_ITERATIONS = 100


class Spectrum(NamedTuple):
    """The second moments of all standardised rows."""

    basis: Float32Array  # (D + 1, D)
    moments: Float64Array  # (D,) sum of squares along each
    rows: int

    @classmethod
    def of(cls, standardised: Moments) -> Spectrum:
        """Of the moments of all folds as one."""
        levels, vectors = np.linalg.eigh(standardised.grams[0])
        basis = np.zeros((len(vectors) + 1, len(vectors)), np.float32)
        basis[:-1] = vectors
        return cls(basis, np.maximum(levels, 0), standardised.rows)

    def metric(self, found: Evaluated, strength: float) -> Metric:
        """An approximate inverse Hessian at a point: class curvature times second moments, plus the strength."""
        curvature = np.maximum(found.spread / self.rows, 1e-3 / found.spread.shape[1])[..., None]
        diagonal = np.zeros(found.gradient.shape)
        diagonal[..., -1:] = 1 / (curvature * self.rows)
        along = 1 / (curvature * self.moments + strength)
        return Metric(diagonal.astype(np.float32), self.basis, along.astype(np.float32))


def minimise(
    rows: Rows,
    spectrum: Spectrum,
    strength: float,
    start: Float32Array,
    weighting: ClassWeight = "none",
    *,
    tolerance: float,
) -> tuple[Float32Array, Evaluated]:
    """Minimise the log loss plus strength / 2 * |W|^2 for each of K sets of weights (K, S, D + 1) from a start.

    Rows weigh what their classes do.

    It ends as ``_solver.minimise`` does.

    Returns:
        The weights, and what the last pass said.
    """
    weights, found = start.copy(), rows.evaluate(start, weighting)
    metric, memory = spectrum.metric(found, strength), Memory()
    objective, gradient = _penalised(found, weights, strength)
    for _ in range(_MAX_ITERATIONS):
        direction = -memory.precondition(gradient, metric)
        slope = dots(gradient, direction).astype(np.float64)
        active = -slope > 2 * np.maximum(tolerance * objective, FLOOR * spectrum.rows)
        if not active.any():
            break
        step = active.astype(np.float64)
        for _trial in range(_MAX_TRIALS):
            tried = weights + (step[:, None, None] * direction).astype(np.float32)
            found = rows.evaluate(tried, weighting)
            reached, following = _penalised(found, tried, strength)
            short = reached > objective + _SUFFICIENT * step * slope + 1e-9 * objective
            if not short.any():
                break
            # The minimum of the parabola through both points and the slope, within a tenth and a half of the step.
            bend = np.maximum(reached - objective - step * slope, 1e-30)
            wanted = -slope * step**2 / (2 * bend)
            step = np.where(short, np.clip(wanted, 0.1 * step, 0.5 * step), step)
        memory.push(tried - weights, following - gradient)
        weights, objective, gradient = tried, reached, following
    return weights, found


def _penalised(found: Evaluated, weights: Float32Array, strength: float) -> tuple[Float64Array, Float32Array]:
    free = weights[..., :-1].astype(np.float64)
    gradient = found.gradient.copy()
    gradient[..., :-1] += strength * free
    return found.losses + 0.5 * strength * (free**2).sum(axis=(1, 2)), gradient.astype(np.float32)
