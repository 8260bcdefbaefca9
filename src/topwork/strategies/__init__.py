"""Strategies: the rungs of the ladder. In: a data set with parts, a backbone. Out: a head, what it reads, and why."""

from topwork.strategies._as_is import AsIs, AsIsOptions, Way, as_is_head, fit_as_is
from topwork.strategies._class_map import read_class_map
from topwork.strategies._compare import Trial
from topwork.strategies._finetune import INTERRUPTED, Finetuned, FinetuneOptions, default_config, finetune
from topwork.strategies._own_classes import Candidate, OwnAnswer, OwnClasses
from topwork.strategies._probe import Announce, Probe, ProbeOptions, fit_probe
from topwork.strategies._prompts import TEMPLATES, read_descriptions, read_templates
from topwork.strategies._several import fit_best_probe
from topwork.strategies._unseen import Unseen, novelty_of
from topwork.strategies._zero_shot import Words, ZeroShot, ZeroShotOptions, fit_zero_shot, words_alone

__all__ = [
    "INTERRUPTED",
    "TEMPLATES",
    "Announce",
    "AsIs",
    "AsIsOptions",
    "Candidate",
    "FinetuneOptions",
    "Finetuned",
    "OwnAnswer",
    "OwnClasses",
    "Probe",
    "ProbeOptions",
    "Trial",
    "Unseen",
    "Way",
    "Words",
    "ZeroShot",
    "ZeroShotOptions",
    "as_is_head",
    "default_config",
    "finetune",
    "fit_as_is",
    "fit_best_probe",
    "fit_probe",
    "fit_zero_shot",
    "novelty_of",
    "read_class_map",
    "read_descriptions",
    "read_templates",
    "words_alone",
]
