"""How good a classifier is, with intervals, and how sure it may be. Pure functions: arrays in, numbers out.

`evaluate` gives everything at once and `compare` sets two models side by side; the functions beside them give one
figure each. `set_thresholds` and `answer_thresholds` turn calibration images into promises, `shift` tells whether new
images are like the old ones.
"""

from __future__ import annotations

from ._calibration import brier, ece, log_loss, reliability_curve
from ._caution import LEVELS, Kept, answer_thresholds, kept, prediction_sets, promised, set_thresholds
from ._counts import accuracy, balanced_accuracy, confusion_matrix, macro_f1, per_class
from ._evaluation import Evaluation, evaluate
from ._intervals import bootstrap_intervals, wilson_interval
from ._pairs import Comparison, compare, mcnemar
from ._ranking import average_precision, roc_auc, top_k_accuracy
from ._shift import FALSE_ALARMS, Shift, shift, typicality
from ._values import ClassReport, Estimate, ReliabilityBin, Uncalibrated

__all__ = [
    "FALSE_ALARMS",
    "LEVELS",
    "ClassReport",
    "Comparison",
    "Estimate",
    "Evaluation",
    "Kept",
    "ReliabilityBin",
    "Shift",
    "Uncalibrated",
    "accuracy",
    "answer_thresholds",
    "average_precision",
    "balanced_accuracy",
    "bootstrap_intervals",
    "brier",
    "compare",
    "confusion_matrix",
    "ece",
    "evaluate",
    "kept",
    "log_loss",
    "macro_f1",
    "mcnemar",
    "per_class",
    "prediction_sets",
    "promised",
    "reliability_curve",
    "roc_auc",
    "set_thresholds",
    "shift",
    "top_k_accuracy",
    "typicality",
    "wilson_interval",
]
