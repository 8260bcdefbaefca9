"""Cheap scores of features: how well they suit labels, without fitting a head. Arrays in, numbers out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

_ROUNDS = 11  # of LogME's fixed point, as its authors have it
_SETTLED = 1e-3


def logme(features: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float:
    """Logarithm of maximum evidence: how well a Bayesian linear regression explains one-hot labels, in nats an image.

    Source: You et al. 2021, "LogME: Practical Assessment of Pre-trained Models for Transfer Learning", arXiv
    2102.11005, with the faster fixed point of the authors' later work (arXiv 2110.10545).

    Args:
        features: (N, D) floats.
        labels: (N,) class indices; classes without images have no say.
    """
    rows = np.asarray(features, np.float64)
    count, width = rows.shape
    left, singular, _ = np.linalg.svd(rows, full_matrices=False)
    squares = singular**2
    scores = []
    for label in np.unique(labels):
        target = (labels == label).astype(np.float64)
        along = (left.T @ target) ** 2
        beyond = max(float(target @ target - along.sum()), 0.0)
        scores.append(_evidence(along, squares, beyond, count, width))
    return float(np.mean(scores))


def _evidence(along: Doubles, squares: Doubles, beyond: float, count: int, width: int) -> float:
    """Evidence of one target, an image: maximised over the prior's precision alpha and the noise's beta.

    Args:
        along: (r,) squared coordinates of the target in the features' left singular basis.
        squares: (r,) squared singular values.
        beyond: Squared length of what of the target lies outside that basis.
        count: Images.
        width: Features.
    """
    alpha = beta = 1.0
    for _ in range(_ROUNDS):
        ratio = alpha / beta
        gamma = float((squares / (squares + ratio)).sum())
        length = float((squares * along / (squares + ratio) ** 2).sum())
        residual = float((along * ratio**2 / (squares + ratio) ** 2).sum()) + beyond
        alpha, beta = gamma / max(length, 1e-12), (count - gamma) / max(residual, 1e-12)
        if abs(alpha / beta - ratio) <= _SETTLED * ratio:
            break
    ratio = alpha / beta
    length = float((squares * along / (squares + ratio) ** 2).sum())
    residual = float((along * ratio**2 / (squares + ratio) ** 2).sum()) + beyond
    determinant = float(np.log(alpha + beta * squares).sum()) + max(0, width - len(squares)) * np.log(alpha)
    evidence = (
        width * np.log(alpha)
        + count * np.log(beta)
        - determinant
        - beta * residual
        - alpha * length
        - count * np.log(2 * np.pi)
    )
    return float(evidence / 2 / count)


def h_score(features: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float:
    """H-score: the variance between the class means in units of the whole variance, summed over directions.

    Source: Bao et al. 2019, "An Information-Theoretic Approach to Transferability in Task Transfer Learning", with the
    shrunk covariance of Ibrahim et al. 2021 (arXiv 2110.06893), without which it is arbitrary where images are fewer
    than features: it is Ledoit and Wolf's.

    Args:
        features: (N, D) floats.
        labels: (N,) class indices.

    Returns:
        From 0, where the means are equal, to at most the number of classes less one.
    """
    rows = np.asarray(features, np.float64)
    rows = rows - rows.mean(axis=0)
    shrinkage = _ledoit_wolf(rows)
    seen, places = np.unique(labels, return_inverse=True)
    sums = np.zeros((len(seen), rows.shape[1]))
    np.add.at(sums, places, rows)
    means = sums / np.bincount(places)[:, None] * np.sqrt(np.bincount(places) / len(rows))[:, None]
    # tr(S^-1 M'M) with S = (1 - s) X'X / N + s m I: by Woodbury only N x N or D x D, the smaller of the two
    floor = shrinkage * float(np.einsum("ij,ij->", rows, rows)) / rows.size
    if floor <= 0:
        return 0.0
    _, singular, right = np.linalg.svd(rows, full_matrices=False)
    along = means @ right.T
    scaled = (1 - shrinkage) * singular**2 / len(rows) + floor
    rest = np.einsum("ij,ij->", means, means) - np.einsum("ij,ij->", along, along)
    return float((1 - shrinkage) * ((along**2 / scaled).sum() + max(rest, 0.0) / floor))


def _ledoit_wolf(rows: Doubles) -> float:
    """Ledoit and Wolf's shrinkage of a covariance towards a multiple of the identity, 0 to 1; rows are centred."""
    count, width = rows.shape
    gram = rows @ rows.T if count < width else rows.T @ rows
    lengths = np.einsum("ij,ij->i", rows, rows)
    mean = lengths.sum() / count / width
    squared = float((gram**2).sum()) / count**2  # of the covariance's entries
    delta = squared / width - mean**2
    beta = (float((lengths**2).sum()) / count - squared) / width / count
    return float(np.clip(beta / delta, 0.0, 1.0)) if delta > 0 else 1.0
