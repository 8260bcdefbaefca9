"""Segmenters that are already trained, as they are: by the names of their classes, by words, or objects alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from topwork._options import CLASS_TEXTS, ENGINE, SEED
from topwork.backbones import CLASSES, Backbone, PromptableNetwork, SegmenterNetwork
from topwork.data import MaskDataset, quoted
from topwork.engines import EngineName
from topwork.errors import BackboneError, DataError
from topwork.tasks._classes._names import meet
from topwork.tasks._classes._prompts import TEMPLATES, TEMPLATES_FILE, prompts
from topwork.tasks._task import Announce
from topwork.tasks.segmentation._seen import look
from topwork.tasks.segmentation.network import PixelHead, PixelSpec
from topwork.tasks.segmentation.strategies._fitted import Fitted, judged
from topwork.tasks.segmentation.strategies._probe import decide_by


@dataclass(frozen=True)
class AsIsOptions:
    """How to use a trained segmenter as it is."""

    engine: Annotated[EngineName | None, ENGINE] = None
    seed: Annotated[int, SEED] = 0


@dataclass(frozen=True)
class WordsOptions(AsIsOptions):
    """What to say of the classes."""

    labels: Annotated[tuple[str, ...] | None, CLASS_TEXTS] = None
    templates: Annotated[tuple[str, ...], TEMPLATES_FILE] = TEMPLATES


def fit_as_is(
    dataset: MaskDataset, backbone: Backbone, options: AsIsOptions, *, announce: Announce | None = None
) -> Fitted:
    """Let a segmenter's own classes answer for those of the same names; what is left over is background.

    Raises:
        DataError: No class of the user's is one of the network's, or two are the same; or the network tells objects
            from background alone, and there are other classes.
        BackboneError: It is no segmenter with classes of its own, or its weights do not fit.
    """
    network = segmenter("as-is", backbone)
    if network.by_words:
        raise BackboneError(
            f"{network.name} has no classes of its own; words tell them", hint="take --strategy zero-shot"
        )
    groups, strangers = _groups(dataset, network)
    note = f"the network has no class for {quoted(strangers)}, so the model never finds it"
    return _answering(dataset, network.answering(groups), "as-is", (note,) if strangers else (), options, announce)


def fit_in_words(
    dataset: MaskDataset, backbone: Backbone, options: WordsOptions, *, announce: Announce | None = None
) -> Fitted:
    """Let words for the classes answer; the background is where none of them does.

    Raises:
        DataError: The words are not of these classes.
        BackboneError: It is no segmenter that is told classes in words, or its weights do not fit.
    """
    network = segmenter("zero-shot", backbone)
    names = [dataset.classes[place] for place in dataset.foreground]
    told = prompts(names, labels=options.labels, templates=options.templates)
    words = ((), *told) if dataset.has_background else told
    return _answering(dataset, network.answering(words=words), "zero-shot", (), options, announce)


def segmenter(strategy: str, backbone: Backbone) -> SegmenterNetwork:
    """A backbone that is a trained segmenter of classes.

    Raises:
        BackboneError: It is none.
    """
    if isinstance(backbone, PromptableNetwork):
        raise BackboneError(
            f"{strategy} needs a segmenter of classes, and {backbone.name} is told by points and boxes",
            hint="`topwork segment` uses it; or take --backbone segformer-b0 or clipseg",
        )
    if not isinstance(backbone, SegmenterNetwork):
        raise BackboneError(
            f"{strategy} needs a trained segmenter, and {backbone.name} is a network that only sees",
            hint="--backbone segformer-b0, or another of `topwork models --task segmentation`",
        )
    return backbone


def _groups(dataset: MaskDataset, network: SegmenterNetwork) -> tuple[tuple[tuple[int, ...], ...], tuple[str, ...]]:
    """For each class the network's own that are it, and the classes that the network does not have."""
    if network.library == "onnx":
        if not dataset.has_background or len(dataset.classes) != 2:
            raise DataError(
                f"{network.name} tells objects from background, and there are {len(dataset.classes)} classes",
                hint="give it masks of background and one class, or train: --strategy probe",
            )
        return ((0,), (1,)), ()
    names = [dataset.classes[place] for place in dataset.foreground]
    rows, strangers = meet(names, network.classes, words="clipseg")
    of_names = [tuple(place for place, row in enumerate(rows) if row == name) for name in range(len(names))]
    left = tuple(place for place, row in enumerate(rows) if row < 0)
    return ((left, *of_names) if dataset.has_background else tuple(of_names)), strangers


def _answering(
    dataset: MaskDataset,
    network: SegmenterNetwork,
    strategy: Literal["as-is", "zero-shot"],
    notes: tuple[str, ...],
    options: AsIsOptions,
    announce: Announce | None,
) -> Fitted:
    """The network's logits as they are; masks of the split ``train`` choose how they become labels and objects."""
    say = announce or (lambda text: None)
    stage, count = network.stages[0], len(dataset.classes)
    spec = PixelSpec((stage.name,), (count,), (stage.stride,), network.preprocessing.size, count)
    head = PixelHead(spec, {"maps.0": np.eye(count, dtype=np.float32), "bias": np.zeros(count, np.float32)})
    how = {"engine": options.engine, "progress": say("masks of images")}
    seen, _ = look(dataset, network, (CLASSES,), lambda row, maps: None, wanted=lambda row: False, **how)  # type: ignore[arg-type]
    train = np.flatnonzero(seen.dataset.splits == "train")
    if not len(train):
        return Fitted(head, seen, strategy=strategy, notes=notes)
    validation = judged(head, seen, train)
    return Fitted(head, seen, validation, decide_by(head, seen, validation, options.seed), strategy, notes=notes)
