"""The strategies for texts, each as the task offers it: a name, its options, and data to a head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from topwork.advising import Advice, BudgetClock
from topwork.backbones import TextBackbone
from topwork.data import TextDataset
from topwork.tasks._classes._finetuned import INTERRUPTED
from topwork.tasks._classes._fitted import Fitted
from topwork.tasks._task import Run, Strategy, only
from topwork.tasks.text._ladder import AdviceOptions, Climbed, climb
from topwork.tasks.text._model import TextClassifier
from topwork.tasks.text.strategies import (
    FinetuneOptions,
    NgramOptions,
    ProbeOptions,
    ZeroShotOptions,
    fit_best_probe,
    fit_finetuned,
    fit_ngrams,
    fit_zero_shot,
    from_words,
)


def _probe(dataset: TextDataset, backbones: Sequence[TextBackbone], options: ProbeOptions, run: Run) -> Fitted:
    return fit_best_probe(dataset, backbones, options, announce=run.announce)


def _ngrams(dataset: TextDataset, backbones: Sequence[TextBackbone], options: NgramOptions, run: Run) -> Fitted:
    return fit_ngrams(dataset, options, announce=run.announce)


def _finetune(dataset: TextDataset, backbones: Sequence[TextBackbone], options: FinetuneOptions, run: Run) -> Fitted:
    return fit_finetuned(dataset, only("fine-tuning", backbones), options, announce=run.announce)


def _zero_shot(dataset: TextDataset, backbones: Sequence[TextBackbone], options: ZeroShotOptions, run: Run) -> Fitted:
    return fit_zero_shot(dataset, only("zero-shot", backbones), options, announce=run.announce)


def _from_words(backbones: Sequence[TextBackbone], options: ZeroShotOptions) -> TextClassifier:
    return from_words(options.labels or (), only("zero-shot", backbones), options)


def _climbed(dataset: TextDataset, backbones: Sequence[TextBackbone], options: AdviceOptions, run: Run) -> Climbed:
    clock = BudgetClock(options.budget_seconds, run.began)
    return climb(dataset, backbones, options, clock=clock, announce=run.announce, climbed=run.climbed)


def _auto(dataset: TextDataset, backbones: Sequence[TextBackbone], options: AdviceOptions, run: Run) -> Fitted:
    climbed = _climbed(dataset, backbones, options, run)
    return replace(climbed.fitted(), advice=climbed.advice)


def _advise(dataset: TextDataset, backbones: Sequence[TextBackbone], options: AdviceOptions, run: Run) -> Advice:
    return _climbed(dataset, backbones, options, run).advice


STRATEGIES = (
    Strategy(
        "auto",
        "Try the strategies from cheap to expensive, as long as the next is expected to gain more than it costs.",
        AdviceOptions,
        _auto,
        unused=("checkpoint", "resume", "config.budget_seconds"),
        advise=_advise,
    ),
    Strategy("probe", "Train a new head on the frozen features and on n-grams.", ProbeOptions, _probe),
    Strategy("ngrams", "Count words and runs of letters, without any network.", NgramOptions, _ngrams),
    Strategy(
        "finetune",
        "Train the head and the last layers of the network, or all layers.",
        FinetuneOptions,
        _finetune,
        broken_off=INTERRUPTED,
    ),
    Strategy(
        "zero-shot",
        "Train nothing and compare texts with the class names in the network's embedding; or ask a network of natural "
        "language inference (NLI) which class a text entails.",
        ZeroShotOptions,
        _zero_shot,
        dataless=_from_words,
    ),
)
