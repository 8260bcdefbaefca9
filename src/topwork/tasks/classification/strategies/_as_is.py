"""As it is: the pretrained classifier's own classes answer, for the user's or by themselves. Nothing is trained."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from topwork._options import CACHE, SEED, Option, file_option
from topwork.advising import OutOfFold, training_rows
from topwork.backbones import (
    EMBEDDING,
    Backbone,
    Classifier,
    classifier,
    imagenet_indices,
    imagenet_labels,
    imagenet_near,
)
from topwork.data import ImageDataset, printable, quoted
from topwork.engines import EngineName, Engines
from topwork.errors import DataError
from topwork.features import FeatureTable, Source, extract, extract_few
from topwork.heads import MappedHead, fit_mapped, map_classes, network_probabilities
from topwork.model import MappingRecord
from topwork.tasks._classes._fitted import Fitted
from topwork.tasks._task import Announce
from topwork.tasks.classification.strategies._probe import AnyCropMode, AnyEngine

MappedBy = Literal["given", "names", "learnt"]


@dataclass(frozen=True)
class AsIsOptions:
    """How the network's classes are to meet the user's; nothing is drawn here but the split and the bootstrap."""

    way: Annotated[
        Literal["auto", "names", "learnt"],
        Option(
            "How your classes are matched to ImageNet's: by names, or learnt from images. auto matches by names "
            "where all names are known.",
            None,
        ),
    ] = "auto"
    class_map: Annotated[
        GivenMap | None,
        file_option(
            'JSON file that assigns ImageNet classes to yours: {"class": ["ImageNet name" or index, ...]}.',
            read_class_map,
            flag="--map",
        ),
    ] = None
    crop_mode: AnyCropMode = "auto"
    engine: AnyEngine = None
    cache: Annotated[bool, CACHE] = True
    seed: Annotated[int, SEED] = 0

    def __post_init__(self) -> None:
        if self.way not in ("auto", "names", "learnt"):
            raise DataError(f"way must be auto, names or learnt, not {self.way!r}")


@dataclass(frozen=True, kw_only=True)
class AsIs(Fitted):
    """The user's classes, met by the network's; the table holds the network's own pooled features.

    A class covers so many of the network's: those it means, or of a learnt map those that speak for it more than for
    any other.
    """

    head: MappedHead
    way: MappedBy
    covers: tuple[int, ...]
    reason: str = ""  # why the names did not do

    strategy: ClassVar[str] = "as-is"

    @property
    def facts(self) -> dict[str, Any]:
        """How the classes met."""
        return {"mapping": MappingRecord(way=self.way, covers=self.covers)}


def fit_as_is(
    dataset: ImageDataset, backbone: Backbone, options: AsIsOptions, *, announce: Announce | None = None
) -> AsIs:
    """Let the pretrained classifier's own classes answer.

    Three ways, the first that can be gone: a map that the user gives; the classes' names; a map that is learnt from the
    split ``train`` by counting (``heads.fit_mapped``). The first two look at no image before they answer.

    Raises:
        DataError: The given map is wrong, the names were to do and do not, or there is nothing to learn a map from.
        BackboneError: The network has no such classifier.
    """
    meeting, layer = _meet(dataset.classes, options), classifier(backbone)  # first: what is wrong is told at once
    table = extract(
        dataset,
        backbone if options.crop_mode == "auto" else backbone.replace(crop_mode=options.crop_mode),
        outputs=(EMBEDDING,),
        engine=options.engine,
        cache=options.cache,
        progress=announce("features of images") if announce else None,
    )
    return _answering(table, meeting, layer)


def as_is_of(table: FeatureTable, options: AsIsOptions) -> AsIs:
    """The same on the network's own pooled features that are there; options that shape the features have no say."""
    return _answering(table.keep((EMBEDDING,)), _meet(table.dataset.classes, options), classifier(table.backbone))


