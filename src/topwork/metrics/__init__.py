"""How good a classifier is, with intervals, and how sure it may be. Pure functions: arrays in, numbers out.

- `evaluate` gives everything at once as an `Evaluation`, whose figures are `Estimate` values with 95 % intervals;
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
from ._evaluation import Evaluation, evaluate, per_class
from ._folds import corrected_t_interval, mean_of_folds
from ._intervals import bootstrap_intervals, wilson_interval
from ._paired import Comparison, compare, exceeds_zero, mcnemar
from ._probabilities import brier, ece, log_loss, reliability_curve, softmax
from ._ranking import average_precision, roc_auc
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
from ._values import ClassReport, Estimate, ReliabilityBin, Uncalibrated

__all__ = [
    "FALSE_ALARMS",
    "LEVELS",
    "ClassReport",
    "Comparison",
    "Costs",
    "DecisionReport",
    "Estimate",
    "Evaluation",
    "Outcome",
    "ReliabilityBin",
    "Rule",
    "SelectiveReport",
    "SetThreshold",
    "Shift",
    "Threshold",
    "Uncalibrated",
    "abstention_thresholds",
    "average_precision",
    "balanced_accuracy",
    "bootstrap_intervals",
    "brier",
    "compare",
    "conformal_thresholds",
    "confusion_matrix",
    "corrected_t_interval",
    "decide",
    "decision_report",
    "ece",
    "evaluate",
    "exceeds_zero",
    "log_loss",
    "macro_f1",
    "mcnemar",
    "mean_of_folds",
    "per_class",
    "precision_threshold",
    "prediction_sets",
    "recall_threshold",
    "refuting",
    "reliability_curve",
    "roc_auc",
    "selective_reports",
    "shift",
    "softmax",
    "threshold_at",
    "typicality",
    "wilson_interval",
]
