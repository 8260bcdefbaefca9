"""The ways to a segmenter, each as the task offers it: a name, its options, and data to a head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from topwork.advising import Advice, BudgetClock
from topwork.backbones import Backbone
from topwork.data import MaskDataset
from topwork.tasks._classes._finetuned import INTERRUPTED
from topwork.tasks._maps._settings import UNHEARD
from topwork.tasks._task import Run, Strategy, only
from topwork.tasks.segmentation._ladder import AdviceOptions, Climbed, climb
from topwork.tasks.segmentation.decoder import require_decoders
from topwork.tasks.segmentation.decoder._options import DecoderOptions, FinetuneOptions
from topwork.tasks.segmentation.strategies import (
    AsIsOptions,
    Fitted,
    ProbeOptions,
    WordsOptions,
    fit_as_is,
    fit_in_words,
    fit_probe,
)


def _probe(dataset: MaskDataset, backbones: Sequence[Backbone], options: ProbeOptions, run: Run) -> Fitted:
    return fit_probe(dataset, only("probe", backbones), options, announce=run.announce)


def _as_is(dataset: MaskDataset, backbones: Sequence[Backbone], options: AsIsOptions, run: Run) -> Fitted:
    return fit_as_is(dataset, only("as-is", backbones), options, announce=run.announce)


def _zero_shot(dataset: MaskDataset, backbones: Sequence[Backbone], options: WordsOptions, run: Run) -> Fitted:
    return fit_in_words(dataset, only("zero-shot", backbones), options, announce=run.announce)


def _decoder(dataset: MaskDataset, backbones: Sequence[Backbone], options: DecoderOptions, run: Run) -> Fitted:
    require_decoders()
    from topwork.tasks.segmentation.decoder._frozen import fit_decoder

    return fit_decoder(dataset, only("decoder", backbones), options, announce=run.announce)


def _finetune(dataset: MaskDataset, backbones: Sequence[Backbone], options: FinetuneOptions, run: Run) -> Fitted:
    require_decoders()
    from topwork.tasks.segmentation.decoder._finetune import fit_finetuned

    return fit_finetuned(dataset, only("fine-tuning", backbones), options, announce=run.announce)


def _climbed(dataset: MaskDataset, backbones: Sequence[Backbone], options: AdviceOptions, run: Run) -> Climbed:
    clock = BudgetClock(options.budget_seconds, run.began)
    return climb(dataset, only("auto", backbones), options, clock=clock, announce=run.announce, climbed=run.climbed)


def _auto(dataset: MaskDataset, backbones: Sequence[Backbone], options: AdviceOptions, run: Run) -> Fitted:
    found = _climbed(dataset, backbones, options, run)
    return replace(found.fitted, advice=found.advice)


def _advise(dataset: MaskDataset, backbones: Sequence[Backbone], options: AdviceOptions, run: Run) -> Advice:
    return _climbed(dataset, backbones, options, run).advice


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
        "probe", "Train a new head on pixels of the frozen backbone's maps; needs no PyTorch.", ProbeOptions, _probe
    ),
    Strategy("as-is", "Use a trained segmenter's own classes, matched by name, without training.", AsIsOptions, _as_is),
    Strategy(
        "zero-shot",
        "Tell a segmenter the classes in words, without training (--backbone clipseg).",
        WordsOptions,
        _zero_shot,
    ),
    Strategy(
        "decoder",
        "Train a decoder, such as a U-Net, on the frozen backbone's maps.",
        DecoderOptions,
        _decoder,
        unused=UNHEARD,
        broken_off=INTERRUPTED,
    ),
    Strategy(
        "finetune",
        "Train a decoder and the last stages of the network, or all stages.",
        FinetuneOptions,
        _finetune,
        unused=UNHEARD,
        distributed=True,
        broken_off=INTERRUPTED,
    ),
)
