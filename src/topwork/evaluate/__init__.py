"""How good a classifier is, with intervals. Pure functions: arrays in, numbers out.

`evaluate` gives everything at once; the functions beside it give one figure each.
"""

from __future__ import annotations

from ._calibration import ece, log_loss
from ._counts import accuracy, confusion_matrix, macro_f1, per_class
from ._evaluation import ClassReport, Estimate, Evaluation, evaluate
from ._intervals import bootstrap_intervals, wilson_interval

__all__ = [
    "ClassReport",
    "Estimate",
    "Evaluation",
    "accuracy",
    "bootstrap_intervals",
    "confusion_matrix",
    "ece",
    "evaluate",
    "log_loss",
    "macro_f1",
    "per_class",
    "wilson_interval",
]
