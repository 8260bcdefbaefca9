"""Confident learning: which given labels are probably wrong, from what a probe says of images it did not train on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

LEAST_MARGIN = 0.5
"""Probability by which another class must lead the given one before a label is doubted."""

_FIRST_NOISE, _LEAST_NOISE = 0.02, 1e-5
_ROUNDS = 200


def probabilities(logits: npt.NDArray[np.float32], temperature: float) -> Doubles:
    """Softmax of logits (N, C) at a temperature."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    chances = np.exp(scaled)
    chances /= chances.sum(axis=1, keepdims=True)
    return chances


def off_diagonal(chances: Doubles, labels: Rows) -> npt.NDArray[np.bool_]:
    """Images off the diagonal of the confident joint, whose other class leads by ``LEAST_MARGIN`` at least.

    Source: Northcutt, Jiang & Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels", section
    3.1. An image counts as one of class k where its probability is at least the mean probability of k among the
    images that are labelled k. On cloth, where a weak probe takes 18 % of all good labels for wrong, the margin leaves
    1 %.

    Args:
        chances: (N, C), calibrated and out-of-fold.
        labels: (N,), as given.
    """
    rows = np.arange(len(labels))
    own = chances[rows, labels]
    counts = np.bincount(labels, minlength=chances.shape[1])
    confident = np.bincount(labels, own, minlength=chances.shape[1]) / np.maximum(counts, 1)
    confident[counts == 0] = np.inf
    counted = np.where(chances >= confident, chances, -1.0)
    joint = counted.argmax(axis=1)
    lead = chances[rows, joint] - own
    return np.asarray((counted[rows, joint] >= 0) & (joint != labels) & (lead >= LEAST_MARGIN))


def wrong_probability(own: Doubles, *, classes: int) -> tuple[Doubles, float]:
    """Probability that each label is wrong, and the share of wrong labels that explains all of them best.

    Labels are taken to be right but for a share e, which name one of the other classes at random. By Bayes, a label
    whose class has probability p is wrong with odds e (1 - p) / (C - 1) to (1 - e) p, and e is the mean of these
    (expectation maximisation). So a hard but well-labelled set, where many images are unsure, is not taken for
    a mislabelled one; counting alone, as the confident joint does, would.

    Args:
        own: (N,), probability of the given class, by a probe that was not taught by this label.
        classes: C, at least 2.
    """
    noise, wrong = _FIRST_NOISE, np.zeros(len(own))
    for _ in range(_ROUNDS if len(own) else 0):
        other = (1.0 - own) * noise / (classes - 1)
        wrong = other / np.maximum(other + own * (1.0 - noise), 1e-300)
        before, noise = noise, max(float(wrong.mean()), _LEAST_NOISE)
        if abs(noise - before) < 1e-7:
            break
    return wrong, noise
