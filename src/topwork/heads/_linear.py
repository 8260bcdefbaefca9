"""The linear head, and its fit: all choices by cross-validation, temperature on out-of-fold logits, then all rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from topwork._arrays import AnyArray, BoolArray, Float32Array, Float64Array, IntpArray
from topwork.errors import DataError, ModelError

from ._crossed import ClassWeight, Method, Task, cross_validated, row_weights
from ._design import ROTATE_UP_TO, Design, build_design
from ._lda import discriminant
from ._path import PathPoint, dealings_for, row_losses_at_best
from ._rows import (
    ALWAYS_TRAINS,
    check_query,
    check_training,
    power_normalised,
    row_chunks,
    stratified_folds,
    threads_for,
    unit_length,
)
from ._solver import Problem, minimise
from ._temperature import TemperatureScaled, fit_temperature

ABSENT_LOGIT = -1e4  # of a class without images: its probability underflows to zero at any temperature allowed
FOLDS = 5
FINAL_TOLERANCE = 1e-6  # of the objective
_LARGE = 1e9  # multiply-adds of one pass over the rows for all classes
_FEW, _FEW_A_CLASS = 500, 10  # images, or images of a class, up to which ways to scale the features are compared
_METHODS = ("logistic", "lda", "blend", "normalised", "power", "auto")


@dataclass(frozen=True, eq=False)
class LinearHead(TemperatureScaled):
    """A linear function of standardised features.

    Args:
        mean: (D,) float32, subtracted from the features.
        scale: (D,) float32 > 0, the features are divided by it.
        weight: (D, C) float32, acts on the standardised features.
        bias: (C,) float32.
        temperature: > 0; logits are divided by it before the softmax.
        normalised: Whether each row of features is divided by its length before that.
        rooted: Whether the square root of each feature, its sign kept, is taken before that; only where normalised.

    Raises:
        ModelError: Shapes that do not fit each other, fewer than two classes, NaN or Inf, a scale or
            temperature that is not positive, roots without lengths.
    """

    mean: Float32Array
    scale: Float32Array
    weight: Float32Array
    bias: Float32Array
    temperature: float
    normalised: bool = False
    rooted: bool = False

    kind: ClassVar[str] = "linear"

    def __post_init__(self) -> None:
        if self.weight.ndim != 2 or self.weight.shape[1] < 2:
            raise ModelError(f"weight: expected float32 (D, C) with C >= 2, got {self.weight.shape}")
        width, n_classes = self.weight.shape
        self._require_shapes(weight=(width, n_classes), mean=(width,), scale=(width,), bias=(n_classes,))
        self._require_positive("scale", "temperature")
        if self.rooted and not self.normalised:
            raise ModelError("rooted: expected a head that is normalised")

    @property
    def n_classes(self) -> int:
        return int(self.weight.shape[1])

    @cached_property
    def folded(self) -> tuple[Float32Array, Float32Array]:
        """Weight (D, C) and bias (C,) that act on unscaled features, of length one where the head is normalised.

        Summed in float64, the means may be large.
        """
        weight = self.weight.astype(np.float64) / self.scale[:, None]
        bias = self.bias - self.mean.astype(np.float64) @ weight
        return weight.astype(np.float32), bias.astype(np.float32)

    def logits(self, features: AnyArray) -> Float32Array:
        check_query(features, len(self.mean))
        weight, bias = self.folded
        out = np.empty((len(features), self.n_classes), np.float32)
        for part in row_chunks(*features.shape):
            rows = _scaled(features[part].astype(np.float32, copy=False), self.normalised, self.rooted)
            out[part] = rows @ weight + bias
        return out


def _scaled(rows: AnyArray, normalised: bool, rooted: bool) -> AnyArray:
    if rooted:
        return power_normalised(rows)
    return unit_length(rows) if normalised else rows


class Tried(NamedTuple):
    """A method that was tried, with its out-of-fold scores; None where no row could be held out."""

    method: Method
    accuracy: float | None
    log_loss: float | None


@dataclass(frozen=True, eq=False)
class LinearFit:
    """A linear head and the evidence for it.

    Attributes:
        head: Fitted on all rows at the chosen strength.
        strength: The chosen L2 strength.
        path: Each strength of the regression that was tried, strong to weak; empty where there is none, or no row could
            be held out.
        oof_logits: (N, C) float32; each row's by the fold that did not train on it, before the temperature.
        held_out: (N,) bool; False for the only image of a class: it trains in every fold, so its logits are
            not out-of-fold, and it counts in no score; False too for an image of weight 0.
        cv_accuracy: Over held-out rows; None where there are none.
        cv_log_loss: Over held-out rows, in nats, at the head's temperature; None where there are none.
        class_weight: "none" or "balanced", as given or as measured.
        method: As given or as measured.
        folds: Number of folds used; 0 where no row could be held out.
        tried: Every method that was tried.
    """

    head: LinearHead
    strength: float
    path: tuple[PathPoint, ...]
    oof_logits: Float32Array
    held_out: BoolArray
    cv_accuracy: float | None
    cv_log_loss: float | None
    class_weight: ClassWeight
    method: Method
    folds: int
    tried: tuple[Tried, ...] = ()


def fit_linear(
    features: AnyArray,
    labels: AnyArray,
    n_classes: int,
    *,
    seed: int = 0,
    fold_of: AnyArray | None = None,
    class_weight: ClassWeight | Literal["auto"] = "auto",
    column_weights: AnyArray | None = None,
    sample_weight: AnyArray | None = None,
    method: Method | Literal["auto"] = "auto",
) -> LinearFit:
    """Fit a linear head on standardised features, every choice measured: logistic regression, or what `method` says.

    The objective of multinomial logistic regression with L2 is that of scikit-learn: the sum over images of (class
    weight x log loss), plus strength / 2 times the squared weights; the bias is free. `strength` is scikit-learn's
    1 / C (with two classes 2 / C: each has its own weights here). The strength with the lowest cross-validated log loss
    wins, or the strongest one that is no worse within one paired standard error: log loss rather than accuracy, as it
    moves with every image instead of jumping with a few, and the stronger of two equals as it is the less sure of what
    it has not seen. The loss is taken at the best temperature of each strength, as the head is used with one: judged
    without, strong L2 loses for being timid alone, and weights are chosen that name fewer images right. With fewer than
    200 images no error can be told: then the folds are dealt up to four times, and the lowest mean loss wins.

    Args:
        features: (N, D) floats, finite; may be memory-mapped, one float32 copy is made.
        labels: (N,) integers in 0..n_classes-1, at least two classes among them. A class without images keeps
            its index and gets a probability of zero.
        n_classes: C.
        seed: Which images share a fold.
        fold_of: (N,) the fold, from 0, that holds each row out, where rows must not be parted freely (groups). When
            None there are five, dealt from the seed; fewer where the classes are smaller.
        class_weight: "none"; "balanced" weighs each image by N / (classes x images of its class); "auto" is
            "none" unless the largest class has more than twice the images of the smallest, and then the one
            with the higher out-of-fold macro-F1. Ties go to "none", whose probabilities hold for the data's
            own shares.
        column_weights: (D,) positive; the standard deviation of each feature after standardising, 1 by default. A
            larger one is shrunk less: `equal_blocks` gives narrow groups of columns as much say as wide ones.
        sample_weight: (N,) how much each image counts, in the fit and in every choice, on top of its class's weight; 1
            by default. Only their ratios matter. 0 leaves an image out of both.
        method: "logistic" is as told above. "blend" is the mean of its logits and those of linear discriminant analysis
            with shrinkage on the same features, each at its own temperature: again one linear head. "normalised" is a
            blend on rows of features divided by their length, "power" one on such rows of square roots. "lda" is the
            discriminant analysis alone, on rows divided by their length. "auto" cross-validates "normalised", "blend"
            and "power" up to 500 images, or ten a class, and takes the lowest log loss; with columns of several kinds
            or more images it is "blend"; beyond 2,048 images, or where the largest class has more than twice the images
            of the smallest, "logistic". Of very many classes with few images each, "lda" alone is fitted: it takes
            seconds, not minutes. With one image a class nothing can be measured, and a regression on rows divided by
            their length is taken.

    Raises:
        DataError: Features, labels, folds or weights that cannot be used.
    """
    labels = check_training(features, labels, n_classes)
    width = features.shape[1]
    samples = _checked_samples(sample_weight, labels)
    if class_weight not in ("none", "balanced", "auto"):
        raise DataError(f"class_weight must be none, balanced or auto, got {class_weight!r}")
    if method not in _METHODS:
        raise DataError(f"method must be one of {', '.join(_METHODS)}, got {method!r}")
    if column_weights is not None and (column_weights.shape != (width,) or not (column_weights > 0).all()):
        raise DataError(f"column_weights must be ({width},) and positive, got {column_weights.shape}")
    seen, targets = np.unique(labels, return_inverse=True)
    dealings = _dealings(fold_of, targets, samples, seed)
    task = Task(targets, seen, n_classes, dealings, samples, class_weight, column_weights)
    methods = [method] if method != "auto" else _methods_for(features.shape, task)
    fits = [_fit_by(each, features, task) for each in methods]
    tried = tuple(Tried(fit.method, fit.cv_accuracy, fit.cv_log_loss) for fit, _ in fits)
    return replace(min(fits, key=lambda fit: fit[1])[0], tried=tried)


def _methods_for(shape: tuple[int, ...], task: Task) -> list[Method]:
    """What to try: ways to scale the features where images are few, else what is affordable."""
    rows, width = shape
    few = rows <= _FEW_A_CLASS * len(task.seen)
    if few and rows * min(rows, width) * len(task.seen) > _LARGE:
        return ["lda"]
    if not task.balanced:  # a covariance that all classes share is that of the large ones, and rare ones lose by it
        return ["logistic"]
    if task.one_block and (few or rows <= _FEW):
        return ["normalised", "blend", "power"] if task.held.any() else ["normalised"]
    return ["blend"] if rows <= ROTATE_UP_TO else ["logistic"]


def _fit_by(method: Method, features: AnyArray, task: Task) -> tuple[LinearFit, float]:
    """The fit, and the log loss by which it is compared with other methods'; 0 where nothing is held out."""
    rooted = method == "power"
    normalised = rooted or method == "normalised" or (method == "lda" and task.one_block)
    targets, held, samples = task.targets, task.held, task.samples
    with threads_for(len(targets) * min(features.shape) * len(task.seen) * FOLDS):
        design = build_design(_scaled(features, normalised, rooted), task.column_weights, balanced=task.balanced)
        found = cross_validated(method, design, task)
        weights = samples * row_weights(targets, found.weighting)
        solved = np.zeros((len(task.seen), design.rows.shape[1]), np.float32)
        if found.start is not None:
            solved += np.float32(found.shares[0]) * _fit_all(design, targets, weights, found.strength, found.start)
        if found.shares[1]:
            solved += np.float32(found.shares[1]) * discriminant(design, targets, weights)
    logits = found.logits or [(solved @ design.rows.T).T]
    judges = samples[held]
    losses = [row_losses_at_best(each[held], targets[held], judges / judges.mean()) for each in logits if held.any()]
    oof_logits = np.full((len(targets), task.n_classes), ABSENT_LOGIT, np.float32)
    oof_logits[:, task.seen] = logits[0]
    hits = logits[0][held].argmax(axis=1) == targets[held]
    temperature = fit_temperature(logits[0][held], targets[held], judges)
    fitted = LinearFit(
        head=_head(design, solved, task, temperature, normalised, rooted),
        strength=found.strength,
        path=found.points,
        oof_logits=oof_logits,
        held_out=held,
        cv_accuracy=float(np.average(hits, weights=judges)) if losses else None,
        cv_log_loss=float(losses[0].mean()) if losses else None,
        class_weight=found.weighting,
        method=method,
        folds=int(task.dealings[0].max()) + 1,
    )
    return fitted, float(np.mean(losses)) if losses else 0.0


