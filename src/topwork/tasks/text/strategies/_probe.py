"""The probe of texts: a new head on frozen features. What it reads is chosen on the training split alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np

from topwork._options import CACHE, SEED, Option
from topwork._system import has_module
from topwork.advising import ClassWeight, HeadMethod, Trial, fit_head, held_out_losses, mean_or_none, stratified_order
from topwork.backbones import TextBackbone
from topwork.data import TextDataset
from topwork.errors import DataError
from topwork.features import FeatureTable, extract
from topwork.heads import LinearFit
from topwork.metrics import exceeds_zero
from topwork.tasks._classes._fitted import Probe, probe_of
from topwork.tasks._task import Announce
from topwork.tasks.text.strategies._blend import blend_of
from topwork.tasks.text.strategies._ngrams import ngram_table
from topwork.tasks.text.strategies._windows import windowed

_DEAR = 5e8  # features of all training texts times classes, from which on a sample tells first
_SAMPLE = 2000  # texts
_ERRORS = 1.0  # standard errors by which they must be better


@dataclass(frozen=True)
class ProbeOptions:
    """How to fit a probe; the defaults measure what suits the texts."""

    layers: Annotated[
        Literal["auto", "last", "all"] | tuple[str, ...],
        Option(
            "Layers whose features the head reads; auto chooses between the pooled features of the network and its "
            "last four layers."
        ),
    ] = "auto"
    pooling: Annotated[str, Option("How the tokens of a layer become one row: mean, max, cls, or mean+max.")] = (
        "mean+max"
    )
    windows: Annotated[
        Literal["auto"] | Annotated[int, Option("", ge=1, le=64)],
        Option("Pieces of a long text that are read; auto compares 1 and 4 where texts are cut.", None),
    ] = "auto"
    method: Annotated[
        HeadMethod,
        Option(
            "How the linear head is fitted; auto compares the ways where a class has few texts.", None, "head.method"
        ),
    ] = "auto"
    class_weight: Annotated[
        ClassWeight,
        Option("Whether rare classes get a larger weight; auto measures it where the classes are imbalanced."),
    ] = "auto"
    ngrams: Annotated[
        bool,
        Option("Also count words and runs of letters, and weigh both kinds of features by cross-validation."),
    ] = True
    cache: Annotated[bool, CACHE] = True
    seed: Annotated[int, SEED] = 0


@dataclass(frozen=True, eq=False)
class Read:
    """A head on some columns: what they are called, the table that has them, the head's fit, what led to the table."""

    name: str
    table: FeatureTable
    fit: LinearFit
    trials: tuple[Trial, ...] = ()

    def probe(self, trials: tuple[Trial, ...] = ()) -> Probe:
        """The probe of this head; ``trials`` come after those that led to its table."""
        return probe_of(self.table, self.fit, (*self.trials, *trials))


def fit_probe(
    dataset: TextDataset, backbone: TextBackbone, options: ProbeOptions, *, announce: Announce | None = None
) -> Probe:
    """Fit a probe on the split ``train``.

    Raises:
        DataError: Fewer than two classes have a training text that can be read.
    """
    say = announce or (lambda text: None)
    read, trials = best_read(dataset, backbone, options, announce=say)
    wanted = options.ngrams and has_module("sklearn")
    return with_counts(read, counted_head(read.table.dataset, options, announce=say) if wanted else None, trials)


def best_read(
    dataset: TextDataset, backbone: TextBackbone, options: ProbeOptions, *, announce: Announce
) -> tuple[Read, tuple[Trial, ...]]:
    """The network's head that is better out of fold, and what was compared."""
    heads = network_heads(dataset, backbone, options, announce=announce)
    return chosen_head(heads) if len(heads) > 1 else (heads[0], ())


def with_counts(read: Read, counts: Read | None, trials: tuple[Trial, ...] = ()) -> Probe:
    """The probe of a network's head, of n-grams, or of both together, whichever is best out of fold."""
    if counts is None:
        return read.probe(trials)
    return blend_of(read.probe(trials), read.fit, counts.probe(), counts.fit)


