"""The kit's sections: what a page may show of a model that tells classes apart, and what trained it.

Each function gives from a ``PageContext`` the values that ``templates/model/NAME.html`` puts into words and pictures,
or None where there is nothing to show. A task's list says which a page has (``topwork.report.Section``).
"""

from topwork.report.sections._advice import advice_of, forecast, kept, ladder, p_value, trials
from topwork.report.sections._answers import confusion, kinds_of_mistakes, unsure, worst
from topwork.report.sections._explained import explained, ideal, robustness, space
from topwork.report.sections._measured import answer, calibration, folds, metrics, per_class, selective, shift
from topwork.report.sections._record import cite, data, example, findings, repeat, use

__all__ = [
    "advice_of",
    "answer",
    "calibration",
    "cite",
    "confusion",
    "data",
    "example",
    "explained",
    "findings",
    "folds",
    "forecast",
    "ideal",
    "kinds_of_mistakes",
    "kept",
    "ladder",
    "metrics",
    "p_value",
    "per_class",
    "repeat",
    "robustness",
    "selective",
    "shift",
    "space",
    "trials",
    "unsure",
    "use",
    "worst",
]
