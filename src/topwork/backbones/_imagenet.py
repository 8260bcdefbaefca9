"""ImageNet-1k: its classes in words, and the classifier by which a pretrained network tells them apart.

The words are the classes' names and everything that WordNet says they are. The table ``imagenet-1k.tsv`` beside this
file holds WordNet 3.0's (Miller 1995, "WordNet: A Lexical Database for English"; licence in the file), so that a name
is understood without timm and without torch.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from topwork._arrays import Float32Array
from topwork.backbones import _weights
from topwork.backbones._backbone import Backbone
from topwork.backbones._blocks import CLASSES, has_blocks, named_arrays
from topwork.errors import BackboneError

_TABLE = Path(__file__).with_name("imagenet-1k.tsv")
_HINT = "use a network that was trained on ImageNet-1k, such as lite0, or another strategy such as probe"
_TOLERANCE = 1e-3  # of the largest logit; float32 sums in another order differ by a hundredth of that

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
    """

    synset: str
    lemmas: tuple[str, ...]
    definition: str

    @property
    def name(self) -> str:
        """The usual word for it."""
        return self.lemmas[0]


@functools.cache
def imagenet_labels() -> tuple[Label, ...]:
    """The classes in the order of the networks' logits."""
    return tuple(label for label, _ in _rows()[:CLASSES])


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
    """
    words = _words()
    return next((words[form] for form in _forms(_key(name)) if form in words), frozenset())


def imagenet_near(name: str, count: int = 3) -> list[str]:
    """Words that are met and look most like a name, the nearest first; there may be none."""
    spelt = {_key(lemma): lemma for label, _ in _rows() for lemma in label.lemmas}
    return [spelt[key] for key in difflib.get_close_matches(_key(name), spelt, n=count, cutoff=0.6)]


@functools.cache
def _rows() -> tuple[tuple[Label, list[str]], ...]:
    """The table: the classes in order, then everything above them; each with the synsets right above it."""
    lines = _TABLE.read_text("utf-8").splitlines()
    cells = (line.split("\t") for line in lines if not line.startswith("#"))
    return tuple(
        (Label(synset, tuple(lemmas.split("|")), definition), parents.split())
        for synset, parents, lemmas, definition in cells
    )


@functools.cache
def _words() -> dict[str, frozenset[int]]:
    """Every word and every synset's name, as keys, to the classes that are it."""
    lemmas = {label.synset: label.lemmas for label, _ in _rows()}
    parents = {label.synset: above for label, above in _rows()}
    found: dict[str, set[int]] = defaultdict(set)
    for index, label in enumerate(imagenet_labels()):
        for synset in _upwards(label.synset, parents):
            for word in (synset, *lemmas[synset]):
                found[_key(word)].add(index)
    return {word: frozenset(indices) for word, indices in found.items()}


def _upwards(synset: str, parents: dict[str, list[str]]) -> set[str]:
    """The synset and everything that it is a kind of."""
    return {synset}.union(*(_upwards(parent, parents) for parent in parents[synset]))


def spellings(name: str) -> Iterator[str]:
    """A name when case, blanks and punctuation do not count: itself, then what it may be a plural of."""
    return _forms(_key(name))


def _key(name: str) -> str:
    """What is left of a name when case, blanks and punctuation do not count."""
    return re.sub(r"[\W_]", "", name.casefold())


def _forms(key: str) -> Iterator[str]:
    """The key itself, then what it may be the plural of."""
    yield key
    for ending, singular in _ENDINGS:
        if key.endswith(ending):
            yield key.removesuffix(ending) + singular


@dataclass(frozen=True, eq=False)
class Classifier:
    """The linear layer that a network came with, on its own pooled features (the output ``embedding``), as arrays.

    Attributes:
        weight: float32 (D, K), as heads have theirs: logits are features @ weight + bias.
        bias: float32 (K,); zeros where the layer has none.
    """

    weight: Float32Array
    bias: Float32Array


def classifier(backbone: Backbone) -> Classifier:
    """The ImageNet-1k classifier of a pretrained network; of most, this imports torch and runs the network once.

    Raises:
        BackboneError: The network has none (an image-text or self-supervised one), more than a linear layer, another
            number of classes, or its weights are random or came without it.
    """
    if backbone.weights.source == "random":
        raise BackboneError(f"the weights of {backbone.name} are random, so its classes have no meaning", hint=_HINT)
    if has_blocks(backbone):
        return _known_classifier(backbone)
    network = backbone.module()
    found = linear_classifier(backbone.name, network)
    _require_weights(backbone, network)
    _require_same_logits(backbone, network, found)
    return found


def _known_classifier(backbone: Backbone) -> Classifier:
    """What the weights' file holds, where the network is known to have nothing else behind its features."""
    state, shape = named_arrays(backbone), (CLASSES, backbone.embedding)
    weight, bias = (state.get(f"classifier.{name}") for name in ("weight", "bias"))
    if weight is None or bias is None or (weight.shape, bias.shape) != (shape, shape[:1]):
        raise _without_classifier(backbone, "classifier", shape)
    return Classifier(np.ascontiguousarray(weight.T, np.float32), bias.astype(np.float32))


def _without_classifier(backbone: Backbone, layer: str, shape: tuple[int, ...]) -> BackboneError:
    return BackboneError(
        f"the weights of {backbone.name} contain no ImageNet-1k classifier (no {layer}.weight of shape {shape})",
        hint=_HINT,
    )


def linear_classifier(name: str, network: Any) -> Classifier:
    """The last layer of one of timm's networks; a BackboneError where it is not a linear one with 1,000 outputs."""
    from torch import nn

    from topwork.backbones._network import linear_arrays

    layer = network.get_classifier()
    if not isinstance(layer, nn.Linear):
        raise BackboneError(f"{name} has no linear classifier with classes of its own", hint=_HINT)
    if layer.out_features != CLASSES:
        raise BackboneError(
            f"{name} has {layer.out_features:,} classes; only the {CLASSES:,} of ImageNet-1k are known by name",
            hint=_HINT,
        )
    return Classifier(*linear_arrays(layer))


def _require_weights(backbone: Backbone, network: Any) -> None:
    """Refuse weights that left the classifier out: ``module`` allows that, and fills it with random numbers."""
    layer = network.get_classifier()
    name = next(name for name, module in network.named_modules() if module is layer)
    state = _weights.read_state(backbone.weights)
    given = (network.adopted(state) if hasattr(network, "adopted") else state).get(f"{name}.weight")
    if given is None or given.shape != layer.weight.shape:
        raise _without_classifier(backbone, name, tuple(layer.weight.shape))


def _require_same_logits(backbone: Backbone, network: Any, found: Classifier) -> None:
    """Refuse a network that does more to its features than this layer; any of timm's may be asked for."""
    import torch

    size = backbone.preprocessing.size
    image = torch.rand((1, 3, size, size), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps = network.forward_features(image)
        features = network.forward_head(maps, pre_logits=True).numpy()
        expected = network.forward_head(maps).numpy()
    same = features.shape == (1, len(found.weight)) and np.allclose(
        features @ found.weight + found.bias, expected, atol=_TOLERANCE * np.abs(expected).max()
    )
    if not same:
        raise BackboneError(f"{backbone.name} has more than one linear layer after its features", hint=_HINT)