def _dealings(fold_of: AnyArray | None, targets: IntpArray, samples: Float32Array, seed: int) -> list[IntpArray]:
    """The folds (N,), dealt several times where few images judge; those that are given stay as they are."""
    if fold_of is not None:
        dealt = [checked_folds(fold_of, len(targets))]
    else:
        dealt = [stratified_folds(targets, FOLDS, seed)]
        times = dealings_for(int((dealt[0] != ALWAYS_TRAINS).sum()))
        dealt += [
            stratified_folds(targets, FOLDS, other) for other in np.random.SeedSequence(seed).generate_state(times - 1)
        ]
    return [np.where(samples > 0, each, ALWAYS_TRAINS) for each in dealt]  # what weighs nothing judges nothing


def checked_folds(fold_of: AnyArray, rows: int) -> IntpArray:
    """The fold of each row (N,), once it is known to be usable; DataError where it is not."""
    if fold_of.shape != (rows,) or fold_of.dtype.kind not in "iu" or fold_of.min() < ALWAYS_TRAINS or fold_of.max() < 1:
        raise DataError(f"fold_of must be ({rows},) whole numbers with two folds at least, got {fold_of.shape}")
    return fold_of.astype(np.intp)


def _checked_samples(sample_weight: AnyArray | None, labels: IntpArray) -> Float32Array:
    """(N,) how much each image counts; their mean is 1."""
    if sample_weight is None:
        return np.ones(len(labels), np.float32)
    samples = np.asarray(sample_weight)
    if samples.shape != labels.shape or samples.dtype.kind not in "iufb":
        raise DataError(f"sample_weight must be {len(labels)} numbers, got {samples.dtype} {samples.shape}")
    samples = samples.astype(np.float64)
    if not np.isfinite(samples).all() or samples.min() < 0:
        raise DataError("sample_weight must be finite and not below 0")
    seen = np.unique(labels)
    if (np.bincount(labels, samples)[seen] == 0).any():
        raise DataError("sample_weight is 0 for all rows of a class", hint="leave out the rows of that class")
    weights: Float64Array = samples / samples.mean()
    return weights.astype(np.float32)


def _fit_all(
    design: Design, labels: IntpArray, weights: Float32Array, strength: float, start: Float32Array
) -> Float32Array:
    """Weights (C, d) fitted on all rows, each of its weight (N,), to a tight tolerance."""
    problem = Problem(design, labels, weights[None])
    solved: Float32Array = minimise(problem, strength, start[None], tolerance=FINAL_TOLERANCE)[0][0]
    return solved


def _head(
    design: Design, solved: Float32Array, task: Task, temperature: float, normalised: bool, rooted: bool
) -> LinearHead:
    weight = np.zeros((len(design.mean), task.n_classes), np.float32)
    weight[:, task.seen] = design.restore(solved)
    bias = np.full(task.n_classes, ABSENT_LOGIT, np.float32)
    bias[task.seen] = solved[:, -1]
    return LinearHead(design.mean, design.scale, weight, bias, temperature, normalised, rooted)
