"""Strategies: the rungs of the ladder. In: a data set with parts, a backbone. Out: a head, what it reads, and why."""

from topwork.strategies._compare import Trial
from topwork.strategies._probe import Announce, Probe, ProbeOptions, fit_probe
from topwork.strategies._several import fit_best_probe

__all__ = ["Announce", "Probe", "ProbeOptions", "Trial", "fit_best_probe", "fit_probe"]
