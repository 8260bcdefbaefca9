"""Heads as nodes: features in, logits or votes, and probabilities, out; and how typical an image is."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from topwork.errors import TopworkError
from topwork.exporting._nodes import Value
from topwork.heads import (
    KNN_TEMPERATURE,
    BlendHead,
    Head,
    KNNHead,
    LinearHead,
    MappedHead,
    MLPHead,
    Novelty,
    TextHead,
)
from topwork.metrics import Costs, Rule

_TINY = float(np.finfo(np.float32).tiny)


def probabilities_of(features: Value, head: Head) -> Value:
    """A head's probabilities, float32 (batch, classes), of its features, float32 (batch, width).

    Raises:
        TopworkError: The head is of a kind that cannot be written as nodes.
    """
    if isinstance(head, KNNHead):
        return _votes(features, head)
    temperature = getattr(head, "temperature", 1.0)
    return (_logits(head, features) / float(np.float32(temperature))).softmax()


@functools.singledispatch
def _logits(head: Any, features: Value) -> Value:
    raise TopworkError(f"a head of the kind {head.kind} cannot be exported", hint="`topwork export --to torch` may do")


@_logits.register
def _(head: LinearHead, features: Value) -> Value:
    if head.rooted:
        features = features.nodes.add("Sign", features) * features.nodes.add("Sqrt", abs(features))
    if head.normalised:
        features = features / abs(features).max(1).largest(_TINY)  # or the squares of large numbers would overflow
        features = features / _length(features)
    weight = head.weight.astype(np.float64) / head.scale[:, None]
    bias = head.bias - head.mean.astype(np.float64) @ weight
    return features @ weight.astype(np.float32) + bias.astype(np.float32)


@_logits.register
def _(head: MLPHead, features: Value) -> Value:
    hidden = ((features - head.mean) / head.scale) @ head.hidden_weight + head.hidden_bias
    return hidden.largest(0.0) @ head.weight + head.bias


@_logits.register
def _(head: MappedHead, features: Value) -> Value:
    answers = ((features @ head.weight + head.bias) / float(np.float32(head.softness))).softmax()
    return features.nodes.add("Log", (answers @ head.shares).largest(_TINY))


@_logits.register
def _(head: TextHead, features: Value) -> Value:
    images = features @ head.projection + head.offset
    return ((images / _length(images)) @ np.ascontiguousarray(head.texts.T)) * float(np.float32(head.scale))


@_logits.register
def _(head: BlendHead, features: Value) -> Value:
    words = _logits(head.words, features) / float(np.float32(head.words.temperature))
    probe = _logits(head.probe, features) / float(np.float32(head.probe.temperature))
    return words * float(np.float32(head.share)) + probe * float(np.float32(1 - head.share))


def _length(rows: Value) -> Value:
    """Euclidean lengths (batch, 1); never quite zero."""
    return rows.nodes.add("Sqrt", (rows * rows).sum(1)).largest(_TINY)


def _votes(features: Value, head: KNNHead) -> Value:
    rows = (features - head.mean) / head.scale
    cosines = (rows / _length(rows)) @ np.ascontiguousarray(head.bank.T)
    near, places = features.nodes.add_several(
        "TopK", cosines, np.array([head.k], np.int64), dtypes=(None, np.int64), axis=1
    )
    weights = features.nodes.add("Exp", (near - near.max(1)) / float(np.float32(KNN_TEMPERATURE)))
    labels = features.nodes.add("Gather", features.nodes.constant(head.labels), places, axis=0)
    of_class = labels.reshape(0, 0, 1).equals(np.arange(head.n_classes)[None, None]).to(np.float32)
    shares = (of_class * weights.reshape(0, 0, 1)).over("ReduceSum", 1, keep=False)
    return shares / shares.sum(1)


def label_of(probabilities: Value, rule: Rule | None) -> Value:
    """The answer as ``metrics.decide`` gives it: the index of a class, int64 (batch,)."""
    nodes = probabilities.nodes
    if isinstance(rule, Costs):
        costs = probabilities.to(np.float64) @ rule.matrix
        return nodes.add("ArgMin", costs, axis=1, keepdims=0, dtype=np.int64)
    if rule is None:
        return nodes.add("ArgMax", probabilities, axis=1, keepdims=0, dtype=np.int64)
    own = nodes.add("Gather", probabilities, np.int64(rule.place), axis=1)
    return nodes.where(own >= rule.probability, np.int64(rule.place), _most_probable_other(probabilities, rule.place))


def _most_probable_other(probabilities: Value, place: int) -> Value:
    nodes = probabilities.nodes
    classes = nodes.add("Range", np.int64(0), probabilities.size(1), np.int64(1))
    others = nodes.where(classes.equals(np.int64(place)), np.float32(-1), probabilities)
    return nodes.add("ArgMax", others, axis=1, keepdims=0, dtype=np.int64)


def typicality_of(features: Value, novelty: Novelty) -> Value:
    """How many of the training images are as far out, float32 (batch,); see ``metrics.typicality``."""
    rows = (features - novelty.mean) / novelty.scale
    along = rows @ novelty.basis
    squares = along * along
    beside = ((rows * rows).sum(1) - squares.sum(1)).largest(0.0)
    distances = ((squares / novelty.variances).sum(1) + beside / float(np.float32(novelty.rest))) / float(
        novelty.n_features
    )
    farther = (distances <= novelty.reference[None]).to(np.float32).over("ReduceSum", 1, keep=False)
    return (farther + 1.0) / float(len(novelty.reference) + 1)