def network_heads(
    dataset: TextDataset, backbone: TextBackbone, options: ProbeOptions, *, announce: Announce
) -> list[Read]:
    """A head on the pooled features of the network, and one on its last layers; or the one that is asked for."""
    how = _how(options)
    tried: tuple[Trial, ...] = ()
    if options.windows == "auto":
        backbone, tried = windowed(dataset.split("train"), backbone, cache=options.cache, how=how)
    elif backbone.family == "transformer":
        backbone = backbone.replace(windows=options.windows)
    last = backbone.outputs("last")
    if options.layers != "auto":
        ways = {"layers": last if options.layers == "last" else backbone.outputs(options.layers, options.pooling)}
    else:
        ways = {"last": last, "last layers" if backbone.layers else "random features": backbone.rich}
    wanted = tuple(dict.fromkeys(name for names in ways.values() for name in names))
    table = extract(dataset, backbone, outputs=wanted, cache=options.cache, progress=announce("features of texts"))
    announce("training the head")
    tables = {name: table.keep(names) for name, names in ways.items()}
    if len(tables) > 1 and not _promising(*tables.values(), how=how):
        del tables[[*tables][-1]]
    return [Read(name, each, fit_head(each.split("train"), **how), tried) for name, each in tables.items()]


def _promising(plain: FeatureTable, rich: FeatureTable, *, how: dict[str, Any]) -> bool:
    """Whether the wider features are worth a head on all texts; where that is dear, a sample tells."""
    train = rich.split("train")
    if train.values.size * len(train.dataset.classes) <= _DEAR:
        return True
    rows = np.sort(stratified_order(train.dataset.labels, how["seed"])[:_SAMPLE])
    fits = [fit_head(each.split("train").select(rows), **how) for each in (plain, rich)]
    losses = [held_out_losses(fit, train.select(rows)) for fit in fits]
    return bool(losses[1].mean() < losses[0].mean())


def chosen_head(heads: Sequence[Read]) -> tuple[Read, tuple[Trial, ...]]:
    """The first of two heads, unless the other is better by more than a standard error."""
    plain, other = heads
    losses = [held_out_losses(read.fit, read.table.split("train")) for read in heads]
    proven = losses[0].shape == losses[1].shape and exceeds_zero(losses[0] - losses[1], _ERRORS)
    trials = tuple(
        Trial("layers", read.name, len(loss), read.fit.cv_accuracy, mean_or_none(loss), proven == (read is other))
        for read, loss in zip(heads, losses, strict=True)
    )
    return (other if proven else plain), trials


def counted_head(dataset: TextDataset, options: ProbeOptions, *, announce: Announce) -> Read:
    """A head on scores of n-grams."""
    table = ngram_table(dataset, options.seed, announce=announce)
    fit = fit_head(table.split("train"), **{**_how(options), "method": "logistic"})
    return Read("n-grams", table, fit)


def _how(options: ProbeOptions) -> dict[str, Any]:
    return {"class_weight": options.class_weight, "seed": options.seed, "method": options.method}


def fit_best_probe(
    dataset: TextDataset, backbones: Sequence[TextBackbone], options: ProbeOptions, *, announce: Announce | None = None
) -> Probe:
    """Fit a probe on every backbone and keep the one with the lowest out-of-fold log loss.

    Raises:
        DataError: A backbone comes twice, or there is no cross-validation to compare several by.
    """
    names = [backbone.name for backbone in backbones]
    if len(set(names)) < len(names) or not names:
        raise DataError("a backbone is given twice" if names else "no backbone was given")
    probes = [fit_probe(dataset, backbone, options, announce=announce) for backbone in backbones]
    if len(probes) == 1:
        return probes[0]
    if any(probe.cv_log_loss is None for probe in probes):
        raise DataError("too few training texts to compare backbones by cross-validation", hint="name one backbone")
    best = min(probes, key=lambda probe: probe.cv_log_loss or 0.0)
    told = tuple(
        Trial("backbone", name, len(probe.table.split("train")), probe.cv_accuracy, probe.cv_log_loss, probe is best)
        for name, probe in zip(names, probes, strict=True)
    )
    return dataclasses.replace(best, trials=(*told, *best.trials))
