"""Fitting: the one pass from a data set to a measured model, whatever the task. In: data, a task. Out: a ``Model``."""

from topwork.fitting._fit import advise, default_options, fit
from topwork.fitting._page import PAGE, write_report
from topwork.fitting._prepare import held_out_again

__all__ = ["PAGE", "advise", "default_options", "fit", "held_out_again", "write_report"]
