"""What makes a text's features, as ONNX nodes: a transformer, word vectors, n-grams, alone or side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from topwork.backbones import EMBEDDING, NGRAMS, RELU, TextBackbone, arrays_of, files_of, own_file, word_vectors
from topwork.engines import NgramScorer, architecture_of, is_known, random_features, rarity
from topwork.exporting._encoder import FAR, encoded
from topwork.exporting._nodes import Nodes, Value
from topwork.exporting._traced import traced


def text_features(nodes: Nodes, backbone: TextBackbone, outputs: Sequence[str]) -> Value:
    """Features float32 (texts, width of the outputs together); what makes the inputs of a text tells ``reading_of``.

    Raises:
        TopworkError: The network cannot be written as ONNX.
        BackboneError: A file of it is missing or damaged.
        MissingExtraError: It is written by torch, which is not installed.
    """
    parts = []
    network = [name for name in outputs if name != NGRAMS]
    if network:
        parts += (_transformer if backbone.family == "transformer" else _vectors)(nodes, backbone, network)
    if NGRAMS in outputs:
        parts.append(_ngrams(nodes, backbone))
    return nodes.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]


class _Tokens:
    """The tokens of a batch of texts, or of windows of texts.

    Attributes:
        ids: int64 (N, T).
        mask: int64 (N, T): 1 where there is one, 0 where the row is filled up; ``there`` is the same in float32.
        count: float32 (N, 1).
    """

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self.ids, self.mask = (
            nodes.input(name, np.int64, ("batch", "tokens")) for name in ("input_ids", "attention_mask")
        )
        self.there = self.mask.to(np.float32)
        self.count = self.there.sum(1)
        self._least_one = self.count.largest(1.0)
        self._there = self.there.reshape(0, 0, 1)

    def pooled(self, tokens: Value, pool: str) -> Value:
        """Tokens (N, T, width) as (N, width); zeros where there are none."""
        return self._nodes.where(self.count > 0.0, self._pooled(tokens, pool), 0.0)

    def _pooled(self, tokens: Value, pool: str) -> Value:
        add = self._nodes.add
        if pool == "cls":
            return add("Gather", tokens, np.int64(0), axis=1)
        if pool == "last":
            return add("GatherND", tokens, (self._least_one - 1.0).to(np.int64), batch_dims=1)
        if pool == "max":
            return self._nodes.where(self._there > 0.0, tokens, FAR).over("ReduceMax", 1, keep=False)
        if pool == "min":
            return self._nodes.where(self._there > 0.0, tokens, -FAR).over("ReduceMin", 1, keep=False)
        return (tokens * self._there).over("ReduceSum", 1, keep=False) / self._least_one


def _transformer(nodes: Nodes, backbone: TextBackbone, outputs: Sequence[str]) -> list[Value]:
    tokens = _Tokens(nodes)
    own = f"layers.{backbone.layers}/{backbone.pooling}"
    places = [(own if name == EMBEDDING else name).removeprefix("layers.").split("/") for name in outputs]
    wanted = {int(layer) for layer, _ in places}
    if is_known(backbone.config):
        arrays = arrays_of(files_of(backbone)[0])
        layers = encoded(nodes, architecture_of(backbone.config), arrays, tokens.ids, tokens.there, wanted)
    else:
        layers = traced(nodes, backbone, tokens.ids, tokens.mask, wanted)
    parts = [tokens.pooled(layers[int(layer)], pool) for layer, pool in places]
    return parts if backbone.reading.windows == 1 else _of_texts(nodes, parts, outputs, tokens.count)


def _of_texts(nodes: Nodes, parts: Sequence[Value], outputs: Sequence[str], count: Value) -> list[Value]:
    """Of the features of windows those of their texts: the greatest of a ``…/max``, of others the mean by tokens."""
    text = nodes.input("text", np.int64, ("batch",))
    last = text.over("ReduceMax", 0, keep=False)
    every = nodes.add("Range", np.int64(0), last + 1, np.int64(1))
    owns = every.reshape(-1, 1).equals(text.reshape(1, -1))  # (texts, windows)
    weights = owns.to(np.float32) * count.reshape(1, -1)
    shares = weights / weights.sum(1)
    inside = nodes.add("Unsqueeze", owns, np.array([2]))
    return [
        nodes.where(inside, nodes.add("Unsqueeze", part, np.array([0])), FAR).over("ReduceMax", 1, keep=False)
        if name.endswith("/max")
        else shares @ part
        for name, part in zip(outputs, parts, strict=True)
    ]


def _vectors(nodes: Nodes, backbone: TextBackbone, outputs: Sequence[str]) -> list[Value]:
    vectors = word_vectors(backbone)
    tokens = _Tokens(nodes)
    known = _looked_up(nodes, np.array(vectors.values, np.float32), tokens.ids)
    parts = []
    for name in outputs:
        each, pool = known, "mean" if name == EMBEDDING else name.rpartition("/")[2]
        if name == RELU:
            spread, start = random_features(vectors, backbone.width(RELU))
            each = nodes.add("Relu", known @ spread + start)
        elif pool == "sif":
            weights = rarity(np.arange(len(vectors.words)), len(vectors.words))
            each = known * _looked_up(nodes, weights[:, None], tokens.ids)
        parts.append(tokens.pooled(each, pool))
    return parts


def _ngrams(nodes: Nodes, backbone: TextBackbone) -> Value:
    """A score a class: TF-IDF of the n-grams that were counted, words and runs of letters of length one each."""
    scorer = NgramScorer.from_file(own_file(backbone.ngrams or backbone.weights))
    ids, counts = (nodes.input(name, np.int64, ("texts", "ngrams")) for name in ("ngram_ids", "ngram_counts"))
    often = counts.to(np.float32)
    values = (nodes.add("Log", often.largest(1.0)) + 1.0) * _looked_up(nodes, scorer.rarity, ids)
    values = nodes.where(often > 0.0, values, 0.0)
    is_word = _looked_up(nodes, np.array([name.startswith("w") for name in scorer.names]), ids)
    lengths = [
        nodes.add("Sqrt", (nodes.where(is_word, *pair) * 2.0).sum(1)).largest(1e-12)
        for pair in ((values * values, 0.0), (0.0, values * values))
    ]
    values = nodes.add("Unsqueeze", values / nodes.where(is_word, *lengths), np.array([1]))  # (texts, 1, n-grams)
    scores = values @ _looked_up(nodes, scorer.weight, ids).to(np.float32)
    return nodes.add("Squeeze", scores, np.array([1])) + scorer.bias


def _looked_up(nodes: Nodes, table: Any, places: Value) -> Value:
    return nodes.add("Gather", nodes.constant(table), places)
