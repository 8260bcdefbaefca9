"""Strategies: the rungs of the ladder. In: a data set with splits, a backbone. Out: a head, what it reads, and why."""

from topwork.tasks._classes._finetuned import INTERRUPTED, Finetuned, validation_share
from topwork.tasks._classes._fitted import Fitted, Probe, probe_of
from topwork.tasks._classes._prompts import TEMPLATES, read_descriptions, read_templates
from topwork.tasks.classification.strategies._as_is import (
    AsIs,
    AsIsOptions,
    MappedBy,
    OwnAnswer,
    OwnClasses,
    RankedClass,
    as_is_of,
    fit_as_is,
    read_class_map,
)
from topwork.tasks.classification.strategies._finetune import (
    FinetuneOptions,
    default_config,
    finetune,
)
from topwork.tasks.classification.strategies._probe import (
    CROP_MODE_ERRORS,
    ProbeOptions,
    crop_modes_to_try,
    fit_best_probe,
    fit_probe,
    require_two_classes,
    sample_rows,
    sides_of_some,
)
from topwork.tasks.classification.strategies._scratch import SCRATCH_NOTE, ScratchOptions, fit_scratch
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
    "SCRATCH_NOTE",
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
    "ScratchOptions",
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
    "fit_scratch",
    "fit_zero_shot",
    "probe_of",
    "read_class_map",
    "read_descriptions",
    "read_templates",
    "crop_modes_to_try",
    "require_two_classes",
    "sample_rows",
    "sides_of_some",
    "validation_share",
    "words_alone",
    "words_record",
    "zero_shot_of",
]
