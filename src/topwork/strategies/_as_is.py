"""As it is: the pretrained classifier's own classes answer. Nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from topwork.backbones import EMBEDDING, Backbone, Classifier, CropMode, classifier
from topwork.data import ImageDataset, quoted
from topwork.engines import EngineName
from topwork.errors import DataError
from topwork.features import FeatureTable, extract
from topwork.heads import MappedHead, fit_mapped, map_classes
from topwork.strategies._class_map import GivenMap, Groups, groups_by_map, groups_by_name
from topwork.strategies._out_of_fold import OutOfFold, training_rows
from topwork.strategies._probe import Announce

Way = Literal["given", "names", "learnt"]


@dataclass(frozen=True)
class AsIsOptions:
    """How the network's classes are to meet the user's.

    Attributes:
        way: ``auto`` takes the classes' names where all of them mean something to the network, and learns from the
            training images otherwise; or one of these two, ``names`` or ``learnt``.
        class_map: What the user says; it goes before ``way``.
        crop_mode: How an image becomes a square; ``auto`` is the way the network was trained.
        engine: What runs the network; the best that is here when None.
        cache: Whether features are kept on disk.
        seed: Of the split and of the bootstrap; nothing is drawn here.
    """

    way: Literal["auto", "names", "learnt"] = "auto"
    class_map: GivenMap | None = None
    crop_mode: Literal["auto"] | CropMode = "auto"
    engine: EngineName | None = None
    cache: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.way not in ("auto", "names", "learnt"):
            raise DataError(f"way must be auto, names or learnt, not {self.way!r}")


@dataclass(frozen=True)
class AsIs:
    """The user's classes, met by the network's.

    Attributes:
        head: Features to probabilities.
        table: The network's own pooled features of every image of the data set.
        way: How they met.
        covers: For each class, how many classes of the network speak for it: those it means, or of a learnt map those
            that speak for it more than for any other.
        reason: Why the names did not do, where that is so; empty otherwise.
        out_of_fold: What the head says of training images, where it has learnt nothing from them.
    """

    head: MappedHead
    table: FeatureTable
    way: Way
    covers: tuple[int, ...]
    reason: str
    out_of_fold: OutOfFold | None = None


class _Meeting(NamedTuple):
    way: Way
    groups: Groups | None  # None: they are to be learnt
    reason: str


def fit_as_is(
    dataset: ImageDataset, backbone: Backbone, options: AsIsOptions, *, announce: Announce | None = None
) -> AsIs:
    """Let the pretrained classifier's own classes answer.

    Three ways, the first that can be gone: a map that the user gives; the classes' names; a map that is learnt from the
    part ``train`` by counting (``heads.fit_mapped``). The first two look at no image before they answer.

    Args:
        dataset: The images; with a split ``train`` where a map is to be learnt.
        backbone: With an ImageNet-1k classifier.
        options: Which way, and how.
        announce: Called with what begins; may give a progress callback for it.

    Raises:
        DataError: The given map is wrong, the names were to do and do not, or there is nothing to learn a map from.
        BackboneError: The network has no such classifier.
    """
    meeting, layer = _meet(dataset.classes, options), classifier(backbone)
    table = extract(
        dataset,
        backbone if options.crop_mode == "auto" else backbone.replace(crop_mode=options.crop_mode),
        outputs=(EMBEDDING,),
        engine=options.engine,
        cache=options.cache,
        progress=announce("features") if announce else None,
    )
    return _met(table, meeting, layer)


def as_is_of(table: FeatureTable, options: AsIsOptions) -> AsIs:
    """The same on features that are there.

    Args:
        table: With the network's own pooled features.
        options: Which way; of what shapes the features nothing is heeded.

    Raises:
        DataError: As of ``fit_as_is``.
        BackboneError: Likewise.
    """
    return _met(table.keep((EMBEDDING,)), _meet(table.dataset.classes, options), classifier(table.backbone))


def _met(table: FeatureTable, meeting: _Meeting, layer: Classifier) -> AsIs:
    if meeting.groups is not None:
        head = map_classes(layer.weight, layer.bias, meeting.groups)
        return AsIs(head, table, meeting.way, tuple(map(len, meeting.groups)), meeting.reason, _answers(head, table))
    head = _learnt(table.split("train"), layer, meeting.reason)
    covers = np.bincount(head.shares.argmax(axis=1), minlength=head.n_classes)
    return AsIs(head, table, meeting.way, tuple(covers.tolist()), meeting.reason)


def _answers(head: MappedHead, table: FeatureTable) -> OutOfFold | None:
    rows = training_rows(table)
    return OutOfFold("training", rows, head.probabilities(table.values[rows])) if len(rows) else None


def as_is_head(classes: Sequence[str], backbone: Backbone, class_map: GivenMap | None = None) -> MappedHead:
    """The head for class names alone, without any image: a classifier for whoever has only words.

    It reads the output ``embedding`` of the backbone.

    Args:
        classes: Two names or more.
        backbone: With an ImageNet-1k classifier.
        class_map: What the user says they mean; their names when None.

    Raises:
        DataError: A name meets nothing, or the map is wrong.
        BackboneError: The network has no such classifier.
    """
    groups = groups_by_name(classes) if class_map is None else groups_by_map(classes, class_map)
    layer = classifier(backbone)
    return map_classes(layer.weight, layer.bias, groups)


def _meet(classes: Sequence[str], options: AsIsOptions) -> _Meeting:
    if options.class_map is not None:
        return _Meeting("given", groups_by_map(classes, options.class_map), "")
    if options.way == "learnt":
        return _Meeting("learnt", None, "")
    try:
        return _Meeting("names", groups_by_name(classes), "")
    except DataError as error:
        if options.way == "names":
            raise
        return _Meeting("learnt", None, error.message)


def _learnt(train: FeatureTable, layer: Classifier, reason: str) -> MappedHead:
    dataset = train.dataset
    empty = [name for name, count in zip(dataset.classes, dataset.counts(), strict=True) if count == 0]
    if empty:
        raise DataError(
            f"no training image of {quoted(empty[:5])} can be read, so that no map can be learnt"
            + (f"; and {reason}" if reason else ""),
            hint="give a map, or classes names that the network knows" if reason else "give images of every class",
        )
    return fit_mapped(train.values, dataset.labels, len(dataset.classes), layer.weight, layer.bias)
