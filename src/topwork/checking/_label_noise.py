"""Label noise: which given labels are probably wrong, from what a probe says of images that it did not train on.

Confident learning (Northcutt, Jiang & Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels")
counts an image as mislabelled where another class is as probable as it usually is for its own images. With 5 % of the
labels turned that finds about 80 % of them among photographs at a precision above 0.9; but where the probe is weak it
takes well-labelled images for wrong ones, 18 % of all cloth seen by the last features alone. Counting cannot tell a
weak probe from wrong labels; the spread of the probabilities can. So here both are fitted at once, as one mixture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

_FIRST_SHARE, _LEAST_SHARE = 0.02, 1e-5
_ROUNDS = 100
_TEMPERATURES = np.geomspace(0.1, 5.0, 40)  # times the temperature that fits best where no label is wrong


@dataclass(frozen=True, eq=False)
class Noise:
    """How labels and a probe go together.

    Attributes:
        wrong: (N,), probability that each given label is wrong.
        share: Of all labels, how many are wrong.
        temperature: Of the logits, for images whose label is right.
    """

    wrong: Doubles
    share: float
    temperature: float


def fit_noise(logits: npt.NDArray[np.float32], labels: Rows, temperature: float) -> Noise:
    """The share of wrong labels and the temperature that together explain the given labels best.

    A label is wrong with probability e, and then names any other class alike; otherwise it is drawn from the softmax
    of the logits at temperature T. The likelihood is maximised over e (expectation maximisation) and T (a grid). A
    probe that is merely unsure is explained by a higher temperature and e near zero; labels that contradict a sure
    probe are not, as no temperature makes a probe both sure and often wrong.

    Args:
        logits: (N, C) by a probe that was not taught by the row's label.
        labels: (N,), as given.
        temperature: That fits where no label is taken to be wrong.
    """
    ahead = _ahead(logits, labels)
    classes = ahead.shape[1]
    best, most_likely = Noise(np.zeros(len(labels)), 0.0, temperature), -np.inf
    for candidate in temperature * _TEMPERATURES if len(labels) else ():
        own = 1.0 / np.exp(np.minimum(ahead / candidate, 500.0)).sum(axis=1)
        wrong, share = wrong_probability(own, classes=classes)
        likelihood = np.log(np.maximum((1 - share) * own + share / (classes - 1) * (1 - own), 1e-300)).mean()
        if likelihood > most_likely:
            best, most_likely = Noise(wrong, share, float(candidate)), float(likelihood)
    return best


def _ahead(logits: npt.NDArray[np.float32], labels: Rows) -> Doubles:
    """(N, classes among the labels): how far each class's logit is ahead of the given one's."""
    present = np.unique(labels)
    own = logits[np.arange(len(labels)), labels]
    return np.asarray(logits[:, present].astype(np.float64) - own[:, None])


def wrong_probability(own: Doubles, *, classes: int) -> tuple[Doubles, float]:
    """Probability that each label is wrong, and their share, at one temperature.

    By Bayes, a label whose class has probability p is wrong with odds e (1 - p) / (C - 1) to (1 - e) p; e is the mean
    of these probabilities.

    Args:
        own: (N,), probability of the given class.
        classes: C, at least 2.
    """
    share, wrong = _FIRST_SHARE, np.zeros(len(own))
    for _ in range(_ROUNDS if len(own) else 0):
        other = (1.0 - own) * share / (classes - 1)
        wrong = other / np.maximum(other + own * (1.0 - share), 1e-300)
        before, share = share, max(float(wrong.mean()), _LEAST_SHARE)
        if abs(share - before) < 1e-6:
            break
    return wrong, share
