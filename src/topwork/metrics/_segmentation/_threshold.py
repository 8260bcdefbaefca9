"""From which probability on a pixel is foreground, where there are two classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from topwork._arrays import AnyArray, Float64Array, Int64Array
from topwork.errors import DataError
from topwork.metrics._estimates import difference, share
from topwork.metrics._intervals import RESAMPLES
from topwork.metrics._values import Estimate, Saved

from ._counts import SCORES, MaskCounts
from ._figures import as_they_are, checked, overlaps, summed, values_and_draws

HALF = 0.5


@dataclass(frozen=True)
class MaskThreshold(Saved):
    """The probability from which on a pixel is foreground, and what it gives on the images that it was chosen on.

    Attributes:
        threshold: From 0.01 to 0.99. Of both figures, since where one is best the other is.
        iou: Of the foreground there. It was chosen on these images, so it is a little too good.
        dice: The same of Dice.
        iou_at_half: Of the foreground at 0.5.
        gain: What it adds to the figure at 0.5, with a paired interval over images.
    """

    threshold: float
    iou: Estimate
    dice: Estimate
    iou_at_half: Estimate
    gain: Estimate

    _what = "threshold of a mask"

    @property
    def helps(self) -> bool:
        """Whether it is better than 0.5 by more than chance: keep 0.5 where it is not."""
        return self.gain.low > 0


def mask_threshold(counts: Sequence[MaskCounts], *, seed: int = 0, resamples: int = RESAMPLES) -> MaskThreshold:
    """Choose the threshold of the best IoU of all pixels together, on images that the model has not learnt from.

    Of equal ones it is the one nearest to 0.5. Source: as for F1, in Lipton et al. 2014, "Thresholding Classifiers to
    Maximize F1 Score".

    Args:
        counts: Of N images with two classes, with their probabilities.
        seed: Of the bootstrap.
        resamples: How many.

    Raises:
        DataError: No images, other than two classes, no probabilities, or no foreground.
    """
    checked(counts, 2)
    given = [each.scores for each in counts if each.scores is not None]
    if not given:
        raise DataError("no threshold can be chosen without probabilities", hint="Count masks with probabilities.")
    scores = np.stack(given)
    if not scores[:, 1].any():
        raise DataError("no image that a threshold would be chosen on shows the class", hint="Give images that do.")
    above = np.cumsum(scores[..., ::-1], axis=2)[..., ::-1]  # (N, 2, 100) pixels at this score or above it
    true = scores[:, 1].sum(axis=1)
    half = round(HALF * SCORES)
    iou, _ = _overlaps(above, true, np.arange(1, SCORES), as_they_are(len(counts)))
    best = np.flatnonzero(iou[:, 0] >= iou.max()) + 1
    chosen = int(best[np.abs(best - half).argmin()])

    def at(weights: Float64Array) -> Float64Array:
        iou, dice = _overlaps(above, true, np.array([chosen, half]), weights)
        return np.stack([iou[0], dice[0], iou[1], iou[0] - iou[1]])

    values, drawn = values_and_draws(at, len(counts), seed, resamples)
    own = [share(*each, len(counts)) for each in zip(values[:3], drawn[:3], strict=True)]
    found = [*own, difference(values[3], drawn[3], len(counts))]
    return MaskThreshold(chosen / SCORES, *(each for each in found if each is not None))


def _overlaps(
    above: Int64Array, true: Int64Array, places: AnyArray, weights: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """IoU and Dice (t, r) of the foreground at thresholds of these places."""
    wrong, right = summed(above[..., places], weights)
    return overlaps(right, summed(true, weights), wrong + right)
