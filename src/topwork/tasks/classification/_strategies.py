"""The rungs of the ladder, each as the task offers it: a name, its options, and data to a head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from topwork._system import require_torch
from topwork.advising import Advice, BudgetClock
from topwork.backbones import Backbone
from topwork.data import ImageDataset
from topwork.model import Classifier
from topwork.tasks._task import Run, Strategy, only
from topwork.tasks.classification._from_words import from_words
from topwork.tasks.classification.ladder import AdviceOptions, Climbed, climb
from topwork.tasks.classification.strategies import (
    INTERRUPTED,
    AsIsOptions,
    FinetuneOptions,
    Fitted,
    ProbeOptions,
    ScratchOptions,
    ZeroShotOptions,
    finetune,
    fit_as_is,
    fit_best_probe,
    fit_scratch,
    fit_zero_shot,
)
from topwork.train import first_alone


def _climbed(dataset: ImageDataset, backbones: Sequence[Backbone], options: AdviceOptions, run: Run) -> Climbed:
    clock = BudgetClock(options.budget_seconds, run.began)
    return climb(dataset, backbones, options, clock=clock, announce=run.announce, climbed=run.climbed)


def _auto(dataset: ImageDataset, backbones: Sequence[Backbone], options: AdviceOptions, run: Run) -> Fitted:
    climbed = _climbed(dataset, backbones, options, run)
    return replace(climbed.fitted(), advice=climbed.advice)


def _advise(dataset: ImageDataset, backbones: Sequence[Backbone], options: AdviceOptions, run: Run) -> Advice:
    return _climbed(dataset, backbones, options, run).advice


def _probe(dataset: ImageDataset, backbones: Sequence[Backbone], options: ProbeOptions, run: Run) -> Fitted:
    return fit_best_probe(dataset, backbones, options, announce=run.announce)


def _finetune(dataset: ImageDataset, backbones: Sequence[Backbone], options: FinetuneOptions, run: Run) -> Fitted:
    require_torch("fine-tuning")
    with first_alone():
        probe = fit_best_probe(dataset, backbones, options.probe, announce=run.announce)
    return finetune(dataset, probe, options, announce=run.announce)


def _scratch(dataset: ImageDataset, backbones: Sequence[Backbone], options: ScratchOptions, run: Run) -> Fitted:
    require_torch("training from random weights")
    return fit_scratch(dataset, only("scratch", backbones), options, announce=run.announce)


def _as_is(dataset: ImageDataset, backbones: Sequence[Backbone], options: AsIsOptions, run: Run) -> Fitted:
    return fit_as_is(dataset, only("as-is", backbones), options, announce=run.announce)


def _zero_shot(dataset: ImageDataset, backbones: Sequence[Backbone], options: ZeroShotOptions, run: Run) -> Fitted:
    return fit_zero_shot(dataset, only("zero-shot", backbones), options, announce=run.announce)


def _from_words(backbones: Sequence[Backbone], options: ZeroShotOptions) -> Classifier:
    return from_words(options.labels or (), only("zero-shot", backbones), options)


STRATEGIES = (
    Strategy(
        "auto",
        "Try the strategies from cheap to expensive, as long as the next is expected to gain more than it costs.",
        AdviceOptions,
        _auto,
        unused=(
            "stages",
            "pooling",
            "head",
            "head.hidden",
            "head.dropout",
            "checkpoint",
            "resume",
            "config.budget_seconds",
        ),
        advise=_advise,
    ),
    Strategy("probe", "Train a new head on the frozen features.", ProbeOptions, _probe),
    Strategy(
        "finetune",
        "Train the head and the last stages of the network, or all stages.",
        FinetuneOptions,
        _finetune,
        distributed=True,
        broken_off=INTERRUPTED,
    ),
    Strategy(
        "scratch",
        "Train the same network from random weights, to see what pretrained weights are worth; far less accurate "
        "unless there are many images.",
        ScratchOptions,
        _scratch,
        unused=("unfreeze", "views", "stages", "pooling", "head", "head.method", "head.hidden", "head.dropout"),
        distributed=True,
        broken_off=INTERRUPTED,
    ),
    Strategy("as-is", "Train nothing and use the network's own ImageNet classes.", AsIsOptions, _as_is),
    Strategy(
        "zero-shot",
        "Train nothing and let an image-text model compare images with the class names.",
        ZeroShotOptions,
        _zero_shot,
        dataless=_from_words,
    ),
)
