"""The ways to a detector: one that is trained already, a head on the frozen maps of a backbone, or the backbone too."""

from topwork.tasks.detection.strategies._finetune import fit_finetuned
from topwork.tasks.detection.strategies._fitted import Fitted, Judged, judged
from topwork.tasks.detection.strategies._options import (
    FinetuneOptions,
    HeadOptions,
    ProbeOptions,
    finetune_config,
    probe_config,
)
from topwork.tasks.detection.strategies._probe import fit_probe
from topwork.tasks.detection.strategies._untrained import (
    AsIsOptions,
    WordsOptions,
    detector,
    fit_as_is,
    fit_in_words,
    words_head,
)

__all__ = [
    "AsIsOptions",
    "WordsOptions",
    "detector",
    "fit_as_is",
    "fit_in_words",
    "words_head",
    "FinetuneOptions",
    "Fitted",
    "HeadOptions",
    "Judged",
    "ProbeOptions",
    "finetune_config",
    "fit_finetuned",
    "fit_probe",
    "judged",
    "probe_config",
]
