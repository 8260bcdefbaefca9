"""The small network: one hidden layer with dropout on frozen features, stopped where it is best on rows held out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from topwork._arrays import AnyArray, BoolArray, Float32Array, IntpArray
from topwork._system import Executor
from topwork.errors import DataError, ModelError
from topwork.metrics import macro_f1, softmax

from ._crossed import IMBALANCE, ClassWeight, row_weights
from ._design import column_statistics
from ._linear import ABSENT_LOGIT, FOLDS, checked_folds
from ._rows import ALWAYS_TRAINS, check_query, check_training, one_thread, row_chunks, stratified_folds
from ._temperature import TemperatureScaled, fit_temperature, row_losses

HIDDEN, DROPOUT = 256, 0.5
_BATCH = 32
_RATE = 1e-3
_DECAYS = (0.9, 0.999)  # of Adam's two means
_EPSILON = 1e-8
_MOST_EPOCHS = 100
_PATIENCE = 5  # epochs without a lower loss
_UNMEASURED_EPOCHS = 10  # where no row can be held out


@dataclass(frozen=True, eq=False)
class MLPHead(TemperatureScaled):
    """A network with one hidden layer of rectified units on standardised features.

    Args:
        mean: (D,) float32, subtracted from the features.
        scale: (D,) float32 > 0, the features are divided by it.
        hidden_weight: (D, H) float32.
        hidden_bias: (H,) float32.
        weight: (H, C) float32.
        bias: (C,) float32.
        temperature: > 0; logits are divided by it before the softmax.

    Raises:
        ModelError: Shapes that do not fit each other, fewer than two classes, NaN or Inf, a scale or
            temperature that is not positive.
    """

    mean: Float32Array
    scale: Float32Array
    hidden_weight: Float32Array
    hidden_bias: Float32Array
    weight: Float32Array
    bias: Float32Array
    temperature: float

    kind: ClassVar[str] = "mlp"

    def __post_init__(self) -> None:
        if self.hidden_weight.ndim != 2 or self.weight.ndim != 2 or self.weight.shape[1] < 2:
            raise ModelError(
                f"hidden_weight, weight: expected float32 (D, H) and (H, C) with C >= 2, got "
                f"{self.hidden_weight.shape} and {self.weight.shape}"
            )
        width, hidden = self.hidden_weight.shape
        n_classes = self.weight.shape[1]
        self._require_shapes(mean=(width,), scale=(width,), hidden_weight=(width, hidden), hidden_bias=(hidden,))
        self._require_shapes(weight=(hidden, n_classes), bias=(n_classes,))
        self._require_positive("scale", "temperature")

    @property
    def n_classes(self) -> int:
        return int(self.weight.shape[1])

    def logits(self, features: AnyArray) -> Float32Array:
        check_query(features, len(self.mean))
        out = np.empty((len(features), self.n_classes), np.float32)
        for part in row_chunks(len(features), max(self.hidden_weight.shape)):
            rows = (features[part].astype(np.float32, copy=False) - self.mean) / self.scale
            hidden = np.maximum(rows @ self.hidden_weight + self.hidden_bias, 0)
            out[part] = hidden @ self.weight + self.bias
        return out


@dataclass(frozen=True, eq=False)
class MLPFit:
    """A small network and the evidence for it; the fields are those of ``LinearFit``, but for the first two.

    Attributes:
        head: Trained on all rows.
        epochs: Passes over the rows, as many as were best on rows held out.
        oof_logits: (N, C) float32; each row's by the network that did not train on it, before the temperature.
        held_out: (N,) bool; False for the only image of a class.
        cv_accuracy: Over held-out rows; None where there are none.
        cv_log_loss: Over held-out rows, in nats, at the head's temperature; None where there are none.
        class_weight: "none" or "balanced", as given or as measured.
        folds: Number of folds used; 0 where no row could be held out.
    """

    head: MLPHead
    epochs: int
    oof_logits: Float32Array
    held_out: BoolArray
    cv_accuracy: float | None
    cv_log_loss: float | None
    class_weight: ClassWeight
    folds: int


def fit_mlp(
    features: AnyArray,
    labels: AnyArray,
    n_classes: int,
    *,
    hidden: int = HIDDEN,
    dropout: float = DROPOUT,
    seed: int = 0,
    fold_of: AnyArray | None = None,
    class_weight: ClassWeight | Literal["auto"] = "auto",
    column_weights: AnyArray | None = None,
) -> MLPFit:
    """Train a network with one hidden layer on standardised features: Dense(H, relu), Dropout, Dense(C, softmax).

    Adam at 0.001 and batches of 32 (Kingma & Ba 2015), weights drawn as Glorot & Bengio 2010 do: the defaults of Keras.
    One network for each fold trains side by side with the others; after every epoch all rows are judged by the network
    that did not learn from them. Early stopping: the epoch with the lowest log loss, at the temperature that suits it,
    is the one that counts, and training ends when five epochs have brought nothing. The head is trained on all rows for
    as many epochs.

    Args:
        features: (N, D) floats, finite; may be memory-mapped, one float32 copy is made.
        labels: (N,) integers in 0..n_classes-1, at least two classes among them. A class without images keeps
            its index and gets a probability of zero.
        n_classes: C.
        hidden: H, units of the hidden layer.
        dropout: Share of the hidden units that each step leaves out, at least 0 and below 1.
        seed: Which images share a fold, and every draw of the training.
        fold_of: (N,) the fold, from 0, that holds each row out (see ``fit_linear``).
        class_weight: As ``fit_linear`` takes it.
        column_weights: (D,) positive; the standard deviation of each feature after standardising, 1 by default.

    Raises:
        DataError: Features, labels, folds or settings that cannot be used.
    """
    labels = check_training(features, labels, n_classes)
    if hidden < 1 or not 0 <= dropout < 1:
        raise DataError(
            f"hidden = {hidden} and dropout = {dropout} make no network",
            hint="hidden takes a whole number, 1 or more; dropout a number, 0 or more and less than 1",
        )
    mean, scale = column_statistics(features)
    if column_weights is not None:
        scale = (scale / column_weights).astype(np.float32)
    rows = np.empty(features.shape, np.float32)
    for part in row_chunks(*features.shape):
        rows[part] = (features[part] - mean) / scale
    seen, targets = np.unique(labels, return_inverse=True)
    folds = stratified_folds(targets, FOLDS, seed) if fold_of is None else checked_folds(fold_of, len(labels))
    held = folds != ALWAYS_TRAINS
    job = _Job(rows, targets, folds, hidden, dropout, seed)
    with one_thread():  # the folds share the cores
        weighting, (epochs, logits) = _choose_weighting(job, class_weight)
        network = job.network(ALWAYS_TRAINS)
        for _ in range(epochs):
            network.epoch(rows, targets, row_weights(targets, weighting), np.arange(len(rows)))
    temperature = fit_temperature(logits[held], targets[held])
    oof_logits = np.full((len(labels), n_classes), ABSENT_LOGIT, np.float32)
    oof_logits[:, seen] = logits
    losses = row_losses(logits[held] / np.float32(temperature), targets[held])
    return MLPFit(
        head=_head(network, mean, scale, seen, n_classes, temperature),
        epochs=epochs,
        oof_logits=oof_logits,
        held_out=held,
        cv_accuracy=float((logits[held].argmax(axis=1) == targets[held]).mean()) if held.any() else None,
        cv_log_loss=float(losses.mean()) if held.any() else None,
        class_weight=weighting,
        folds=int(folds.max()) + 1,
    )


class _Job(NamedTuple):
    """What stays the same in a fit."""

    rows: Float32Array  # (N, D), standardised
    targets: IntpArray  # (N,), of the classes that have rows
    folds: IntpArray  # (N,)
    hidden: int
    dropout: float
    seed: int

    def network(self, fold: int) -> Network:
        """An untrained network; every fold's draws are its own."""
        rng = np.random.default_rng((self.seed, fold + 1))
        return Network((self.rows.shape[1], self.hidden, int(self.targets.max()) + 1), self.dropout, rng)


