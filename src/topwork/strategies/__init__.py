"""Strategies: the rungs of the ladder. In: a data set with parts, a backbone. Out: a head, what it reads, and why."""

from topwork.strategies._as_is import AsIs, AsIsOptions, Way, as_is_head, as_is_of, fit_as_is
from topwork.strategies._class_map import read_class_map
from topwork.strategies._compare import ClassWeight, Trial, fit_head, held_out_losses
from topwork.strategies._crossed import FitHead, out_of_fold
from topwork.strategies._finetune import INTERRUPTED, Finetuned, FinetuneOptions, default_config, finetune
from topwork.strategies._order import stratified_order
from topwork.strategies._own_classes import Candidate, OwnAnswer, OwnClasses
from topwork.strategies._probe import Announce, Probe, ProbeOptions, fit_probe, probe_of, ways_to_fit
from topwork.strategies._prompts import TEMPLATES, read_descriptions, read_templates
from topwork.strategies._several import fit_best_probe
from topwork.strategies._unseen import Unseen, novelty_of, training_rows
from topwork.strategies._zero_shot import Words, ZeroShot, ZeroShotOptions, fit_zero_shot, words_alone, zero_shot_of

__all__ = [
    "INTERRUPTED",
    "TEMPLATES",
    "Announce",
    "AsIs",
    "AsIsOptions",
    "Candidate",
    "ClassWeight",
    "FinetuneOptions",
    "Finetuned",
    "FitHead",
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
    "as_is_of",
    "default_config",
    "finetune",
    "fit_as_is",
    "fit_best_probe",
    "fit_head",
    "fit_probe",
    "fit_zero_shot",
    "held_out_losses",
    "novelty_of",
    "out_of_fold",
    "probe_of",
    "read_class_map",
    "read_descriptions",
    "read_templates",
    "stratified_order",
    "training_rows",
    "ways_to_fit",
    "words_alone",
    "zero_shot_of",
]