def _answering(table: FeatureTable, meeting: _Meeting, layer: Classifier) -> AsIs:
    notes = (f"the classes were matched by learning from images, because {meeting.reason}",) if meeting.reason else ()
    facts: Any = {"table": table, "notes": notes, "way": meeting.way, "reason": meeting.reason}
    if meeting.groups is None:
        head = _learnt(table.split("train"), layer, meeting.reason)
        covers = np.bincount(head.shares.argmax(axis=1), minlength=head.n_classes)
        return AsIs(head=head, covers=tuple(covers.tolist()), **facts)
    head = map_classes(layer.weight, layer.bias, meeting.groups)
    rows = training_rows(table)
    out_of_fold = OutOfFold("training", rows, head.probabilities(table.values[rows])) if len(rows) else None
    return AsIs(head=head, covers=tuple(map(len, meeting.groups)), out_of_fold=out_of_fold, **facts)


class _Meeting(NamedTuple):
    way: MappedBy
    groups: Groups | None  # None: they are to be learnt
    reason: str


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
            f"no training image of {quoted(empty[:5])} can be read, so no mapping can be learnt"
            + (f"; and {reason}" if reason else ""),
            hint="give --map, or class names that ImageNet knows" if reason else "add images of every class",
        )
    return fit_mapped(train.values, dataset.labels, len(dataset.classes), layer.weight, layer.bias)


Groups = tuple[frozenset[int], ...]
"""For each of the user's classes, the indices of the network's classes that it means."""

GivenMap = Mapping[str, Sequence[str | int]]
"""User class -> names (``dog``, ``golden retriever``, ``n02099601``) or indices (207) of the network's classes."""

_NAMED = 5  # classes that a message names
_CHUNK = 512  # images at a time, so that a long list needs no more memory than a short one
_FORM = 'write {"class": ["name of an ImageNet class", 207], ...}'
_HINT = "give --map, or labelled images to learn from"


def groups_by_name(classes: Sequence[str]) -> Groups:
    """What the classes' own names mean (``backbones.imagenet_indices``).

    Where two claim the same class of the network, the more specific one has it: the one that means fewer in all.

    Raises:
        DataError: A name meets nothing, two mean the same, or the others leave nothing of one.
    """
    claims = [imagenet_indices(name) for name in classes]
    strangers = [name for name, claim in zip(classes, claims, strict=True) if not claim]
    if strangers:
        raise DataError(
            f"{len(strangers)} of {len(classes)} class names match no ImageNet-1k class: " + quoted(strangers[:_NAMED]),
            hint=_nearest(strangers[0]),
        )
    return _parted(classes, claims)


def groups_by_map(classes: Sequence[str], given: GivenMap) -> Groups:
    """What the user says they mean; the more specific one wins here too.

    Raises:
        DataError: The map is not of these classes, or names something that the network does not have.
    """
    missing, extra = sorted(set(classes) - set(given)), sorted(set(given) - set(classes))
    if missing or extra:
        raise DataError(
            f"the map does not fit the classes of the data: missing {quoted(missing[:_NAMED]) or 'none'}, "
            f"not expected {quoted(extra[:_NAMED]) or 'none'}",
            hint=_FORM,
        )
    return _parted(classes, [_meant(name, given[name]) for name in classes])


def read_class_map(path: Path) -> GivenMap:
    """A given map from a JSON file: one object, whose values are lists.

    Raises:
        DataError: It cannot be read, or is no such object; its names are looked at when it meets the classes.
    """
    try:
        given = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not a readable map: {error}", hint=_FORM) from error
    if not isinstance(given, dict):
        raise DataError(f"{path}: a map is one JSON object, not {type(given).__name__}", hint=_FORM)
    return given


def _meant(name: str, words: Sequence[str | int]) -> frozenset[int]:
    if isinstance(words, str) or not isinstance(words, Sequence) or not words:
        raise DataError(f"the map needs a list of ImageNet classes for {printable(name)!r}, not {words!r}", hint=_FORM)
    return frozenset[int]().union(*(_one(name, word) for word in words))


def _one(name: str, word: str | int) -> frozenset[int]:
    count = len(imagenet_labels())
    if isinstance(word, str):
        if found := imagenet_indices(word):
            return found
        raise DataError(
            f"the map's {word!r} (for {printable(name)!r}) matches no ImageNet-1k class", hint=_nearest(word)
        )
    if isinstance(word, bool) or not isinstance(word, int) or not 0 <= word < count:
        raise DataError(
            f"the map's {word!r} (for {printable(name)!r}) is neither a name nor an index in 0..{count - 1}"
        )
    return frozenset([word])


