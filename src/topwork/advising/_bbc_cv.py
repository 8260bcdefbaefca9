"""An accuracy that may be believed although it is that of the best of many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from topwork.advising._out_of_fold import Scores
from topwork.metrics import exceeds_zero

_DRAWS = 200
_SHUFFLES, _CHANCE = 499, 0.01
_TIE, _PROOF = 1.0, 3.0  # standard errors of a paired difference


def best(answers: Sequence[Scores], rows: npt.NDArray[np.intp] | None = None) -> int:
    """Which of several ways to take: of the trained ones the first whose log loss is not worse than their lowest by a
    standard error, unless one that trains nothing is better than that by three.

    The error is that of the paired difference, so that only what is a tie is called one. Put the plainer and cheaper
    ways first; the very first is taken where nothing was judged. What trains nothing has to prove itself, since it
    learns nothing from the images that are added later.

    Args:
        answers: Of each way, at least one of them trained.
        rows: Positions to judge by; all that every way was judged on when None.
    """
    chosen = _shared(answers) if rows is None else rows
    if not chosen.size:
        return 0
    losses = np.stack([each.losses[chosen] for each in answers])
    trained = np.flatnonzero([each.trained for each in answers])
    lowest = trained[losses[trained].mean(axis=1).argmin()]
    taken = int(next(way for way in trained if not exceeds_zero(losses[way] - losses[lowest], _TIE)))
    for way in range(len(answers)):
        if not answers[way].trained and exceeds_zero(losses[taken] - losses[way], _PROOF):
            taken = way
    return taken


def accuracy_of_best(answers: Sequence[Scores], seed: int) -> float:
    """What the best way's accuracy will be on other images.

    The best of many on these images is partly the luckiest. So images are drawn with replacement, the best is chosen on
    those drawn and judged on those that were not, many times over; no head is fitted again.

    Source: Tsamardinos et al. 2018, "Bootstrapping the out-of-sample predictions for efficient and accurate
    cross-validation", Machine Learning 107 (BBC-CV).

    Args:
        answers: Of every way that could have been chosen.
        seed: Of the draws.
    """
    shared = _shared(answers)
    alone = answers[best(answers)]
    if len(answers) == 1 or shared.size < 2:
        return alone.accuracy
    rng, found = np.random.default_rng(seed), []
    for _ in range(_DRAWS):
        drawn = rng.choice(shared, shared.size)
        others = np.setdiff1d(shared, drawn)
        if others.size:
            found.append(float(answers[best(answers, drawn)].hits[others].mean()))
    return min(float(np.mean(found)), alone.accuracy) if found else alone.accuracy


def goes_with_labels(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], seed: int) -> bool:
    """Whether held-out answers suit the labels better than shuffled ones, by their mean log loss.

    Accuracy cannot tell that a rare class was learnt: whoever never names it is right nearly always. A shuffle can: the
    answers stay, and with them how often each class is named.

    Source: Good 2005, "Permutation, Parametric and Bootstrap Tests of Hypotheses"; ``sklearn.model_selection.
    permutation_test_score`` fits anew for every shuffle, this does not.

    Args:
        logits: (N, C), of a head that had not learnt from these images.
        labels: (N,).
        seed: Of the shuffles.

    Returns:
        True where at most one shuffle in a hundred does as well.
    """
    if not labels.size:
        return False
    rng, rows = np.random.default_rng(seed), np.arange(labels.size)
    found = logits[rows, labels].mean()  # the rest of the log loss is the same, whatever the labels are
    shuffled = [logits[rows, rng.permutation(labels)].mean() for _ in range(_SHUFFLES)]
    return bool((1 + np.sum(shuffled >= found)) / (1 + _SHUFFLES) <= _CHANCE)


def _shared(answers: Sequence[Scores]) -> npt.NDArray[np.intp]:
    return np.flatnonzero(np.logical_and.reduce([each.held for each in answers]))
