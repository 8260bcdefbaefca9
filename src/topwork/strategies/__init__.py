"""Strategies: the rungs of the ladder. In: a data set with splits, a backbone. Out: a head, what it reads, and why."""

from topwork.strategies._as_is import AsIs, AsIsOptions, Way, as_is_head, as_is_of, fit_as_is
from topwork.strategies._class_map import read_class_map
from topwork.strategies._compare import ClassWeight, Trial, fit_head, held_out_losses
from topwork.strategies._crossed import FitHead, cross_val_probabilities
from topwork.strategies._finetune import INTERRUPTED, Finetuned, FinetuneOptions, default_config, finetune
from topwork.strategies._order import stratified_order
from topwork.strategies._out_of_fold import OutOfFold, novelty_of, training_rows
from topwork.strategies._own_classes import Candidate, OwnAnswer, OwnClasses
from topwork.strategies._probe import Announce, Probe, ProbeOptions, crop_modes_to_try, fit_probe, probe_of
from topwork.strategies._prompts import TEMPLATES, read_descriptions, read_templates
from topwork.strategies._several import fit_best_probe
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
    "OutOfFold",
    "Way",
    "Words",
    "ZeroShot",
    "ZeroShotOptions",
    "as_is_head",
    "as_is_of",
    "cross_val_probabilities",
    "default_config",
    "finetune",
    "fit_as_is",
    "fit_best_probe",
    "fit_head",
    "fit_probe",
    "fit_zero_shot",
    "held_out_losses",
    "novelty_of",
    "probe_of",
    "read_class_map",
    "read_descriptions",
    "read_templates",
    "stratified_order",
    "training_rows",
    "crop_modes_to_try",
    "words_alone",
    "zero_shot_of",
]
