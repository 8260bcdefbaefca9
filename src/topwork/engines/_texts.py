"""What runs a backbone of texts: the tokenizer is part of the network, so it takes texts and gives features."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._arrays import Float32Array
from topwork._system import cache_dir, require_torch
from topwork.backbones import ENTAILMENT, NGRAMS, TextBackbone, arrays_of, files_of, own_file
from topwork.engines._engine import Engine, EngineChoice, Precision, RunsOn
from topwork.engines._ngrams import NgramEngine
from topwork.engines._transformer import (
    Pairs,
    TextNetwork,
    Tokens,
    architecture_of,
    converted_graph,
    is_known,
    loaded,
    pairs_graph,
    transformer_graph,
)
from topwork.engines._vectors import VectorsEngine
from topwork.errors import BackboneError

if TYPE_CHECKING:
    from torch import nn

_FORMAT = 1  # raise when the same files give other features
_TEXTS = 1024  # a call: enough that texts of like length stand together
_PAIRS = 4096


def text_network_folder(backbone: TextBackbone) -> Path:
    """Where what was measured of the network lies; named by all that shapes it."""
    facts: list[Any] = [
        _FORMAT,
        backbone.name,
        backbone.weights.sha256,
        backbone.reading.tokenizer,
        dict(backbone.config),
    ]
    if backbone.hypotheses:  # with its classifier, whatever is asked of it
        facts.append(ENTAILMENT)
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    return cache_dir() / "networks" / f"{backbone.name}-{key}"


def open_text_engine(backbone: TextBackbone, outputs: tuple[str, ...], choice: EngineChoice) -> Engine:
    """Make an engine for texts ready.

    Args:
        backbone: The network that is run.
        outputs: Names of the outputs that are wanted, concatenated in this order.
        choice: The engine and its precision.

    Raises:
        BackboneError: The weights are missing or do not fit, or the network is none that can be run.
    """
    if not sum(map(backbone.width, outputs)):
        raise BackboneError("no output was given", hint="backbone.outputs('last') names the network's own features")
    if NGRAMS not in outputs:
        return _network_engine(backbone, outputs, choice)
    counts = NgramEngine(own_file(backbone.ngrams or backbone.weights))
    others = tuple(name for name in outputs if name != NGRAMS)
    if outputs != (*others, NGRAMS):
        raise BackboneError(f"{NGRAMS} is the last output, not among {', '.join(others)}")
    return SideBySide((_network_engine(backbone, others, choice), counts)) if others else counts


def _network_engine(backbone: TextBackbone, outputs: tuple[str, ...], choice: EngineChoice) -> Engine:
    if backbone.hypotheses:
        return EntailmentEngine(backbone, choice.precision)
    if backbone.family == "transformer":
        return TransformerEngine(backbone, outputs, choice.precision)
    if backbone.family == "vectors":
        return VectorsEngine(backbone, outputs)
    raise BackboneError(f"topwork cannot run {backbone.name}: a network of the family {backbone.family}")


def text_module(backbone: TextBackbone, *, attention: str = "sdpa") -> tuple[nn.Module, bytes]:
    """A transformer as a torch module of transformers' own classes, in float32, and its tokenizer.

    Args:
        backbone: Of the family ``transformer``.
        attention: transformers' name for how attention is computed; ``eager`` can be traced in every network.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        BackboneError: It is no transformer, or its files are missing, changed, or do not fit.
    """
    if backbone.family != "transformer":
        raise BackboneError(f"{backbone.name} is no transformer, so there is nothing in it to train")
    require_torch("a text network in torch")
    file, tokenizer = files_of(backbone)
    return loaded(backbone.config, arrays_of(file), attention=attention), tokenizer


class SideBySide:
    """Several engines' columns side by side; what is told of it is the first one's."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines = tuple(engines)
        first = engines[0]
        self.name: RunsOn = first.name
        self.precision: Precision = first.precision
        self.batch_size, self.callers = first.batch_size, first.callers

    def __call__(self, texts: Sequence[str]) -> Float32Array:
        """Features of N texts: float32 (N, width of the outputs together)."""
        return np.concatenate([engine(texts) for engine in self._engines], axis=1)


class TransformerEngine:
    """A tokenizer and a transformer in OpenVINO; neither torch nor transformers is imported.

    Raises:
        BackboneError: The files are missing or changed, or do not fit together.
    """

    name: RunsOn = "openvino"
    batch_size = _TEXTS
    callers = 1  # the network itself keeps all cores at work

    def __init__(self, backbone: TextBackbone, outputs: tuple[str, ...], precision: Precision) -> None:
        self.precision: Precision = precision
        file, tokenizer = files_of(backbone)
        vocabulary = backbone.config.get("vocab_size")
        if not isinstance(vocabulary, int):
            raise BackboneError(f"{backbone.name}: its config.json does not say how many tokens it knows")
        longest, windows = backbone.reading.longest, backbone.reading.windows
        self._tokens = Tokens(tokenizer, longest, vocabulary, windows=windows)
        self._network = TextNetwork(_graph(backbone, file, outputs), precision)
        self._outputs = outputs

    def __call__(self, texts: Sequence[str]) -> Float32Array:
        """Features of N texts: float32 (N, width of the outputs together)."""
        tokens = self._tokens(texts)
        return tokens.pooled(self._network(tokens.ids), self._outputs, self._network.widths)


def _graph(backbone: TextBackbone, file: Path, outputs: tuple[str, ...]) -> Any:
    """The network's graph: built where it is known block by block, else converted from torch once."""
    how: Any = {"outputs": outputs, "pooling": backbone.pooling}
    if is_known(backbone.config):
        return transformer_graph(architecture_of(backbone.config), arrays_of(file), **how)
    return converted_graph(text_network_folder(backbone), backbone.config, lambda: arrays_of(file), **how)


class EntailmentEngine:
    """A network of pairs of texts: how surely each of a backbone's hypotheses follows from a text.

    Raises:
        BackboneError: The files are missing or changed, or do not fit together.
    """

    name: RunsOn = "openvino"
    callers = 1

    def __init__(self, backbone: TextBackbone, precision: Precision) -> None:
        self.precision: Precision = precision
        self.batch_size = max(1, _PAIRS // len(backbone.hypotheses))
        file, tokenizer = files_of(backbone)
        self._pairs = Pairs(tokenizer, backbone.reading.longest, int(backbone.config["vocab_size"]))
        graph = pairs_graph(text_network_folder(backbone), backbone.config, lambda: arrays_of(file))
        self._network = TextNetwork(graph, precision)
        self._hypotheses, self._place = backbone.hypotheses, backbone.entailment

    def __call__(self, texts: Sequence[str]) -> Float32Array:
        """The logit of entailment of each hypothesis: float32 (N, hypotheses)."""
        pairs = self._pairs((text, each) for text in texts for each in self._hypotheses)
        return self._network(*pairs)[:, self._place].reshape(len(texts), len(self._hypotheses))