def _nearest(name: str) -> str:
    near = imagenet_near(name)
    return f"nearest to '{printable(name)}': {', '.join(near)}; {_HINT}" if near else _HINT


def _parted(classes: Sequence[str], claims: Sequence[frozenset[int]]) -> Groups:
    """The claims without what is claimed by a more specific one."""
    parted = []
    for name, claim in zip(classes, claims, strict=True):
        rivals = [other for other in range(len(classes)) if classes[other] != name and claims[other] & claim]
        equal = [classes[other] for other in rivals if len(claims[other]) == len(claim)]
        if equal:
            raise DataError(
                f"{quoted([name, *equal])} match the same ImageNet classes ({_examples(claim)})",
                hint=f"merge them into one class, or {_HINT}",
            )
        left = claim.difference(*(claims[other] for other in rivals if len(claims[other]) < len(claim)))
        if not left:
            raise DataError(
                f"no ImageNet class is left for '{printable(name)}', because other classes match "
                f"the same ones ({_examples(claim)})",
                hint=_HINT,
            )
        parted.append(left)
    return tuple(parted)


def _examples(claim: frozenset[int]) -> str:
    names = [imagenet_labels()[index].name for index in sorted(claim)]
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")


@dataclass(frozen=True)
class RankedClass:
    """One class of ImageNet-1k that an image may show.

    Attributes:
        label: ImageNet's name for it, such as ``n02123045``; two classes are called crane.
        name: The usual word.
        probability: 0 to 1.
    """

    label: str
    name: str
    probability: float


@dataclass(frozen=True)
class OwnAnswer:
    """What a network says of one image.

    Attributes:
        source: The file's name, or ``#3`` for the fourth array.
        top: The most probable classes, the first one first; empty where the image could not be used.
        error: Why it could not; empty where it could.
    """

    source: str
    top: tuple[RankedClass, ...]
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        if self.error:
            return {"source": self.source, "error": self.error}
        return {"source": self.source, "top": [asdict(candidate) for candidate in self.top]}


class OwnClasses:
    """A pretrained network's own classifier, ready for images.

    Args:
        backbone: With an ImageNet-1k classifier.
        engine: What runs the network; the best that is here when None.

    Raises:
        BackboneError: The network has no such classifier.

    Example:
        >>> OwnClasses(load("lite0")).top(["cat.jpg"])  # doctest: +SKIP
    """

    def __init__(self, backbone: Backbone, engine: EngineName | None = None) -> None:
        self.backbone = backbone
        self.engine: EngineName | None = engine
        self._classifier = classifier(backbone)
        self._engines = Engines(backbone, (EMBEDDING,))

    def top(self, sources: Sequence[Source], count: int = 5) -> Iterator[OwnAnswer]:
        """The most probable classes of each image, in the order of the images.

        Args:
            sources: Files, encoded images as bytes, or pixels as uint8 (height, width, 3).
            count: How many of the 1,000.
        """
        for start in range(0, len(sources), _CHUNK):
            chunk = sources[start : start + _CHUNK]
            found = extract_few(chunk, self.backbone, (EMBEDDING,), engine=self.engine, open_network=self._engines)
            probabilities = network_probabilities(found.values, self._classifier.weight, self._classifier.bias)
            rows, errors = dict(zip(found.kept.tolist(), probabilities, strict=True)), dict(found.refused)
            for index, source in enumerate(chunk):
                name = os.fspath(source) if isinstance(source, str | os.PathLike) else f"#{start + index}"
                top = _ranked(rows[index], count) if index in rows else ()
                yield OwnAnswer(name, top, errors.get(index, ""))


def _ranked(probabilities: npt.NDArray[np.float32], count: int) -> tuple[RankedClass, ...]:
    labels = imagenet_labels()
    order = np.argsort(-probabilities, kind="stable")[:count]
    return tuple(RankedClass(labels[k].synset, labels[k].name, float(probabilities[k])) for k in order)
