"""Many L2-regularised multinomial regressions on the same rows, solved side by side.

Every cross-validation fold is a set of row weights on the same matrix, so one pass over the rows serves all
folds: the problems are stacked, and each keeps its own step length and its own curvature memory. The method
is L-BFGS (Nocedal 1980) with two things that a linear model allows. Logits along a search line are linear in
the step, so a step is chosen by its exact slope without touching the rows again: an iteration costs two
matrix products, whatever the search does. And the Hessian is close to a Kronecker product of class curvatures
and the rows' second moments (Böhning 1992, "Multinomial logistic regression algorithm"), which gives the
memory a good matrix to start from.

K problems, C classes, d coordinates (the last is the constant 1), N rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from topwork._arrays import BoolArray, Float32Array, Float64Array, IntpArray
from topwork._system import Executor
from topwork.metrics import softmax

from ._design import Design
from ._rows import is_worth_sharing, one_thread

_MEMORY = 8
_PART = 512  # rows of a product that a core takes; smaller parts are no better shared, and packed more often
_SLOPE_LEFT = 0.3  # a step is good once the slope along it has shrunk to this part of what it was
_MAX_TRIALS = 8
_MAX_ITERATIONS = 200
FLOOR = 1e-7  # nats a row: where float32 slopes end and rounding begins


class Problem(NamedTuple):
    """What is fixed while strengths vary: rows, labels, and (K, N) row weights; and who shares the products."""

    design: Design
    labels: IntpArray
    row_weights: Float32Array
    cores: Executor | None = None

    def forward(self, weights: Float32Array) -> Float32Array:
        """Weights (K, C, d) to logits (K, C, N)."""
        flat, rows = weights.reshape(-1, weights.shape[2]), self.design.rows
        if self.cores is None:
            return (flat @ rows.T).reshape(*weights.shape[:2], -1)
        out = np.empty((len(flat), len(rows)), np.float32)
        for _ in self._in_parts(lambda part: np.matmul(flat, rows[part].T, out=out[:, part])):
            pass
        return out.reshape(*weights.shape[:2], -1)

    def objective(self, probabilities: Float32Array, weights: Float32Array, strength: float) -> Float64Array:
        """(K,) weighted log loss plus penalty."""
        own = probabilities[:, self.labels, np.arange(len(self.labels))]
        losses = -np.log(np.maximum(own, np.finfo(np.float32).tiny)) * self.row_weights
        squares = np.array([np.vdot(a, a) for a in weights[..., :-1]])
        total: Float64Array = losses.sum(axis=1, dtype=np.float64) + 0.5 * strength * squares
        return total

    def gradient(self, probabilities: Float32Array, weights: Float32Array, strength: float) -> Float32Array:
        """Of the objective, (K, C, d). Uses up the probabilities (K, C, N)."""
        residuals = probabilities
        residuals[:, self.labels, np.arange(len(self.labels))] -= 1
        residuals *= self.row_weights[:, None]
        flat, rows = residuals.reshape(-1, residuals.shape[2]), self.design.rows
        out = np.zeros(weights.shape, np.float32)
        summed = out.reshape(len(flat), -1)
        for each in [flat @ rows] if self.cores is None else self._in_parts(lambda part: flat[:, part] @ rows[part]):
            summed += each
        out[..., :-1] += np.float32(strength) * weights[..., :-1]
        return out

    def _in_parts(self, product: Callable[[slice], Float32Array]) -> Iterator[Float32Array]:
        """Products with some of the rows each, in their order; as many whatever the cores, so that the sum is too."""
        assert self.cores is not None
        parts = [slice(start, start + _PART) for start in range(0, len(self.labels), _PART)]
        return self.cores.map_ordered(product, parts, in_flight=2 * self.cores.workers)


def minimise(
    problem: Problem, strength: float, start: Float32Array, *, tolerance: float
) -> tuple[Float32Array, Float32Array]:
    """Minimise sum_n v_n * log loss_n + strength / 2 * |W|^2 for each of K sets of row weights v.

    From a start (K, C, d). It stops when every problem is, by its own quadratic model, within the tolerance, a share of
    its objective, from its minimum. A share, not nats: at weak strengths on separable rows the objective is tiny.

    Large products are shared out by rows to threads of ours, since BLAS's own wait for each other by spinning
    (`one_thread`): beside other jobs they take six times as long.

    Returns:
        Weights (K, C, d) and their logits (K, C, N) on every row.
    """
    if not is_worth_sharing(float(start.size) * len(problem.labels)):
        return _minimise(problem, strength, start, tolerance)
    with one_thread(), Executor("rows") as cores:
        return _minimise(problem._replace(cores=cores), strength, start, tolerance)


def _minimise(
    problem: Problem, strength: float, start: Float32Array, tolerance: float
) -> tuple[Float32Array, Float32Array]:
    weights, logits = start.copy(), problem.forward(start)
    probabilities = softmax(logits)
    metric = Metric.at(problem, probabilities, strength)
    objective = problem.objective(probabilities, weights, strength)
    gradient = problem.gradient(probabilities, weights, strength)
    memory = Memory()
    for _ in range(_MAX_ITERATIONS):
        direction = -memory.precondition(gradient, metric)
        slope = dots(gradient, direction)
        active = -slope > 2 * np.maximum(tolerance * objective, FLOOR * len(problem.labels))
        if not active.any():
            break
        moved = problem.forward(direction)
        line = _Line.along(problem, strength, weights, direction, logits, moved)
        step, probabilities = _search(line, slope, active)
        direction *= step[:, None, None]
        moved *= step[:, None, None]
        weights += direction
        logits += moved
        objective = problem.objective(probabilities, weights, strength)
        following = problem.gradient(probabilities, weights, strength)
        memory.push(direction, following - gradient)
        gradient = following
    return weights, logits


def dots(left: Float32Array, right: Float32Array) -> Float32Array:
    """(K,) inner products, one for each problem."""
    return np.array([np.vdot(a, b) for a, b in zip(left, right, strict=True)], np.float32)


class Metric(NamedTuple):
    """An approximate inverse Hessian: class curvature times second moments, plus the strength, inverted.

    Along the leading directions of the design's spectrum the moments are exact, elsewhere they are an average.
    """

    diagonal: Float32Array  # (K, C, d)
    basis: Float32Array | None  # (d, q)
    along: Float32Array | None  # (K, C, q), what the basis directions get in addition

    @classmethod
    def at(cls, problem: Problem, probabilities: Float32Array, strength: float) -> Metric:
        design = problem.design
        spread = probabilities * (1 - probabilities) * problem.row_weights[:, None]
        curvature = spread.mean(axis=2, dtype=np.float64)
        # A class that is sure everywhere has no curvature, yet its bias must still be able to move.
        curvature = np.maximum(curvature, 1e-3 / probabilities.shape[1])[..., None]
        ridge = np.full(len(design.moments), strength)
        ridge[-1] = 0.0
        diagonal = 1 / (curvature * design.moments + ridge)
        if design.basis is None:
            return cls(diagonal.astype(np.float32), None, None)
        along = 1 / (curvature * design.basis_moments + strength) - diagonal[..., :1]
        return cls(diagonal.astype(np.float32), design.basis, along.astype(np.float32))

    def apply(self, gradient: Float32Array) -> Float32Array:
        out: Float32Array = gradient * self.diagonal
        if self.basis is not None and self.along is not None:
            flat = gradient.reshape(-1, gradient.shape[2])
            inside = (flat @ self.basis) * self.along.reshape(len(flat), -1)
            out += (inside @ self.basis.T).reshape(out.shape)
        return out


class Memory:
    """The last steps and what they did to the gradient, for each problem on its own."""

    def __init__(self) -> None:
        self._pairs: list[tuple[Float32Array, Float32Array, Float32Array]] = []

    def push(self, step: Float32Array, change: Float32Array) -> None:
        """Remember one step (K, C, d) and its change of gradient."""
        inner = dots(step, change)
        # A problem that stood still has inner = 0; weight 0 leaves it out of the recursion.
        inverse = np.divide(1, inner, out=np.zeros_like(inner), where=inner > 1e-30)
        self._pairs = [*self._pairs[-_MEMORY + 1 :], (step, change, inverse)]

    def precondition(self, gradient: Float32Array, metric: Metric) -> Float32Array:
        """The two-loop recursion: inverse Hessian times gradient."""
        out, kept = gradient.copy(), []
        for step, change, inverse in reversed(self._pairs):
            part = inverse * dots(step, out)
            out -= part[:, None, None] * change
            kept.append(part)
        out = metric.apply(out)
        for (step, change, inverse), part in zip(self._pairs, reversed(kept), strict=True):
            out += (part - inverse * dots(change, out))[:, None, None] * step
        return out


class _Line(NamedTuple):
    """The objective along a direction, as a function of one step length for each problem."""

    problem: Problem
    logits: Float32Array
    moved: Float32Array
    own: Float64Array  # (K,) what the true classes' logits and the penalty add to the slope at step 0
    bend: Float64Array  # (K,) what the penalty adds to the slope for each unit of step

    @classmethod
    def along(
        cls,
        problem: Problem,
        strength: float,
        weights: Float32Array,
        direction: Float32Array,
        logits: Float32Array,
        moved: Float32Array,
    ) -> _Line:
        true = moved[:, problem.labels, np.arange(len(problem.labels))]
        pull = (true * problem.row_weights).sum(axis=1, dtype=np.float64)
        free = direction[..., :-1]
        own = strength * np.array([np.vdot(a, b) for a, b in zip(weights[..., :-1], free, strict=True)])
        bend = strength * np.array([np.vdot(a, a) for a in free])
        return cls(problem, logits, moved, own - pull, bend)

    def slope(self, step: Float64Array) -> tuple[Float64Array, Float32Array]:
        """The slope (K,) at these steps, and the probabilities (K, C, N) there."""
        probabilities = self.logits + step[:, None, None].astype(np.float32) * self.moved
        softmax(probabilities, out=probabilities)
        expected = (probabilities * self.moved).sum(axis=1)
        fall = (expected * self.problem.row_weights).sum(axis=1, dtype=np.float64)
        return fall + self.own + step * self.bend, probabilities


def _search(line: _Line, first_slope: Float32Array, active: BoolArray) -> tuple[Float32Array, Float32Array]:
    """Steps (K,) at which the slope is nearly gone, and the probabilities there; 0 where not active.

    The objective is convex, so its slope rises along the line and a bracketed secant search cannot fail.
    """
    step = active.astype(np.float64)
    before, slope_before = np.zeros_like(step), first_slope.astype(np.float64)
    low, high = np.zeros_like(step), np.full_like(step, np.inf)
    for trial in range(_MAX_TRIALS):
        slope, probabilities = line.slope(step)
        good = ~active | (np.abs(slope) <= _SLOPE_LEFT * np.abs(first_slope))
        if good.all() or trial == _MAX_TRIALS - 1:
            break
        low, high = np.where(slope < 0, step, low), np.where(slope < 0, high, step)
        rise = np.maximum(slope - slope_before, 1e-30) / np.where(step == before, 1, step - before)
        wanted = step - slope / np.maximum(rise, 1e-30)
        room = np.where(np.isinf(high), 3 * step, high - low)
        following = np.clip(wanted, low + 0.05 * room, np.where(np.isinf(high), 4 * step, high - 0.05 * room))
        before, slope_before = np.where(good, before, step), np.where(good, slope_before, slope)
        step = np.where(good, step, following)
    return step.astype(np.float32), probabilities
