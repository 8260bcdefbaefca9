"""How good a classifier is, with intervals, and how sure it may be. Pure functions: arrays in, numbers out.

- `evaluate` gives everything at once as an `Evaluation`, whose figures are `Estimate` values with 95 % intervals;
- `evaluate_streamed` the same of rows that come block by block (`Answered`), more than memory holds;
- of predicted classes: `balanced_accuracy`, `macro_f1`, `confusion_matrix`, `per_class`;
- of probabilities: `softmax`, `log_loss`, `brier`, `ece`, `reliability_curve`;
- of the order of scores: `roc_auc`, `average_precision`;
- intervals: `wilson_interval`, `bootstrap_intervals`;
- from probabilities to answers: `decide` by a `Threshold` or `Costs`, `recall_threshold`, `precision_threshold`,
  `decision_report`;
- of k folds: `corrected_t_interval`, `mean_of_folds`;
- two ways on the same images: `compare`, `mcnemar`, `exceeds_zero`;
- prediction sets and selective prediction: `conformal_thresholds`, `prediction_sets`, `abstention_thresholds`,
  `threshold_at`, `selective_reports`, `refuting`;
- of identities: `pairs_of`, `verification` (ROC, EER, true accepts), `identification` (ranks, open set, retrieval),
  `group_reports`, `threshold_for`;
- of a detector: `detection_report`, COCO's figures of `Detections`; `average_precision50` and
  `average_precision_of_boxes` alone, light;
  `precision_recall_curves`; a threshold for each class by `detection_thresholds`, what thresholds give by
  `at_thresholds`; `score_calibration`; kinds of error by `error_report`; `class_table` with background;
  `worst_misses`, `worst_inventions`; two detectors by `compare_detections`;
- of a segmentation: `mask_counts` of each image, and of these the `segmentation_report`: IoU, Dice, outlines, objects;
  `mask_threshold` where there are two classes; `worst_masks`; two segmentations by `compare_segmentations`;
- whether new images are like the old ones: `typicality`, `shift`.
"""

from __future__ import annotations

from ._classification import balanced_accuracy, confusion_matrix, macro_f1
from ._decision import (
    Costs,
    DecisionReport,
    Outcome,
    Rule,
    SetThreshold,
    Threshold,
    decide,
    decision_report,
    precision_threshold,
    recall_threshold,
)
from ._detection import (
    ClassTable,
    DetectionComparison,
    DetectionReport,
    DetectionThresholds,
    ErrorKind,
    ErrorReport,
    Invention,
    Miss,
    ObjectClassReport,
    Objects,
    OperatingPoint,
    OperatingReport,
    PrecisionRecallCurve,
    ScoreCalibration,
    at_thresholds,
    average_precision50,
    average_precision50_resampled,
    average_precision_of_boxes,
    class_table,
    compare_detections,
    detection_report,
    detection_thresholds,
    error_report,
    overlaps,
    precision_recall_curves,
    score_calibration,
    worst_inventions,
    worst_misses,
)
from ._detections import Detections
from ._evaluation import Evaluation, evaluate, per_class
from ._folds import corrected_t_interval, mean_of_folds
from ._group_reports import GroupReport, group_reports, identities_of_groups
from ._identification import Identification, OpenSetPoint, identification
from ._intervals import bootstrap_intervals, wilson_interval
from ._paired import Comparison, compare, exceeds_zero, mcnemar
from ._probabilities import brier, ece, log_loss, reliability_curve, softmax
from ._ranking import average_precision, roc_auc
from ._segmentation import (
    MaskClassReport,
    MaskCounts,
    MaskThreshold,
    ObjectCounts,
    ObjectMaskReport,
    ObjectMatches,
    ObjectsReport,
    PixelCalibration,
    PixelConfidences,
    SegmentationComparison,
    SegmentationReport,
    WorstMask,
    compare_segmentations,
    mask_counts,
    mask_threshold,
    match_objects,
    segmentation_report,
    worst_masks,
)
from ._selective import (
    LEVELS,
    SelectiveReport,
    abstention_thresholds,
    conformal_thresholds,
    prediction_sets,
    refuting,
    selective_reports,
    threshold_at,
)
from ._shift import FALSE_ALARMS, Shift, shift, typicality
from ._streamed import Answered, evaluate_streamed
from ._values import ClassReport, Estimate, ReliabilityBin, Uncalibrated, as_percent
from ._verification import (
    LEAST_FALSE_ACCEPTS,
    AcceptPoint,
    Pairs,
    Verification,
    equal_error_rate,
    pairs_of,
    some_images,
    threshold_for,
    verification,
)

__all__ = [
    "Answered",
    "AcceptPoint",
    "ClassReport",
    "ClassTable",
    "Comparison",
    "Costs",
    "DecisionReport",
    "DetectionComparison",
    "DetectionReport",
    "DetectionThresholds",
    "Detections",
    "ErrorKind",
    "ErrorReport",
    "Estimate",
    "Evaluation",
    "GroupReport",
    "Identification",
    "OpenSetPoint",
    "OperatingPoint",
    "Pairs",
    "Verification",
    "equal_error_rate",
    "group_reports",
    "identification",
    "identities_of_groups",
    "pairs_of",
    "some_images",
    "threshold_for",
    "verification",
    "FALSE_ALARMS",
    "Invention",
    "LEAST_FALSE_ACCEPTS",
    "LEVELS",
    "MaskClassReport",
    "MaskCounts",
    "MaskThreshold",
    "Miss",
    "ObjectClassReport",
    "ObjectCounts",
    "ObjectMaskReport",
    "ObjectMatches",
    "Objects",
    "ObjectsReport",
    "OperatingReport",
    "Outcome",
    "PixelCalibration",
    "PixelConfidences",
    "PrecisionRecallCurve",
    "ReliabilityBin",
    "Rule",
    "ScoreCalibration",
    "SegmentationComparison",
    "SegmentationReport",
    "SelectiveReport",
    "SetThreshold",
    "Shift",
    "Threshold",
    "Uncalibrated",
    "WorstMask",
    "abstention_thresholds",
    "as_percent",
    "at_thresholds",
    "average_precision",
    "average_precision50",
    "average_precision50_resampled",
    "average_precision_of_boxes",
    "balanced_accuracy",
    "bootstrap_intervals",
    "brier",
    "class_table",
    "compare",
    "compare_detections",
    "compare_segmentations",
    "conformal_thresholds",
    "confusion_matrix",
    "corrected_t_interval",
    "decide",
    "decision_report",
    "detection_report",
    "detection_thresholds",
    "ece",
    "error_report",
    "evaluate",
    "evaluate_streamed",
    "exceeds_zero",
    "log_loss",
    "macro_f1",
    "mask_counts",
    "mask_threshold",
    "match_objects",
    "mcnemar",
    "mean_of_folds",
    "overlaps",
    "per_class",
    "precision_recall_curves",
    "precision_threshold",
    "prediction_sets",
    "recall_threshold",
    "refuting",
    "reliability_curve",
    "roc_auc",
    "score_calibration",
    "segmentation_report",
    "selective_reports",
    "shift",
    "softmax",
    "threshold_at",
    "typicality",
    "wilson_interval",
    "worst_inventions",
    "worst_masks",
    "worst_misses",
]