class _Crossed(NamedTuple):
    """The epoch that was best, and what the folds' networks said then of the rows held out, logits (N, C)."""

    epochs: int
    logits: Float32Array


def _choose_weighting(job: _Job, class_weight: str) -> tuple[ClassWeight, _Crossed]:
    """The weighting asked for or found better, and its epoch."""
    counts = np.bincount(job.targets)
    held = job.folds != ALWAYS_TRAINS
    if class_weight == "balanced":
        return "balanced", _crossed(job, "balanced")
    plain = _crossed(job, "none")
    if class_weight == "none" or counts.max() <= IMBALANCE * counts.min() or not held.any():
        return "none", plain
    balanced = _crossed(job, "balanced")
    said = (each.logits[held].argmax(axis=1) for each in (plain, balanced))
    scores = [macro_f1(rows, job.targets[held], len(counts)) for rows in said]
    return ("balanced", balanced) if scores[1] > scores[0] else ("none", plain)


def _crossed(job: _Job, weighting: str) -> _Crossed:
    """Train a network for each fold, side by side, until the rows held out are judged no better."""
    held, weights = job.folds != ALWAYS_TRAINS, row_weights(job.targets, weighting)
    logits = np.zeros((len(job.rows), int(job.targets.max()) + 1), np.float32)
    best = _Crossed(_UNMEASURED_EPOCHS, logits)
    if not held.any():
        return best
    parts = [(np.flatnonzero(job.folds != fold), job.folds == fold) for fold in range(int(job.folds.max()) + 1)]
    networks = [job.network(fold) for fold in range(len(parts))]

    def judged(fold: int) -> Float32Array:
        learnt, out = parts[fold]
        networks[fold].epoch(job.rows, job.targets, weights, learnt)
        return networks[fold].logits(job.rows[out])

    least = np.inf
    with Executor("heads") as pool:
        for epoch in range(1, _MOST_EPOCHS + 1):
            logits = np.zeros_like(logits)
            said = pool.map_ordered(judged, range(len(parts)), in_flight=len(parts))
            for (_, out), each in zip(parts, said, strict=True):
                logits[out] = each
            temperature = np.float32(fit_temperature(logits[held], job.targets[held]))
            loss = float(row_losses(logits[held] / temperature, job.targets[held]).mean())
            if loss < least:
                least, best = loss, _Crossed(epoch, logits)
            elif epoch - best.epochs >= _PATIENCE:
                break
    return best


