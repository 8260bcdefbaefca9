"""Two detectors on the same images: is one better, or is it chance?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from topwork._arrays import Float32Array, Float64Array
from topwork.metrics._detections import Detections
from topwork.metrics._estimates import difference
from topwork.metrics._intervals import RESAMPLES, resample
from topwork.metrics._values import Estimate, Saved

from ._boxes import Objects, checked
from ._matching import SIZES, Matches, match
from ._precision import as_they_are, averages, mean_over_classes


@dataclass(frozen=True)
class DetectionComparison(Saved):
    """A first and a second detector on the same images.

    Attributes:
        images: How many there are.
        ap: Average precision of the second less that of the first, with a paired bootstrap interval over images; None
            where nothing has a box. Where the two do as well on every resample, it is what so many images leave open.
        ap50: The same at an overlap of 0.5.
    """

    images: int
    ap: Estimate | None
    ap50: Estimate | None

    _what = "comparison of detectors"


def compare_detections(
    truth: Sequence[Objects],
    first: Sequence[Detections],
    second: Sequence[Detections],
    n_classes: int,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> DetectionComparison:
    """Compare two detectors on the same resamples, which tells far smaller differences than two intervals do.

    Raises:
        DataError: What `detection_report` refuses.
    """
    both = [_matches(truth, found, n_classes) for found in (first, second)]
    value = _differences(both, as_they_are(both[0]))[:, 0]
    drawn = [_differences(both, counts) for counts in resample(len(truth), seed, resamples)]
    there = both[0].truth.rows[both[0].counted[0]]
    spread, images = np.concatenate(drawn, axis=1), len(np.unique(there))
    ap, ap50 = (difference(*each, images) for each in zip(value, spread, strict=True))
    return DetectionComparison(len(truth), ap, ap50)


def _matches(truth: Sequence[Objects], found: Sequence[Detections], n_classes: int) -> Matches:
    return match(*checked(truth, found, n_classes), n_classes, len(truth), sizes=SIZES[:1])


def _differences(both: list[Matches], counts: Float32Array) -> Float64Array:
    """(2, r): of average precision over all overlaps, and at the first."""
    means = [mean_over_classes(averages(each, counts).precision[:, 0]) for each in both]  # (T, r) each
    change = means[1] - means[0]
    return np.stack([change.mean(axis=0), change[0]])
