"""Fitting: the one pass from a data set to a measured model, whatever the task. In: data, a task. Out: a ``Model``."""

from topwork.fitting._fit import advise, default_options, fit
from topwork.fitting._from_shards import fit_shards, network_of
from topwork.fitting._page import PAGE, write_report
from topwork.fitting._prepare import held_out_again
from topwork.fitting._tracked import Tracked

__all__ = [
    "PAGE",
    "Tracked",
    "advise",
    "default_options",
    "fit",
    "fit_shards",
    "held_out_again",
    "network_of",
    "write_report",
]
