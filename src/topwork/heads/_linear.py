"""The linear head, and its fit: strength by cross-validation, temperature on out-of-fold logits, then all rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from topwork._arrays import AnyArray, BoolArray, Float32Array, Float64Array, IntpArray
from topwork.errors import DataError, ModelError
from topwork.metrics import exceeds_zero, macro_f1

from ._design import Design, build_design, one_block
from ._lda import cross_validated, discriminant
from ._path import Path, PathPoint, dealings_for, run_path
from ._rows import (
    ALWAYS_TRAINS,
    check_query,
    check_training,
    row_chunks,
    stratified_folds,
    threads_for,
    unit_length,
)
from ._solver import Problem, minimise
from ._temperature import TemperatureScaled, fit_temperature

ClassWeight = Literal["none", "balanced"]
Method = Literal["logistic", "normalised", "lda"]

ABSENT_LOGIT = -1e4  # of a class without images: its probability underflows to zero at any temperature allowed
FOLDS = 5
_FINAL_TOLERANCE = 1e-6  # of the objective
# Of the L2 strengths to D features: D / strength is the prior variance of a logit, so one range fits any width.
_RELATIVE_STRENGTHS = 10.0 ** np.arange(2.0, -5.5, -0.5)
IMBALANCE = 2.0
_LARGE = 1e9  # multiply-adds of one pass over the rows for all classes
FEW = 10  # images a class, up to which other methods than "logistic" are tried


@dataclass(frozen=True, eq=False)
class LinearHead(TemperatureScaled):
    """A multinomial logistic regression on standardised features.

    Args:
        mean: (D,) float32, subtracted from the features.
        scale: (D,) float32 > 0, the features are divided by it.
        weight: (D, C) float32, acts on the standardised features.
        bias: (C,) float32.
        temperature: > 0; logits are divided by it before the softmax.
        normalised: Whether each row of features is divided by its length before that.

    Raises:
        ModelError: Shapes that do not fit each other, fewer than two classes, NaN or Inf, a scale or
            temperature that is not positive.
    """

    mean: Float32Array
    scale: Float32Array
    weight: Float32Array
    bias: Float32Array
    temperature: float
    normalised: bool = False

    kind: ClassVar[str] = "linear"

    def __post_init__(self) -> None:
        if self.weight.ndim != 2 or self.weight.shape[1] < 2:
            raise ModelError(f"weight: expected float32 (D, C) with C >= 2, got {self.weight.shape}")
        width, n_classes = self.weight.shape
        self._require_shapes(weight=(width, n_classes), mean=(width,), scale=(width,), bias=(n_classes,))
        self._require_positive("scale", "temperature")

    @property
    def n_classes(self) -> int:
        return int(self.weight.shape[1])

    @cached_property
    def _folded(self) -> tuple[Float32Array, Float32Array]:
        """Weight (D, C) and bias (C,) that act on unscaled features, of length one where the head is normalised.

        Summed in float64, the means may be large.
        """
        weight = self.weight.astype(np.float64) / self.scale[:, None]
        bias = self.bias - self.mean.astype(np.float64) @ weight
        return weight.astype(np.float32), bias.astype(np.float32)

    def logits(self, features: AnyArray) -> Float32Array:
        check_query(features, len(self.mean))
        weight, bias = self._folded
        out = np.empty((len(features), self.n_classes), np.float32)
        for part in row_chunks(*features.shape):
            rows = features[part].astype(np.float32, copy=False)
            out[part] = (unit_length(rows) if self.normalised else rows) @ weight + bias
        return out


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
        path: Each strength tried, strong to weak; empty where no row could be held out.
        oof_logits: (N, C) float32; each row's by the fold that did not train on it, before the temperature.
        held_out: (N,) bool; False for the only image of a class: it trains in every fold, so its logits are
            not out-of-fold, and it counts in no score; False too for an image of weight 0.
        cv_accuracy: Over held-out rows; None where there are none.
        cv_log_loss: Over held-out rows, in nats, at the head's temperature; None where there are none.
        class_weight: "none" or "balanced", as given or as measured.
        method: "logistic", "normalised" or "lda", as given or as measured.
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
    """Fit multinomial logistic regression with L2 on standardised features, every choice measured.

    The objective is that of scikit-learn: the sum over images of (class weight x log loss), plus strength / 2
    times the squared weights; the bias is free. `strength` is scikit-learn's 1 / C (with two classes 2 / C:
    each has its own weights here). The strength with the lowest cross-validated log loss wins, or the
    strongest one that is no worse within one paired standard error: log loss rather than accuracy, as it
    moves with every image instead of jumping with a few, and the stronger of two equals as it is the less
    sure of what it has not seen. The loss is taken at the best temperature of each strength, as the head is
    used with one: judged without, strong L2 loses for being timid alone, and weights are chosen that name
    fewer images right. With fewer than 200 images no error can be told: then the folds are dealt up to four times, and
    the lowest mean loss wins.

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
        method: "logistic" is as told above; "normalised" divides each row of features by its length before that; "lda"
            is linear discriminant analysis with shrinkage, in closed form, on such rows. "auto" is "logistic" where
            there are more than ten images a class or columns of several kinds. Else all three are cross-validated, and
            it is the first of "normalised", "logistic" and "lda" that is not worse than the best by a paired standard
            error. Of very many classes with few images each, "lda" alone is fitted: it takes seconds, not minutes.

    Raises:
        DataError: Features, labels, folds or weights that cannot be used.
    """
    labels = check_training(features, labels, n_classes)
    width = features.shape[1]
    samples = _checked_samples(sample_weight, labels)
    if class_weight not in ("none", "balanced", "auto"):
        raise DataError(f"class_weight must be none, balanced or auto, got {class_weight!r}")
    if method not in ("logistic", "normalised", "lda", "auto"):
        raise DataError(f"method must be logistic, normalised, lda or auto, got {method!r}")
    if column_weights is not None and (column_weights.shape != (width,) or not (column_weights > 0).all()):
        raise DataError(f"column_weights must be ({width},) and positive, got {column_weights.shape}")
    seen, targets = np.unique(labels, return_inverse=True)
    dealings = _dealings(fold_of, targets, samples, seed)
    task = _Task(targets, seen, n_classes, dealings, samples, class_weight, column_weights)
    methods = [method] if method != "auto" else _methods_for(features.shape, task)
    fits = [_fit_by(each, features, task) for each in methods]
    lowest = min(fits, key=lambda fit: float(fit[1].mean()) if fit[1].size else 0.0)
    chosen = next(fit for fit, losses in fits if not exceeds_zero(losses - lowest[1]))
    tried = tuple(Tried(each.method, each.cv_accuracy, each.cv_log_loss) for each, _ in fits)
    return replace(chosen, tried=tried)


class _Task(NamedTuple):
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


def _methods_for(shape: tuple[int, ...], task: _Task) -> list[Method]:
    """What to try, the one to take unless another is better first."""
    rows, width = shape
    if rows > FEW * len(task.seen):
        return ["logistic"]
    if rows * min(rows, width) * len(task.seen) > _LARGE:
        return ["lda"]
    if not task.one_block:
        return ["logistic"]
    return ["normalised", "logistic", "lda"] if task.held.any() else ["normalised"]


def _fit_by(method: Method, features: AnyArray, task: _Task) -> tuple[LinearFit, Float64Array]:
    """The fit, and the losses by which it is compared with other methods'."""
    normalised = method == "normalised" or (method == "lda" and task.one_block)
    targets, held, samples = task.targets, task.held, task.samples
    strengths = (features.shape[1] * _RELATIVE_STRENGTHS).tolist()
    with threads_for(len(targets) * min(features.shape) * len(task.seen) * FOLDS):
        rows = unit_length(features) if normalised else features
        design = build_design(rows, task.column_weights, balanced=task.balanced)
        losses = np.empty(0)
        if held.any():
            weighting, path = _choose_weighting(design, task, strengths, method)
            points, chosen = path
            strength, accuracy, loss = points[chosen.place]
            logits, losses, start = chosen.logits, chosen.losses, chosen.weights
        else:  # one image a class: nothing can be measured, so the middle strength
            weighting = "balanced" if task.class_weight == "balanced" else "none"
            points, strength, accuracy, loss = (), strengths[len(strengths) // 2], None, None
            start = np.zeros((len(task.seen), design.rows.shape[1]), np.float32)
        weights = samples * row_weights(targets, weighting)
        if method == "lda":
            solved = discriminant(design, targets, weights)
        else:
            solved = _fit_all(design, targets, weights, strength, start)
        if not held.any():
            logits = (solved @ design.rows.T).T
    oof_logits = np.full((len(targets), task.n_classes), ABSENT_LOGIT, np.float32)
    oof_logits[:, task.seen] = logits
    temperature = fit_temperature(logits[held], targets[held], samples[held])
    fitted = LinearFit(
        head=_head(design, solved, task, temperature, normalised),
        strength=strength,
        path=points,
        oof_logits=oof_logits,
        held_out=held,
        cv_accuracy=accuracy,
        cv_log_loss=loss,
        class_weight=weighting,
        method=method,
        folds=int(task.dealings[0].max()) + 1,
    )
    return fitted, losses


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
        raise DataError("sample_weight is 0 for all images of a class", hint="leave out the images of that class")
    weights: Float64Array = samples / samples.mean()
    return weights.astype(np.float32)


def row_weights(labels: IntpArray, class_weight: str) -> Float32Array:
    """(N,) weight of each image; their mean is 1."""
    if class_weight == "none":
        return np.ones(len(labels), np.float32)
    counts = np.bincount(labels)
    weights: Float64Array = len(labels) / (len(counts) * counts[labels])
    return weights.astype(np.float32)


def _choose_weighting(design: Design, task: _Task, strengths: list[float], method: Method) -> tuple[ClassWeight, Path]:
    """The weighting asked for or found better, and its path."""
    labels, samples = task.targets, task.samples

    def path(kind: str) -> Path:
        weights = samples * row_weights(labels, kind)
        if method == "lda":
            return cross_validated(design, labels, task.dealings, weights, samples)
        return run_path(design, labels, task.dealings, weights, strengths, samples)

    if task.class_weight == "balanced":
        return "balanced", path("balanced")
    plain = path("none")
    if task.class_weight == "none" or task.balanced:
        return "none", plain
    balanced = path("balanced")
    held = task.held
    scores = [macro_f1(p.chosen.logits[held].argmax(axis=1), labels[held], len(task.seen)) for p in (plain, balanced)]
    return ("balanced", balanced) if scores[1] > scores[0] else ("none", plain)


def _fit_all(
    design: Design, labels: IntpArray, weights: Float32Array, strength: float, start: Float32Array
) -> Float32Array:
    """Weights (C, d) fitted on all rows, each of its weight (N,), to a tight tolerance."""
    problem = Problem(design, labels, weights[None])
    solved: Float32Array = minimise(problem, strength, start[None], tolerance=_FINAL_TOLERANCE)[0][0]
    return solved


def _head(design: Design, solved: Float32Array, task: _Task, temperature: float, normalised: bool) -> LinearHead:
    weight = np.zeros((len(design.mean), task.n_classes), np.float32)
    weight[:, task.seen] = design.restore(solved)
    bias = np.full(task.n_classes, ABSENT_LOGIT, np.float32)
    bias[task.seen] = solved[:, -1]
    return LinearHead(design.mean, design.scale, weight, bias, temperature, normalised)
