"""Class maps: which classes of ImageNet-1k the user's classes mean, by their names or as the user says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from topwork.backbones import imagenet_indices, imagenet_labels, imagenet_near
from topwork.data import printable, quoted
from topwork.errors import DataError

Groups = tuple[frozenset[int], ...]
"""For each of the user's classes, the indices of the network's classes that it means."""

GivenMap = Mapping[str, Sequence[str | int]]
"""User class -> names (``dog``, ``golden retriever``, ``n02099601``) or indices (207) of the network's classes."""

_NAMED = 5  # classes that a message names
_FORM = 'write {"class": ["name of an ImageNet class", 207], ...}'
_HINT = "give a map, or labelled images to learn one from"


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
            f"{len(strangers)} of {len(classes)} class names meet no class of ImageNet-1k: "
            + quoted(strangers[:_NAMED]),
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
            f"the map is not of the data's classes: missing {quoted(missing[:_NAMED]) or 'none'}, "
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
        raise DataError(
            f"the map gives {printable(name)!r} no list of the network's classes, but {words!r}", hint=_FORM
        )
    return frozenset[int]().union(*(_one(name, word) for word in words))


def _one(name: str, word: str | int) -> frozenset[int]:
    count = len(imagenet_labels())
    if isinstance(word, str):
        if found := imagenet_indices(word):
            return found
        raise DataError(
            f"the map's {word!r} (for {printable(name)!r}) meets no class of ImageNet-1k", hint=_nearest(word)
        )
    if isinstance(word, bool) or not isinstance(word, int) or not 0 <= word < count:
        raise DataError(f"the map's {word!r} (for {printable(name)!r}) is no name and no index in 0..{count - 1}")
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
                f"{quoted([name, *equal])} claim the same classes of the network ({_examples(claim)})",
                hint=f"put them into one class, or {_HINT}",
            )
        left = claim.difference(*(claims[other] for other in rivals if len(claims[other]) < len(claim)))
        if not left:
            raise DataError(f"the other classes leave nothing of '{printable(name)}' ({_examples(claim)})", hint=_HINT)
        parted.append(left)
    return tuple(parted)


def _examples(claim: frozenset[int]) -> str:
    names = [imagenet_labels()[index].name for index in sorted(claim)]
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
