"""The ways to a segmenter, each as the task offers it: a name, its options, and data to a head."""

from __future__ import annotations

from collections.abc import Sequence

from topwork.backbones import Backbone
from topwork.data import MaskDataset
from topwork.tasks._task import Run, Strategy, only
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


STRATEGIES = (
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
)
