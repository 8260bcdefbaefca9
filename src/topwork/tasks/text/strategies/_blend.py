"""A network's head and n-grams together: their logits added, in shares that cross-validation chooses.

Both heads are linear in their own columns, so what comes out is one linear head on the columns of both.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from topwork.advising import Trial, from_logits, training_rows
from topwork.backbones import NGRAMS
from topwork.features import FeatureTable
from topwork.heads import LinearFit, LinearHead, fit_temperature, row_losses
from topwork.tasks._classes._fitted import Probe

_SHARES = tuple(np.arange(1, 10) / 10)  # of the n-grams

Float32Array = npt.NDArray[np.float32]


class Side(NamedTuple):
    """A head, the table that it reads, and what it says, temperature in, of M rows that it has not learnt from."""

    head: LinearHead
    table: FeatureTable
    logits: Float32Array


class Blend(NamedTuple):
    """Two heads together, and the share of the second one."""

    side: Side
    share: float


def blended(one: Side, other: Side, labels: npt.NDArray[np.int64]) -> Blend:
    """The best blend of two heads by log loss on rows that neither has learnt from, labels (M,)."""
    share, temperature, logits = shared(one.logits, other.logits, labels)
    head = _summed(one.head, (1 - share) / temperature, other.head, share / temperature)
    return Blend(Side(head, _side_by_side(one.table, other.table), logits), share)


def shared(one: Float32Array, other: Float32Array, labels: npt.NDArray[np.int64]) -> tuple[float, float, Float32Array]:
    """The share of the second of two logits (M, C) with the lowest log loss, their temperature, and what they say."""

    def of(share: float) -> tuple[float, float, Float32Array]:
        logits = ((1 - share) * one + share * other).astype(np.float32)
        temperature = fit_temperature(logits, labels)
        return share, temperature, logits / np.float32(temperature)

    return min(map(of, _SHARES), key=lambda each: float(row_losses(each[2], labels).mean()))


def out_of_fold(fit: LinearFit) -> Float32Array:
    """What a head's fit says of the training rows (N, C), each by the fold without it, at the head's temperature."""
    return (fit.oof_logits / np.float32(fit.head.temperature)).astype(np.float32)


def _summed(one: LinearHead, one_share: float, other: LinearHead, other_share: float) -> LinearHead:
    """The head whose logits are the two heads' logits at their temperatures, each times its share."""
    shares = (one, one_share / one.temperature), (other, other_share / other.temperature)
    return LinearHead(
        mean=np.concatenate([head.mean for head, _ in shares]),
        scale=np.concatenate([head.scale for head, _ in shares]),
        weight=np.concatenate([(head.weight * share).astype(np.float32) for head, share in shares]),
        bias=np.sum([head.bias * share for head, share in shares], axis=0).astype(np.float32),
        temperature=1.0,
    )


def _side_by_side(first: FeatureTable, second: FeatureTable) -> FeatureTable:
    """The columns of both tables, of a backbone that gives both."""
    table = second.backbone
    backbone = dataclasses.replace(first.backbone, ngrams=table.weights, scores=table.scores)
    values = np.concatenate([first.values, second.values], axis=1)
    return dataclasses.replace(first, backbone=backbone, outputs=(*first.outputs, NGRAMS), values=values)


def blend_of(probe: Probe, fit: LinearFit, counted: Probe, counts: LinearFit) -> Probe:
    """The probe, the n-grams, or both, whichever has the lowest log loss out of fold; its trials tell of all three.

    A head that divides its features by their length cannot be added to another: then it is one or the other.
    """
    held = fit.held_out & counts.held_out
    if not held.any():
        return probe
    named = [(probe, "network"), (counted, "n-grams")]
    if not fit.head.normalised:
        named.append(_both(probe, fit, counted, counts, held))
    best = min((each for each, _ in named), key=_loss)
    trials = tuple(
        Trial("counts", name, int(held.sum()), each.cv_accuracy, each.cv_log_loss, chosen=each is best)
        for each, name in named
    )
    return dataclasses.replace(best, trials=(*trials, *probe.trials))


def _both(
    probe: Probe, fit: LinearFit, counted: Probe, counts: LinearFit, held: npt.NDArray[np.bool_]
) -> tuple[Probe, str]:
    """Both together, in the share that is best, and its name."""
    labels = probe.table.split("train").dataset.labels.astype(np.int64)[held]
    one = Side(fit.head, probe.table, out_of_fold(fit)[held])
    other = Side(counts.head, counted.table, out_of_fold(counts)[held])
    (head, table, logits), share = blended(one, other, labels)
    accuracy = float((logits.argmax(axis=1) == labels).mean())
    loss = float(row_losses(logits, labels).mean())
    found = from_logits("cross-validation", training_rows(table)[held], logits)
    return Probe(head, table, (), accuracy, loss, found), f"both, n-grams {share:.0%}"


def _loss(probe: Probe) -> float:
    return np.inf if probe.cv_log_loss is None else probe.cv_log_loss
