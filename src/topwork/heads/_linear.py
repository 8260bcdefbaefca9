"""The linear head, and its fit: strength by cross-validation, temperature on out-of-fold logits, then all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from topwork._arrays import AnyArray, BoolArray, Float32Array, Float64Array, IntpArray
from topwork.errors import DataError, ModelError
from topwork.metrics import macro_f1

from ._design import Design, build_design
from ._path import Path, PathPoint, run_path
from ._rows import ALWAYS_TRAINS, check_query, check_training, row_chunks, stratified_folds, threads_for
from ._solver import Problem, minimise
from ._temperature import TemperatureScaled, fit_temperature

ClassWeight = Literal["none", "balanced"]

ABSENT_LOGIT = -1e4  # of a class without images: its probability underflows to zero at any temperature allowed
FOLDS = 5
_FINAL_TOLERANCE = 1e-6  # of the objective
_RELATIVE_STRENGTHS = 10.0 ** np.arange(2.0, -5.5, -0.5)
_IMBALANCE = 2.0


@dataclass(frozen=True, eq=False)
class LinearHead(TemperatureScaled):
    """A multinomial logistic regression on standardised features.

    Args:
        mean: (D,) float32, subtracted from the features.
        scale: (D,) float32 > 0, the features are divided by it.
        weight: (D, C) float32, acts on the standardised features.
        bias: (C,) float32.
        temperature: > 0; logits are divided by it before the softmax.

    Raises:
        ModelError: Shapes that do not fit each other, fewer than two classes, NaN or Inf, a scale or
            temperature that is not positive.
    """

    mean: Float32Array
    scale: Float32Array
    weight: Float32Array
    bias: Float32Array
    temperature: float

    kind: ClassVar[str] = "linear"

    def __post_init__(self) -> None:
        if self.weight.ndim != 2 or self.weight.shape[1] < 2:
            raise ModelError(f"weight: expected float32 (D, C) with C >= 2, got {self.weight.shape}")
        width, n_classes = self.weight.shape
        self._require_shapes(weight=(width, n_classes), mean=(width,), scale=(width,), bias=(n_classes,))
        self._require_positive("scale", "temperature")

    @property
    def n_features(self) -> int:
        """Number of features it reads, D."""
        return len(self.mean)

    @property
    def n_classes(self) -> int:
        """Number of classes, those without a training image included."""
        return int(self.weight.shape[1])

    @cached_property
    def _folded(self) -> tuple[Float32Array, Float32Array]:
        """Weight (D, C) and bias (C,) that act on raw features; summed in float64, the means may be large."""
        weight = self.weight.astype(np.float64) / self.scale[:, None]
        bias = self.bias - self.mean.astype(np.float64) @ weight
        return weight.astype(np.float32), bias.astype(np.float32)

    def logits(self, features: AnyArray) -> Float32Array:
        check_query(features, len(self.mean))
        weight, bias = self._folded
        out = np.empty((len(features), self.n_classes), np.float32)
        for part in row_chunks(*features.shape):
            out[part] = features[part].astype(np.float32, copy=False) @ weight + bias
        return out


@dataclass(frozen=True, eq=False)
class LinearFit:
    """A linear head and the evidence for it.

    Attributes:
        head: Fitted on all rows at the chosen strength.
        strength: The chosen L2 strength.
        path: Each strength tried, strong to weak; empty where no row could be held out.
        oof_logits: (N, C) float32; each row's by the fold that did not train on it, before the temperature.
        held_out: (N,) bool; False for the only image of a class: it trains in every fold, so its logits are
            not out-of-fold, and it counts in no score.
        cv_accuracy: Over held-out rows; None where there are none.
        cv_log_loss: Over held-out rows, in nats, at the head's temperature; None where there are none.
        class_weight: "none" or "balanced", as given or as measured.
        folds: Number of folds used; 0 where no row could be held out.
    """

    head: LinearHead
    strength: float
    path: tuple[PathPoint, ...]
    oof_logits: Float32Array
    held_out: BoolArray
    cv_accuracy: float | None
    cv_log_loss: float | None
    class_weight: ClassWeight
    folds: int

    def __post_init__(self) -> None:
        if self.oof_logits.shape != (len(self.held_out), self.head.n_classes):
            raise ValueError(
                f"oof_logits {self.oof_logits.shape} does not fit {len(self.held_out)} rows "
                f"of {self.head.n_classes} classes"
            )
        if self.strength <= 0:
            raise ValueError(f"strength must be positive, got {self.strength}")


def fit_linear(
    features: AnyArray,
    labels: AnyArray,
    n_classes: int,
    *,
    seed: int = 0,
    strengths: Sequence[float] | None = None,
    folds: int = FOLDS,
    fold_of: AnyArray | None = None,
    class_weight: ClassWeight | Literal["auto"] = "auto",
    column_weights: AnyArray | None = None,
) -> LinearFit:
    """Fit multinomial logistic regression with L2 on standardised features, every choice measured.

    The objective is that of scikit-learn: the sum over images of (class weight x log loss), plus strength / 2
    times the squared weights; the bias is free. `strength` is scikit-learn's 1 / C (with two classes 2 / C:
    each has its own weights here). The strength with the lowest cross-validated log loss wins, or the
    strongest one that is no worse within one paired standard error: log loss rather than accuracy, as it
    moves with every image instead of jumping with a few, and the stronger of two equals as it is the less
    sure of what it has not seen. The loss is taken at the best temperature of each strength, as the head is
    used with one: judged without, strong L2 loses for being timid alone, and weights are chosen that name
    fewer images right.

    Args:
        features: (N, D) floats, finite; may be memory-mapped, one float32 copy is made.
        labels: (N,) integers in 0..n_classes-1, at least two classes among them. A class without images keeps
            its index and gets a probability of zero.
        n_classes: C.
        seed: Which images share a fold.
        strengths: L2 strengths to try. By default D times 10^2 .. 10^-5 in half decades: D / strength is the
            prior variance of a logit, so the same range fits any feature width.
        folds: Folds of the cross-validation, at least 2; fewer are used where the classes are smaller.
        fold_of: (N,) the fold, from 0, that holds each row out, where rows must not be parted freely (groups); dealt
            from the seed when None.
        class_weight: "none"; "balanced" weighs each image by N / (classes x images of its class); "auto" is
            "none" unless the largest class has more than twice the images of the smallest, and then the one
            with the higher out-of-fold macro-F1. Ties go to "none", whose probabilities hold for the data's
            own shares.
        column_weights: (D,) positive; the standard deviation of each feature after standardising, 1 by default. A
            larger one is shrunk less: `equal_blocks` gives narrow groups of columns as much say as wide ones.

    Raises:
        DataError: Features or labels that cannot be fitted, strengths not positive, folds < 2.
    """
    labels = check_training(features, labels, n_classes)
    tried = _check_choices(strengths, folds, class_weight, features.shape[1])
    seen, targets = np.unique(labels, return_inverse=True)
    fold_of = stratified_folds(targets, folds, seed) if fold_of is None else _checked_folds(fold_of, len(labels))
    with threads_for(len(labels) * min(features.shape) * len(seen) * folds):
        design = build_design(features, _checked_weights(column_weights, features.shape[1]))
        if (fold_of == ALWAYS_TRAINS).all():
            return _fit_without_folds(design, targets, seen, n_classes, tried, class_weight)
        return _fit_with_folds(design, targets, seen, n_classes, fold_of, tried, class_weight)


def _fit_with_folds(
    design: Design,
    targets: IntpArray,
    seen: IntpArray,
    n_classes: int,
    fold_of: IntpArray,
    tried: Sequence[float],
    class_weight: str,
) -> LinearFit:
    """Choose weighting, strength and temperature on held-out rows, then fit on all."""
    held = fold_of != ALWAYS_TRAINS
    chosen, path = _choose_weighting(design, targets, fold_of, tried, class_weight)
    point = path.points[path.chosen.index]
    solved = _fit_all(design, targets, chosen, point.strength, path.chosen.weights)
    temperature = fit_temperature(path.chosen.logits[held], targets[held])
    return LinearFit(
        head=_head(design, solved, seen, n_classes, temperature),
        strength=point.strength,
        path=path.points,
        oof_logits=_spread(path.chosen.logits, seen, n_classes),
        held_out=held,
        cv_accuracy=point.accuracy,
        cv_log_loss=point.log_loss,
        class_weight=chosen,
        folds=int(fold_of.max()) + 1,
    )


def _checked_folds(fold_of: AnyArray, rows: int) -> IntpArray:
    if fold_of.shape != (rows,) or fold_of.dtype.kind not in "iu" or fold_of.min() < ALWAYS_TRAINS or fold_of.max() < 1:
        raise DataError(f"fold_of must be ({rows},) whole numbers with two folds at least, got {fold_of.shape}")
    return fold_of.astype(np.int64)


def _checked_weights(column_weights: AnyArray | None, width: int) -> AnyArray | None:
    if column_weights is not None and (column_weights.shape != (width,) or not (column_weights > 0).all()):
        raise DataError(f"column_weights must be ({width},) and positive, got {column_weights.shape}")
    return column_weights


def _check_choices(strengths: Sequence[float] | None, folds: int, class_weight: str, width: int) -> Sequence[float]:
    """The strengths to try, strictly falling."""
    if folds < 2:
        raise DataError(f"cross-validation needs at least 2 folds, got {folds}")
    if class_weight not in ("none", "balanced", "auto"):
        raise DataError(f"class_weight must be none, balanced or auto, got {class_weight!r}")
    if strengths is None:
        return [float(width * relative) for relative in _RELATIVE_STRENGTHS]
    tried = sorted({float(strength) for strength in strengths}, reverse=True)
    if not tried or not np.isfinite(tried).all() or tried[-1] <= 0:
        raise DataError(f"strengths must be positive numbers, got {list(strengths)}")
    return tried


def row_weights(labels: IntpArray, class_weight: str) -> Float32Array:
    """(N,) weight of each image; their mean is 1."""
    if class_weight == "none":
        return np.ones(len(labels), np.float32)
    counts = np.bincount(labels)
    weights: Float64Array = len(labels) / (len(counts) * counts[labels])
    return weights.astype(np.float32)


def _choose_weighting(
    design: Design, labels: IntpArray, fold_of: IntpArray, strengths: Sequence[float], class_weight: str
) -> tuple[ClassWeight, Path]:
    """The weighting asked for or found better, and its path."""

    def path(kind: str) -> Path:
        return run_path(design, labels, fold_of, row_weights(labels, kind), strengths)

    if class_weight == "balanced":
        return "balanced", path("balanced")
    plain = path("none")
    counts = np.bincount(labels)
    if class_weight == "none" or counts.max() <= _IMBALANCE * counts.min():
        return "none", plain
    balanced = path("balanced")
    held = fold_of != ALWAYS_TRAINS
    scores = [macro_f1(p.chosen.logits[held].argmax(axis=1), labels[held], len(counts)) for p in (plain, balanced)]
    return ("balanced", balanced) if scores[1] > scores[0] else ("none", plain)


def _fit_all(
    design: Design, labels: IntpArray, class_weight: str, strength: float, start: Float32Array
) -> Float32Array:
    """Weights (C, d) fitted on all rows, to a tight tolerance."""
    problem = Problem(design, labels, row_weights(labels, class_weight)[None])
    solved: Float32Array = minimise(problem, strength, start[None], tolerance=_FINAL_TOLERANCE).weights[0]
    return solved


def _fit_without_folds(
    design: Design,
    labels: IntpArray,
    seen: IntpArray,
    n_classes: int,
    strengths: Sequence[float],
    class_weight: str,
) -> LinearFit:
    """One image a class: nothing can be measured, so the middle strength, and the temperature left at 1."""
    strength = strengths[len(strengths) // 2]
    start = np.zeros((len(seen), design.rows.shape[1]), np.float32)
    solved = _fit_all(design, labels, "none", strength, start)
    return LinearFit(
        head=_head(design, solved, seen, n_classes, 1.0),
        strength=strength,
        path=(),
        oof_logits=_spread((solved @ design.rows.T).T, seen, n_classes),
        held_out=np.zeros(len(labels), np.bool_),
        cv_accuracy=None,
        cv_log_loss=None,
        class_weight="balanced" if class_weight == "balanced" else "none",
        folds=0,
    )


def _spread(logits: Float32Array, seen: IntpArray, n_classes: int) -> Float32Array:
    """Logits (N, classes seen) to (N, C), `ABSENT_LOGIT` for the classes without images."""
    out = np.full((len(logits), n_classes), ABSENT_LOGIT, np.float32)
    out[:, seen] = logits
    return out


def _head(design: Design, solved: Float32Array, seen: IntpArray, n_classes: int, temperature: float) -> LinearHead:
    weight = np.zeros((len(design.mean), n_classes), np.float32)
    weight[:, seen] = design.restore(solved)
    bias = np.full(n_classes, ABSENT_LOGIT, np.float32)
    bias[seen] = solved[:, -1]
    return LinearHead(design.mean, design.scale, weight, bias, temperature)
