"""Strategies: the rungs of the ladder. In: a data set with parts, a backbone. Out: a head, what it reads, and why."""

from topwork.strategies._as_is import AsIs, AsIsOptions, Way, as_is_head, fit_as_is
from topwork.strategies._class_map import read_class_map
from topwork.strategies._compare import Trial
from topwork.strategies._own_classes import Candidate, OwnAnswer, OwnClasses
from topwork.strategies._probe import Announce, Probe, ProbeOptions, fit_probe
from topwork.strategies._several import fit_best_probe

__all__ = [
    "Announce",
    "AsIs",
    "AsIsOptions",
    "Candidate",
    "OwnAnswer",
    "OwnClasses",
    "Probe",
    "ProbeOptions",
    "Trial",
    "Way",
    "as_is_head",
    "fit_as_is",
    "fit_best_probe",
    "fit_probe",
    "read_class_map",
]
