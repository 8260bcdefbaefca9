"""The ways to a detector, each as the task offers it: a name, its options, and data to a head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from topwork._system import require_torch
from topwork.advising import Advice, BudgetClock
from topwork.backbones import Backbone
from topwork.data import BoxDataset
from topwork.tasks._classes._finetuned import INTERRUPTED
from topwork.tasks._maps._settings import UNHEARD
from topwork.tasks._task import Run, Strategy, only
from topwork.tasks.detection._ladder import AdviceOptions, climb
from topwork.tasks.detection._model import Detector
from topwork.tasks.detection._rungs import Climbed
from topwork.tasks.detection.strategies import (
    AsIsOptions,
    FinetuneOptions,
    Fitted,
    ProbeOptions,
    WordsOptions,
    fit_as_is,
    fit_finetuned,
    fit_in_words,
    fit_probe,
)


def _climbed(dataset: BoxDataset, backbones: Sequence[Backbone], options: AdviceOptions, run: Run) -> Climbed:
    require_torch("training a detector")
    clock = BudgetClock(options.budget_seconds, run.began)
    return climb(dataset, only("auto", backbones), options, clock=clock, announce=run.announce, climbed=run.climbed)


def _auto(dataset: BoxDataset, backbones: Sequence[Backbone], options: AdviceOptions, run: Run) -> Fitted:
    found = _climbed(dataset, backbones, options, run)
    return replace(found.fitted, advice=found.advice)


def _advise(dataset: BoxDataset, backbones: Sequence[Backbone], options: AdviceOptions, run: Run) -> Advice:
    return _climbed(dataset, backbones, options, run).advice


def _probe(dataset: BoxDataset, backbones: Sequence[Backbone], options: ProbeOptions, run: Run) -> Fitted:
    require_torch("training a detector")
    return fit_probe(dataset, only("probe", backbones), options, announce=run.announce)


def _finetune(dataset: BoxDataset, backbones: Sequence[Backbone], options: FinetuneOptions, run: Run) -> Fitted:
    require_torch("training a detector")
    return fit_finetuned(dataset, only("fine-tuning", backbones), options, announce=run.announce)


def _as_is(dataset: BoxDataset, backbones: Sequence[Backbone], options: AsIsOptions, run: Run) -> Fitted:
    return fit_as_is(dataset, only("as-is", backbones), options, announce=run.announce)


def _zero_shot(dataset: BoxDataset, backbones: Sequence[Backbone], options: WordsOptions, run: Run) -> Fitted:
    return fit_in_words(dataset, only("zero-shot", backbones), options, announce=run.announce)


def _from_words(backbones: Sequence[Backbone], options: WordsOptions) -> Detector:
    from topwork.tasks.detection._from_words import from_words

    return from_words(options.labels or (), only("zero-shot", backbones), options)


STRATEGIES = (
    Strategy(
        "auto",
        "Try the strategies from cheap to expensive, as long as the next is expected to gain more than it costs.",
        AdviceOptions,
        _auto,
        unused=("checkpoint", "resume", "config.budget_seconds", *UNHEARD),
        advise=_advise,
    ),
    Strategy(
        "probe",
        "Train a new feature pyramid and head on the frozen backbone.",
        ProbeOptions,
        _probe,
        unused=UNHEARD,
        broken_off=INTERRUPTED,
    ),
    Strategy(
        "finetune",
        "Train the head and the last stages of the network, or all stages.",
        FinetuneOptions,
        _finetune,
        unused=UNHEARD,
        distributed=True,
        broken_off=INTERRUPTED,
    ),
    Strategy(
        "as-is", "Find objects with a trained detector as it is; its classes are met by name.", AsIsOptions, _as_is
    ),
    Strategy(
        "zero-shot",
        "Find what words name with a detector of words; no training images are needed.",
        WordsOptions,
        _zero_shot,
        dataless=_from_words,
    ),
)
