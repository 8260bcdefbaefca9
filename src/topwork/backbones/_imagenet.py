"""The classes of ImageNet-1k in words: their names, and everything that WordNet says they are.

The table ``imagenet-1k.tsv`` beside this file holds WordNet 3.0's words for them (Miller 1995, "WordNet: A Lexical
Database for English"; licence in the file), so that a name is understood without timm and without torch.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CLASSES = 1000

_TABLE = Path(__file__).with_name("imagenet-1k.tsv")

# Endings of plurals and what they stand for: WordNet's own rules (morphy(7WN)), and -ves.
_ENDINGS = (
    ("s", ""),
    ("es", ""),
    ("ies", "y"),
    ("ves", "f"),
    ("ves", "fe"),
    ("men", "man"),
    ("geese", "goose"),
    ("mice", "mouse"),
    ("oxen", "ox"),
    ("fungi", "fungus"),
)


@dataclass(frozen=True)
class Label:
    """One class of ImageNet-1k.

    Attributes:
        synset: Its name in ImageNet: the place in WordNet 3.0, such as ``n02123045``.
        lemmas: The words for it, the usual one first; two classes are called crane, and two maillot.
        definition: What it is.
    """

    synset: str
    lemmas: tuple[str, ...]
    definition: str

    @property
    def name(self) -> str:
        """The usual word for it."""
        return self.lemmas[0]


@dataclass(frozen=True)
class _Row:
    label: Label
    parents: tuple[str, ...]


@functools.cache
def imagenet_labels() -> tuple[Label, ...]:
    """The classes in the order of the networks' logits."""
    return tuple(row.label for row in _rows()[:CLASSES])


def imagenet_indices(name: str) -> frozenset[int]:
    """Every class that is what the name says; empty where the name meets nothing.

    A name meets a class by one of its words, by a word for anything that WordNet says it is a kind of, or by a synset's
    own name: ``dog`` is all 118 breeds, ``Golden Retrievers`` and ``golden_retriever`` and ``n02099601`` are one class.
    Case, blanks, hyphens and underscores do not count, and a plural is taken for its singular.

    A word with several meanings meets the classes of all of them: ``crane`` the bird and the machine. An image shows
    one of the two, and what the network gives to the other is next to nothing. So ``cat`` is WordNet's "true cat" (the
    domestic cats, cougar, lynx) and its "big cat" (lion, tiger, ...) together: in a data set of cats and dogs, what
    the network takes for a lynx or a tiger is a striped cat. Where the user has a class ``lion`` too, that is the more
    specific one, and takes its own.

    Args:
        name: As the user calls a class.
    """
    words = _words()
    return next((words[form] for form in _forms(_key(name)) if form in words), frozenset())


def imagenet_near(name: str, count: int = 3) -> list[str]:
    """Words that are met and look most like a name, the nearest first; there may be none."""
    spelt = {_key(lemma): lemma for row in _rows() for lemma in row.label.lemmas}
    return [spelt[key] for key in difflib.get_close_matches(_key(name), spelt, n=count, cutoff=0.6)]


@functools.cache
def _rows() -> tuple[_Row, ...]:
    """The table: the classes in order, then everything above them."""
    lines = _TABLE.read_text("utf-8").splitlines()
    return tuple(_row(*line.split("\t")) for line in lines if not line.startswith("#"))


def _row(synset: str, parents: str, lemmas: str, definition: str) -> _Row:
    return _Row(Label(synset, tuple(lemmas.split("|")), definition), tuple(parents.split()))


@functools.cache
def _words() -> dict[str, frozenset[int]]:
    """Every word and every synset's name, as keys, to the classes that are it."""
    rows = {row.label.synset: row for row in _rows()}
    found: dict[str, set[int]] = defaultdict(set)
    for index, label in enumerate(imagenet_labels()):
        for synset in _upwards(label.synset, rows):
            for word in (synset, *rows[synset].label.lemmas):
                found[_key(word)].add(index)
    return {word: frozenset(indices) for word, indices in found.items()}


def _upwards(synset: str, rows: dict[str, _Row]) -> set[str]:
    """The synset and everything that it is a kind of."""
    return {synset}.union(*(_upwards(parent, rows) for parent in rows[synset].parents))


def _key(name: str) -> str:
    """What is left of a name when case, blanks and punctuation do not count."""
    return re.sub(r"[\W_]", "", name.casefold())


def _forms(key: str) -> Iterator[str]:
    """The key itself, then what it may be the plural of."""
    yield key
    for ending, singular in _ENDINGS:
        if key.endswith(ending):
            yield key.removesuffix(ending) + singular