class Network:
    """A network in training: weights, Adam's means of them, and what its draws come from.

    Args:
        sizes: D, H and C.
        dropout: Share of the hidden units that each step leaves out.
        rng: Of the first weights, the order of the rows, and dropout.
        batch: Rows a step.

    Attributes:
        rate: Of learning; may be changed between two epochs.
    """

    def __init__(
        self, sizes: tuple[int, int, int], dropout: float, rng: np.random.Generator, batch: int = _BATCH
    ) -> None:
        self.rate = _RATE
        self._rng = rng
        self._batch = batch
        self._keep = np.float32(1 - dropout)
        self.weights = []
        for inputs, outputs in itertools.pairwise(sizes):
            bound = math.sqrt(6 / (inputs + outputs))
            self.weights += [rng.uniform(-bound, bound, (inputs, outputs)).astype(np.float32)]
            self.weights += [np.zeros(outputs, np.float32)]
        self._means = [(np.zeros_like(each), np.zeros_like(each)) for each in self.weights]
        self._steps = 0

    def logits(self, rows: Float32Array) -> Float32Array:
        """Rows (n, D) to logits (n, C), without dropout."""
        first, first_bias, second, second_bias = self.weights
        found: Float32Array = np.maximum(rows @ first + first_bias, 0) @ second + second_bias
        return found

    def epoch(self, rows: Float32Array, targets: IntpArray, weights: Float32Array, places: IntpArray) -> None:
        """One pass over some rows in a drawn order.

        Args:
            rows: (N, D).
            targets: (N,) class indices.
            weights: (N,) of each row's loss.
            places: Which rows.
        """
        order = self._rng.permutation(places)
        for start in range(0, len(order), self._batch):
            batch = order[start : start + self._batch]
            self._step(rows[batch], targets[batch], weights[batch])

    def _step(self, rows: Float32Array, targets: IntpArray, weights: Float32Array) -> None:
        first, first_bias, second, second_bias = self.weights
        active = rows @ first
        active += first_bias
        gate = (active > 0).astype(np.float32)
        if self._keep < 1:
            gate *= (self._rng.random(active.shape, np.float32) < self._keep) / self._keep
        active *= gate
        wrong = softmax(active @ second + second_bias).astype(np.float32, copy=False)
        wrong[np.arange(len(rows)), targets] -= 1
        wrong *= (weights / len(rows))[:, None]
        back = wrong @ second.T
        back *= gate
        self._descend((rows.T @ back, back.sum(axis=0), active.T @ wrong, wrong.sum(axis=0)))

    def _descend(self, gradients: Sequence[Any]) -> None:
        """One step of Adam; the gradients' room is used up."""
        self._steps += 1
        slow, slower = _DECAYS
        unbiased = math.sqrt(1 - slower**self._steps)
        rate = np.float32(self.rate * unbiased / (1 - slow**self._steps))
        for weight, (mean, square), gradient in zip(self.weights, self._means, gradients, strict=True):
            mean *= np.float32(slow)
            mean += np.float32(1 - slow) * gradient
            gradient *= gradient
            square *= np.float32(slower)
            square += np.float32(1 - slower) * gradient
            np.sqrt(square, out=gradient)
            gradient += np.float32(_EPSILON * unbiased)
            np.divide(mean, gradient, out=gradient)
            gradient *= rate
            weight -= gradient


def _head(
    network: Network, mean: Float32Array, scale: Float32Array, seen: IntpArray, n_classes: int, temperature: float
) -> MLPHead:
    first, first_bias, second, second_bias = network.weights
    weight = np.zeros((len(second), n_classes), np.float32)
    weight[:, seen] = second
    bias = np.full(n_classes, ABSENT_LOGIT, np.float32)
    bias[seen] = second_bias
    return MLPHead(mean, scale, first, first_bias, weight, bias, temperature)
