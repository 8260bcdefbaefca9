"""Advice: how much of the network to keep, answered by the user's own data.

In: a data set with a training split, backbones, a budget. Out: an ``Advice`` (the ladder, the choice, a forecast), and
what stands on the chosen rung.
"""

from topwork.advising._advice import Advice
from topwork.advising._climb import Climbed, Fitted, climb
from topwork.advising._clock import Clock
from topwork.advising._curve import Forecast
from topwork.advising._describe import Description
from topwork.advising._options import BUDGET, AdviceOptions
from topwork.advising._rung import Answers, FeatureSpec, Rung
from topwork.advising._scores import h_score, logme
from topwork.advising._shortlist import Shortlisted

__all__ = [
    "BUDGET",
    "Advice",
    "AdviceOptions",
    "Answers",
    "Climbed",
    "Clock",
    "Description",
    "Fitted",
    "Forecast",
    "FeatureSpec",
    "Rung",
    "Shortlisted",
    "climb",
    "h_score",
    "logme",
]
