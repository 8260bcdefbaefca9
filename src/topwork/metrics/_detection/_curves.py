"""Precision over recall, and whether a score is the share that is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from topwork.metrics._detections import Detections
from topwork.metrics._probabilities import Reliability
from topwork.metrics._values import ReliabilityBin, Saved

from ._boxes import Objects, checked
from ._matching import LIMIT, SIZES, Matches, match, match_at
from ._precision import RECALLS, best_precision


@dataclass(frozen=True)
class PrecisionRecallCurve(Saved):
    """Precision of one class at the 101 recalls 0, 0.01 to 1: COCO's curve, whose mean is average precision.

    Attributes:
        name: The class.
        iou: The overlap from which on a detection is right.
        precision: 101, the best at that recall or a higher one; 0 where it is not reached.
        thresholds: 101, the scores that reach the recalls; 0 where none does.
    """

    name: str
    iou: float
    precision: tuple[float, ...]
    thresholds: tuple[float, ...]

    _what = "curve of precision over recall"

    def __post_init__(self) -> None:
        if not len(self.precision) == len(self.thresholds) == len(RECALLS):
            raise ValueError(f"expected {len(RECALLS)} points, got {len(self.precision)} and {len(self.thresholds)}")


def precision_recall_curves(
    truth: Sequence[Objects], found: Sequence[Detections], classes: Sequence[str], *, ious: Sequence[float] = (0.5,)
) -> tuple[PrecisionRecallCurve, ...]:
    """A curve for each class with boxes, at each overlap, class by class.

    Raises:
        DataError: What `detection_report` refuses.
    """
    given = checked(truth, found, len(classes))
    matches = match(*given, len(classes), len(truth), ious=np.array(ious), sizes=SIZES[:1], limit=LIMIT)
    return tuple(
        _curve(matches, place, name, number, float(iou))
        for place, name in enumerate(classes)
        if matches.counted[0, matches.of_class(place)[1]].any()
        for number, iou in enumerate(ious)
    )


def _curve(matches: Matches, place: int, name: str, number: int, iou: float) -> PrecisionRecallCurve:
    mine, theirs = matches.of_class(place)
    kept = ~matches.ignored[0, number, mine]
    right = matches.right[0, number, mine][kept]
    hits = np.flatnonzero(right)
    found = np.arange(1, len(hits) + 1, dtype=np.float64)
    best = best_precision(found[:, None], (hits[:, None] + 1).astype(np.float64))[:, 0]
    at = np.searchsorted(found / matches.counted[0, theirs].sum(), RECALLS)
    scores = matches.found.scores[mine][kept][hits]
    points = (np.append(each, 0.0)[at].tolist() for each in (best, scores))
    return PrecisionRecallCurve(name, iou, *map(tuple, points))


@dataclass(frozen=True)
class ScoreCalibration(Saved):
    """Whether scores are what they say: of detections of a score of 0.8, four in five should be right.

    Attributes:
        detections: How many there are, those in crowds left out.
        ece: Expected calibration error over 15 bins; None where there are none.
        reliability: The bins that hold a detection, by rising score; their ``images`` are detections.
    """

    detections: int
    ece: float | None
    reliability: tuple[ReliabilityBin, ...]

    _what = "calibration of scores"


def score_calibration(
    truth: Sequence[Objects], found: Sequence[Detections], n_classes: int, *, iou: float = 0.5
) -> ScoreCalibration:
    """Beside each score the share that is right at an overlap, over all detections that are given.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", of detections as in Küppers et al. 2020,
    "Multivariate Confidence Calibration for Object Detection", by score alone.

    Raises:
        DataError: What `detection_report` refuses.
    """
    matches = match_at(truth, found, n_classes, iou=iou)
    kept = ~matches.ignored[0, 0]
    if not kept.any():
        return ScoreCalibration(0, None, ())
    reliability = Reliability.of_confidence(matches.found.scores[kept], matches.right[0, 0][kept])
    return ScoreCalibration(int(kept.sum()), reliability.ece(), reliability.curve())
