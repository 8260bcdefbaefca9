"""Detectors that are already trained, as they are: by the names of their classes, or by words alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from topwork._options import CACHE, CLASS_TEXTS, ENGINE, SEED
from topwork.advising import training_rows
from topwork.backbones import QUERIES, Backbone, DetectorNetwork, own_classes, word_classes
from topwork.data import BoxDataset, quoted
from topwork.engines import EngineName
from topwork.errors import BackboneError
from topwork.features import FeatureTable, extract
from topwork.tasks._classes._names import meet
from topwork.tasks._classes._prompts import TEMPLATES, TEMPLATES_FILE, prompts
from topwork.tasks._task import Announce
from topwork.tasks.detection.network import QueryHead, QuerySpec
from topwork.tasks.detection.strategies._fitted import Fitted, judged
from topwork.tasks.detection.strategies._options import HeadOptions

_OVERLAP = 0.6  # beyond which two patches of one class show one object: a network of patches does not part them itself

_DESIGNS = ("detr", "rt_detr", "rt_detr_v2", "d_fine")
"""The designs whose loss is tried here."""


@dataclass(frozen=True)
class AsIsOptions:
    """How to use a trained detector as it is."""

    engine: Annotated[EngineName | None, ENGINE] = None
    cache: Annotated[bool, CACHE] = True
    seed: Annotated[int, SEED] = 0


@dataclass(frozen=True)
class WordsOptions(AsIsOptions):
    """What to say of the classes."""

    labels: Annotated[tuple[str, ...] | None, CLASS_TEXTS] = None
    templates: Annotated[tuple[str, ...], TEMPLATES_FILE] = TEMPLATES


def fit_as_is(
    dataset: BoxDataset, backbone: Backbone, options: AsIsOptions, *, announce: Announce | None = None
) -> Fitted:
    """Let a detector's own classes answer for those of the same names; the split ``train`` serves the thresholds.

    Raises:
        DataError: No class of the user's is one of the network's, or two are the same.
        BackboneError: It is no detector with classes of its own, or its weights do not fit.
    """
    network = detector("as-is", backbone)
    head, notes = own_head(network, dataset.classes)
    return answering(candidates(dataset, network, options, announce), head, "as-is", notes)


def own_head(network: DetectorNetwork, classes: Sequence[str]) -> tuple[QueryHead, tuple[str, ...]]:
    """The network's own class layer for classes of the same names, and what is to be said of the others.

    Raises:
        DataError: No class of the user's is one of the network's, or two are the same.
        BackboneError: It has no classes of its own.
    """
    if not network.classes:
        raise BackboneError(
            f"{network.name} has no classes of its own; words tell them", hint="take --strategy zero-shot"
        )
    rows, strangers = meet(classes, network.classes)
    weight, bias = own_classes(network)
    places = (*rows, *[-1] * (len(bias) - len(rows)))  # the last of softmax's is for nothing at all
    note = f"the network has no class for {quoted(strangers)}, so the model never finds it"
    return QueryHead(QuerySpec.of(network, len(classes), places), weight, bias), (note,) if strangers else ()


def fit_in_words(
    dataset: BoxDataset, backbone: Backbone, options: WordsOptions, *, announce: Announce | None = None
) -> Fitted:
    """Let words for the classes answer; the split ``train`` serves the thresholds.

    Raises:
        DataError: The words are not of these classes.
        BackboneError: It is no detector that is told classes in words, or its weights do not fit.
    """
    network = detector("zero-shot", backbone)
    head = words_head(network, prompts(dataset.classes, labels=options.labels, templates=options.templates))
    return answering(candidates(dataset, network, options, announce), head, "zero-shot")


def words_head(network: DetectorNetwork, told: Sequence[Sequence[str]]) -> QueryHead:
    """The head of classes of which something is said.

    Raises:
        BackboneError: It is no detector that is told classes in words.
    """
    weight, bias = word_classes(network, told)
    spec = QuerySpec.of(network, len(told), tuple(range(len(told))), overlap=_OVERLAP)
    return QueryHead(spec, weight, bias)


def detector(strategy: str, backbone: Backbone) -> DetectorNetwork:
    """A backbone that is a trained detector.

    Raises:
        BackboneError: It is none, or its weights are random.
    """
    if not isinstance(backbone, DetectorNetwork):
        raise BackboneError(
            f"{strategy} needs a trained detector, and {backbone.name} is a network that only sees",
            hint="--backbone rtdetr-r18, or another of `topwork models --task detection`",
        )
    if backbone.weights.source == "random":
        raise BackboneError(f"the weights of {backbone.name} are random, so its boxes have no meaning")
    return backbone


def can_be_whole(network: DetectorNetwork) -> bool:
    """Whether it is of a design whose loss is known here."""
    return network.library == "transformers" and network.config.get("model_type") in _DESIGNS


def candidates(
    dataset: BoxDataset, network: DetectorNetwork, options: AsIsOptions | HeadOptions, announce: Announce | None
) -> FeatureTable:
    """What a trained detector takes for an object, of every image that can be read."""
    progress = announce("candidates in images") if announce else None
    return extract(dataset, network, outputs=(QUERIES,), engine=options.engine, cache=options.cache, progress=progress)


def answering(
    table: FeatureTable, head: QueryHead, strategy: Literal["as-is", "zero-shot"], notes: tuple[str, ...] = ()
) -> Fitted:
    """A head from which nothing was learnt: the training images judge it, and serve its thresholds."""
    return Fitted(head, table, judged(head, table, training_rows(table)), strategy, notes=notes)
