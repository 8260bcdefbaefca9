"""A BERT-like encoder as ONNX nodes: its architecture and weights are told by ``engines``, so no torch is needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from topwork._arrays import AnyArray
from topwork.engines import Architecture, Arrays, Linear
from topwork.exporting._nodes import Nodes, Value

FAR = -1e30  # less than anything that a network computes, and no infinity, which times zero would be no number


def encoded(
    nodes: Nodes,
    architecture: Architecture,
    arrays: Mapping[str, AnyArray],
    ids: Value,
    there: Value,
    wanted: set[int],
) -> dict[int, Value]:
    """The tokens of some layers, float32 (N, T, width) each.

    Args:
        nodes: The graph.
        architecture: What the network is made of.
        arrays: Its weights, by their names in the file.
        ids: int64 (N, T).
        there: float32 (N, T): 1 where there is a token, 0 where the row is filled up.
        wanted: Layers, 0 being the embeddings; those above the highest are left out.

    Raises:
        BackboneError: The weights do not fit.
    """
    encoder = _Encoder(nodes, architecture, Arrays(architecture, arrays), (there - 1.0) * -FAR)
    tokens = encoder.embedded(ids)
    found = {0: tokens}
    for index in range(max(wanted)):
        tokens = found[index + 1] = encoder.layer(index, tokens)
    return {index: found[index] for index in wanted}


class _Encoder:
    """The network's parts; nobody looks at what is ``missing``, float32 (N, T), zero where there is a token."""

    def __init__(self, nodes: Nodes, architecture: Architecture, arrays: Arrays, missing: Value) -> None:
        self._nodes, self._of, self._arrays = nodes, architecture, arrays
        self._missing = nodes.add("Unsqueeze", missing, np.array([1, 2]))

    def embedded(self, ids: Value) -> Value:
        add = self._nodes.add
        words = add("Gather", self._nodes.constant(self._arrays.words()), ids)
        length = add("Shape", ids, start=1, end=2, dtype=np.int64)
        places = add("Slice", self._nodes.constant(self._arrays.places()), np.array([0]), length, np.array([0]))
        tokens = self._normed(words + places, self._arrays.first_norm())
        projection = self._arrays.projection()
        return tokens if projection is None else _linear(tokens, projection)

    def layer(self, index: int, tokens: Value) -> Value:
        def part(name: str) -> Linear:
            return self._arrays.layer(index, name)

        attended = _linear(self._attended(part, tokens), part("attended"))
        tokens = self._normed(attended + tokens, part("attended_norm"))
        inner = _active(_linear(tokens, part("widened")), self._of.activation)
        return self._normed(_linear(inner, part("narrowed")) + tokens, part("norm"))

    def _attended(self, part: Callable[[str], Linear], tokens: Value) -> Value:
        of = self._of
        each = of.width // of.heads
        query, key, value = (
            _linear(tokens, part(name)).reshape(0, 0, of.heads, each) for name in ("query", "key", "value")
        )
        scores = query.transpose(0, 2, 1, 3) @ key.transpose(0, 2, 3, 1) * (1 / math.sqrt(each))
        found = (scores + self._missing).softmax() @ value.transpose(0, 2, 1, 3)
        return found.transpose(0, 2, 1, 3).reshape(0, 0, of.width)

    def _normed(self, tokens: Value, norm: Linear) -> Value:
        return self._nodes.add("LayerNormalization", tokens, *norm, axis=-1, epsilon=self._of.epsilon)


def _linear(tokens: Value, linear: Linear) -> Value:
    return tokens @ linear.weight.T + linear.bias


def _active(tokens: Value, name: str) -> Value:
    """Activations as their operators were before ONNX had them; the runtimes know these forms."""
    add = tokens.nodes.add
    if name == "relu":
        return add("Relu", tokens)
    if name == "silu":
        return tokens * add("Sigmoid", tokens)
    if name == "gelu":
        return tokens * (add("Erf", tokens / math.sqrt(2)) + 1.0) * 0.5
    cubic = tokens + tokens * tokens * tokens * 0.044715
    return tokens * (add("Tanh", cubic * math.sqrt(2 / math.pi)) + 1.0) * 0.5
