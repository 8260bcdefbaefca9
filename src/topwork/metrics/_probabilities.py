"""Softmax, and metrics of the probabilities themselves: log loss, Brier score, calibration."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from topwork._arrays import AnyArray, BoolArray, Float64Array, Int64Array

from ._values import ReliabilityBin, check_probabilities

BINS = 15
_SMALLEST = float(np.finfo(np.float32).tiny)  # keeps the loss of a flat-out miss finite: 87 nats

Float = TypeVar("Float", bound=np.floating[Any])


def softmax(
    logits: npt.NDArray[Float], temperature: float = 1.0, *, out: npt.NDArray[Float] | None = None
) -> npt.NDArray[Float]:
    """The softmax of logits / temperature over axis 1, which holds the classes as in torch's losses.

    It is computed, and given, in the type of the logits, the temperature included: float32 stays float32. The largest
    logit is subtracted first, so that nothing overflows; the sums are one up to rounding in that type.

    Args:
        logits: (N, C), or with more axes after the classes; floats.
        temperature: > 0; above one it makes the probabilities more alike.
        out: Where to put them; may be the logits themselves, which saves their memory. A new array when None.

    Example:
        >>> softmax(np.array([[0.0, np.log(3.0)]])).round(2).tolist()
        [[0.25, 0.75]]
    """
    if temperature != 1:
        logits = out = np.divide(logits, logits.dtype.type(temperature), out=out)
    out = np.subtract(logits, logits.max(axis=1, keepdims=True), out=out)
    np.exp(out, out=out)
    out /= out.sum(axis=1, keepdims=True)
    return out


class Reliability(NamedTuple):
    """What each image adds to the calibration error."""

    bins: Int64Array  # (N,) 0..BINS-1; bin b holds the confidences in (b/15, (b+1)/15], as in the paper
    confidence: Float64Array  # (N,) probability of the predicted class
    gaps: Float64Array  # (N,) 1 if right else 0, minus the confidence

    @classmethod
    def of(cls, probabilities: AnyArray, labels: Int64Array) -> Reliability:
        return cls.of_confidence(probabilities.max(axis=1).astype(np.float64), probabilities.argmax(axis=1) == labels)

    @classmethod
    def of_confidence(cls, confidence: Float64Array, right: BoolArray) -> Reliability:
        """Of how sure each answer is, and whether it is right."""
        bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
        return cls(bins, confidence, right - confidence)

    def ece(self) -> float:
        gaps = np.bincount(self.bins, self.gaps, minlength=BINS)
        return float(np.abs(gaps).sum() / len(self.bins))

    def curve(self) -> tuple[ReliabilityBin, ...]:
        counts = np.bincount(self.bins, minlength=BINS)
        sums = np.bincount(self.bins, self.confidence, minlength=BINS)
        gaps = np.bincount(self.bins, self.gaps, minlength=BINS)
        return tuple(
            ReliabilityBin(
                images=int(counts[place]),
                confidence=float(sums[place] / counts[place]),
                accuracy=float((sums[place] + gaps[place]) / counts[place]),
            )
            for place in np.flatnonzero(counts).tolist()
        )


def log_loss(probabilities: AnyArray, labels: AnyArray) -> float:
    """Mean of -ln(probability of the true class), in nats; probabilities are cut off at 1e-38.

    Args:
        probabilities: (N, C), rows summing to one.
        labels: (N,) class indices.

    Raises:
        DataError: Empty, misshapen, not finite, or rows that do not sum to one.
    """
    probabilities, labels = check_probabilities(probabilities, labels)
    return float(losses(probabilities, labels).mean())


def losses(probabilities: AnyArray, labels: Int64Array) -> Float64Array:
    """Log loss (N,) of each row, in nats."""
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    # Rows that sum to a hair more than one would give a loss below zero.
    out: Float64Array = -np.log(np.clip(own, _SMALLEST, 1.0))
    return out


def brier(probabilities: AnyArray, labels: AnyArray) -> float:
    """Mean squared distance between the probabilities and the truth (one for the true class), 0..2.

    Source: Brier 1950, "Verification of forecasts expressed in terms of probability"; with two classes it is twice what
    many libraries give. The arguments and errors are those of `log_loss`.
    """
    probabilities, labels = check_probabilities(probabilities, labels)
    return float(distances(probabilities, labels).mean())


def distances(probabilities: AnyArray, labels: Int64Array) -> Float64Array:
    """Squared distance (N,) of each row from the truth."""
    exact = probabilities.astype(np.float64)
    own = exact[np.arange(len(labels)), labels]
    found: Float64Array = np.square(exact).sum(axis=1) - 2 * own + 1
    return found


def ece(probabilities: AnyArray, labels: AnyArray) -> float:
    """Expected calibration error, 0..1: how far confidence and accuracy lie apart.

    Images are binned by the probability of their predicted class into 15 bins of equal width; the error is
    the mean over images of |accuracy - mean confidence| of their bin. Source: Guo et al. 2017, "On
    Calibration of Modern Neural Networks". The arguments and errors are those of `log_loss`.
    """
    probabilities, labels = check_probabilities(probabilities, labels)
    return Reliability.of(probabilities, labels).ece()


def reliability_curve(probabilities: AnyArray, labels: AnyArray) -> tuple[ReliabilityBin, ...]:
    """Confidence and accuracy in each of the 15 bins of `ece` that hold an image, by rising confidence.

    The arguments and errors are those of `log_loss`.
    """
    probabilities, labels = check_probabilities(probabilities, labels)
    return Reliability.of(probabilities, labels).curve()
