"""Metrics of the probabilities themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ._checks import Doubles, Integers, check_probabilities
from ._values import ReliabilityBin, Uncalibrated

BINS = 15
_SMALLEST = float(np.finfo(np.float32).tiny)  # keeps the loss of a flat-out miss finite: 87 nats


@dataclass(frozen=True, eq=False)
class Reliability:
    """What each image adds to the calibration error.

    Attributes:
        bins: (N,) bin of the image's confidence, 0..BINS-1.
        gaps: (N,) 1 if right else 0, minus the confidence.
    """

    bins: Integers
    gaps: Doubles

    def __post_init__(self) -> None:
        if self.bins.shape != self.gaps.shape or self.bins.ndim != 1:
            raise ValueError(f"bins {self.bins.shape} and gaps {self.gaps.shape} must share one shape (N,)")


def log_loss(probabilities: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float:
    """Mean of -ln(probability of the true class), in nats; probabilities are cut off at 1e-38.

    Args:
        probabilities: (N, C), rows summing to one.
        labels: (N,) class indices.

    Raises:
        DataError: Empty, misshapen, not finite, or rows that do not sum to one.
    """
    probabilities, labels = check_probabilities(probabilities, labels)
    return float(losses(probabilities, labels).mean())


def losses(probabilities: npt.NDArray[Any], labels: Integers) -> Doubles:
    """Log loss (N,) of each row, in nats."""
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    # Rows that sum to a hair more than one would give a loss below zero.
    out: Doubles = -np.log(np.clip(own, _SMALLEST, 1.0))
    return out


def brier(probabilities: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float:
    """Mean squared distance between the probabilities and the truth (one for the true class), 0..2.

    Source: Brier 1950, "Verification of forecasts expressed in terms of probability"; with two classes it is twice what
    many libraries give. Arguments and errors as in `log_loss`.
    """
    probabilities, labels = check_probabilities(probabilities, labels)
    return float(distances(probabilities, labels).mean())


def distances(probabilities: npt.NDArray[Any], labels: Integers) -> Doubles:
    """Squared distance (N,) of each row from the truth."""
    exact = probabilities.astype(np.float64)
    own = exact[np.arange(len(labels)), labels]
    found: Doubles = np.square(exact).sum(axis=1) - 2 * own + 1
    return found


def ece(probabilities: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float:
    """Expected calibration error, 0..1: how far confidence and accuracy lie apart.

    Images are binned by the probability of their predicted class into 15 bins of equal width; the error is
    the mean over images of |accuracy - mean confidence| of their bin. Source: Guo et al. 2017, "On
    Calibration of Modern Neural Networks". Arguments and errors as in `log_loss`.
    """
    probabilities, labels = check_probabilities(probabilities, labels)
    found = reliability(probabilities, labels)
    gaps = np.bincount(found.bins, found.gaps, minlength=BINS)
    return float(np.abs(gaps).sum() / len(labels))


def reliability(probabilities: npt.NDArray[Any], labels: Integers) -> Reliability:
    """Bins and gaps; bin b holds confidences in (b/15, (b+1)/15], as in the paper."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    return Reliability(bins, right - confidence)


def reliability_curve(probabilities: npt.NDArray[Any], labels: npt.NDArray[Any]) -> tuple[ReliabilityBin, ...]:
    """Confidence and accuracy in each of the 15 bins of `ece` that hold an image, by rising confidence.

    Arguments and errors as in `log_loss`.
    """
    probabilities, labels = check_probabilities(probabilities, labels)
    found = reliability(probabilities, labels)
    confidence = probabilities.max(axis=1).astype(np.float64)
    counts = np.bincount(found.bins, minlength=BINS)
    sums = np.bincount(found.bins, confidence, minlength=BINS)
    gaps = np.bincount(found.bins, found.gaps, minlength=BINS)
    return tuple(
        ReliabilityBin(
            images=int(counts[place]),
            confidence=float(sums[place] / counts[place]),
            accuracy=float((sums[place] + gaps[place]) / counts[place]),
        )
        for place in np.flatnonzero(counts).tolist()
    )


def uncalibrated(probabilities: npt.NDArray[Any], labels: npt.NDArray[Any]) -> Uncalibrated:
    """The calibration figures of probabilities before temperature scaling. Arguments and errors as in `log_loss`."""
    return Uncalibrated(
        log_loss(probabilities, labels),
        ece(probabilities, labels),
        brier(probabilities, labels),
        reliability_curve(probabilities, labels),
    )
