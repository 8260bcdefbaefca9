"""Strategies: the rungs of the ladder. In: a data set with splits, a backbone. Out: a head, what it reads, and why."""

from topwork.tasks.classification.strategies._as_is import (
    AsIs,
    AsIsOptions,
    MappedBy,
    as_is_of,
    fit_as_is,
    read_class_map,
)
from topwork.tasks.classification.strategies._finetune import (
    INTERRUPTED,
    Finetuned,
    FinetuneOptions,
    default_config,
    finetune,
)
from topwork.tasks.classification.strategies._fitted import Fitted
from topwork.tasks.classification.strategies._own_classes import OwnAnswer, OwnClasses, RankedClass
from topwork.tasks.classification.strategies._probe import (
    CROP_MODE_ERRORS,
    Probe,
    ProbeOptions,
    crop_modes_to_try,
    fit_best_probe,
    fit_probe,
    probe_of,
    require_two_classes,
    sample_rows,
    sides_of_some,
)
from topwork.tasks.classification.strategies._prompts import TEMPLATES, read_descriptions, read_templates
from topwork.tasks.classification.strategies._zero_shot import (
    Words,
    ZeroShot,
    ZeroShotOptions,
    fit_zero_shot,
    words_alone,
    words_record,
    zero_shot_of,
)

__all__ = [
    "CROP_MODE_ERRORS",
    "INTERRUPTED",
    "TEMPLATES",
    "AsIs",
    "AsIsOptions",
    "RankedClass",
    "FinetuneOptions",
    "Finetuned",
    "Fitted",
    "OwnAnswer",
    "OwnClasses",
    "Probe",
    "ProbeOptions",
    "MappedBy",
    "Words",
    "ZeroShot",
    "ZeroShotOptions",
    "as_is_of",
    "default_config",
    "finetune",
    "fit_as_is",
    "fit_best_probe",
    "fit_probe",
    "fit_zero_shot",
    "probe_of",
    "read_class_map",
    "read_descriptions",
    "read_templates",
    "crop_modes_to_try",
    "require_two_classes",
    "sample_rows",
    "sides_of_some",
    "words_alone",
    "words_record",
    "zero_shot_of",
]
