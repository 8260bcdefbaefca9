"""The ways to a model of texts. In: texts and backbones. Out: ``Fitted``: a head, what it reads, and why this one."""

from topwork.tasks.text.strategies._blend import blend_of
from topwork.tasks.text.strategies._finetune import (
    FinetuneOptions,
    finetune,
    fit_finetuned,
    layers_to_train,
    missing,
    starting,
)
from topwork.tasks.text.strategies._ngrams import NgramOptions, Ngrams, fit_ngrams, ngrams_of
from topwork.tasks.text.strategies._probe import ProbeOptions, Read, counted_head, fit_best_probe, network_heads
from topwork.tasks.text.strategies._zero_shot import ZeroShotOptions, fit_zero_shot, from_words, zero_shot_of

__all__ = [
    "FinetuneOptions",
    "NgramOptions",
    "Ngrams",
    "ProbeOptions",
    "Read",
    "ZeroShotOptions",
    "blend_of",
    "counted_head",
    "finetune",
    "fit_best_probe",
    "fit_finetuned",
    "fit_ngrams",
    "fit_zero_shot",
    "from_words",
    "layers_to_train",
    "missing",
    "network_heads",
    "ngrams_of",
    "starting",
    "zero_shot_of",
]
