"""Fitting: the one pass from a data set to a measured model, whatever the task. In: data, a task. Out: a ``Model``."""

from topwork.fitting._fit import advise, default_options, fit
from topwork.fitting._prepare import held_out_again, sample_folder

__all__ = ["advise", "default_options", "fit", "held_out_again", "sample_folder"]
