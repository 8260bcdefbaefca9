"""The graph of a BERT-like encoder, made in OpenVINO's own operators; no torch and no transformers are needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import numpy as np

from topwork._arrays import AnyArray
from topwork.backbones import EMBEDDING
from topwork.engines._transformer._architecture import Architecture, Arrays, Linear
from topwork.errors import BackboneError

Pooling = Literal["mean", "max", "cls", "last"]
POOLS: tuple[Pooling, ...] = get_args(Pooling)
FAR = -1e30  # less than anything a network computes; float32's own least number overflows in bfloat16


def output_names(layers: int) -> tuple[str, ...]:
    """All outputs: of each layer, layer 0 being the embeddings, how its tokens are pooled; and ``embedding``."""
    return (*(f"layers.{index}/{pool}" for index in range(layers + 1) for pool in POOLS), EMBEDDING)


def require_outputs(outputs: tuple[str, ...], known: tuple[str, ...]) -> None:
    """Refuse, by a BackboneError, outputs that a network does not have, and none at all."""
    if not outputs:
        raise BackboneError("no output was given", hint=f"the network's own features are called {EMBEDDING}")
    if strange := [name for name in outputs if name not in known]:
        raise BackboneError(f"the network has no output {strange[0]!r}", hint=f"it has {', '.join(known)}")


def transformer_graph(
    architecture: Architecture,
    arrays: Mapping[str, AnyArray],
    outputs: tuple[str, ...],
    *,
    pooling: Pooling = "mean",
) -> Any:
    """An ``openvino.Model`` from tokens to named outputs, float32 (N, width) each.

    It takes ``ids``, int32 (N, T), and ``mask``, int32 (N, T): 1 where there is a token, 0 where the row is filled up.
    What a row is filled up with has no influence. Every token is of the first segment.

    Args:
        architecture: What the network is made of (``architecture_of``).
        arrays: Its weights, by their names in the file.
        outputs: Names out of ``output_names``; layers above the highest of them are left out.
        pooling: How the network's own ``embedding`` is made of the last layer's tokens.

    Raises:
        BackboneError: The weights do not fit, or there is no such output.
    """
    import openvino
    from openvino import opset13 as operators

    require_outputs(outputs, output_names(architecture.layers))
    own = f"layers.{architecture.layers}/{pooling}"
    places = [own if name == EMBEDDING else name for name in outputs]
    ids, mask = operators.parameter([-1, -1], np.int32), operators.parameter([-1, -1], np.int32)
    ids.output(0).add_names({"ids"})
    mask.output(0).add_names({"mask"})
    pooled = _Encoder(architecture, Arrays(architecture, arrays), ids, mask).pooled(places)
    for name, place in zip(outputs, places, strict=True):
        pooled[place].output(0).add_names({name})
    return openvino.Model([operators.result(pooled[place]) for place in places], [ids, mask])


class _Encoder:
    """The network's parts; between them tokens are float32 (N, T, width)."""

    def __init__(self, architecture: Architecture, arrays: Arrays, ids: Any, mask: Any) -> None:
        from openvino import opset13 as operators

        self._of, self._arrays, self._ids, self._ops = architecture, arrays, ids, operators
        ops = operators
        there = ops.convert(mask, "f32")
        self._mask = ops.unsqueeze(there, _ints(2))  # (N, T, 1)
        self._count = ops.reduce_sum(there, _ints(1), keep_dims=True)  # (N, 1)
        missing = ops.multiply(ops.subtract(_float(1), there), _float(FAR))
        self._missing = ops.unsqueeze(missing, _ints(1, 2))  # (N, 1, 1, T): nobody looks at what is not there

    def pooled(self, places: list[str]) -> dict[str, Any]:
        """The outputs of those layers that are asked for."""
        top = max(int(place.partition("/")[0].removeprefix("layers.")) for place in places)
        tokens, found = self._embedded(), {}
        for index in range(top + 1):
            tokens = self._layer(index - 1, tokens) if index else tokens
            for pool in POOLS:
                place = f"layers.{index}/{pool}"
                if place in places:
                    found[place] = self._pool(tokens, pool)
        return found

    def _pool(self, tokens: Any, pool: str) -> Any:
        ops = self._ops
        if pool == "cls":
            return ops.gather(tokens, _int(0), _int(1))
        if pool == "last":
            place = ops.convert(ops.subtract(self._count, _float(1)), "i64")
            return ops.squeeze(ops.gather(tokens, place, _int(1), 1), _ints(1))
        if pool == "mean":
            total = ops.reduce_sum(ops.multiply(tokens, self._mask), _ints(1), keep_dims=False)
            return ops.divide(total, self._count)
        far = ops.multiply(ops.subtract(_float(1), self._mask), _float(FAR))
        return ops.reduce_max(ops.add(tokens, far), _ints(1), keep_dims=False)

    def _embedded(self) -> Any:
        ops = self._ops
        words = ops.gather(ops.constant(self._arrays.words()), self._ids, _int(0))
        length = ops.gather(ops.shape_of(self._ids, "i64"), _ints(1), _int(0))
        table = ops.constant(self._arrays.places())
        places = ops.slice(table, _ints(0), length, _ints(1), _ints(0))
        tokens = self._normed(ops.add(words, places), self._arrays.first_norm())
        projection = self._arrays.projection()
        return tokens if projection is None else self._linear(tokens, projection)

    def _layer(self, index: int, tokens: Any) -> Any:
        ops = self._ops

        def part(name: str) -> Linear:
            return self._arrays.layer(index, name)

        attended = self._linear(self._attended(part, tokens), part("attended"))
        tokens = self._normed(ops.add(attended, tokens), part("attended_norm"))
        inner = self._active(self._linear(tokens, part("widened")))
        return self._normed(ops.add(self._linear(inner, part("narrowed")), tokens), part("norm"))

    def _attended(self, part: Callable[[str], Linear], tokens: Any) -> Any:
        """Attention, as one operator: at 256 tokens a twentieth faster than its products written out."""
        ops, of = self._ops, self._of
        split = _ints(0, 0, of.heads, of.width // of.heads)
        query, key, value = (
            ops.transpose(ops.reshape(self._linear(tokens, part(name)), split, True), _ints(0, 2, 1, 3))
            for name in ("query", "key", "value")
        )
        found = ops.scaled_dot_product_attention(query, key, value, self._missing)
        return ops.reshape(ops.transpose(found, _ints(0, 2, 1, 3)), _ints(0, 0, of.width), True)

    def _active(self, tokens: Any) -> Any:
        ops, name = self._ops, self._of.activation
        if name.startswith("gelu"):
            return ops.gelu(tokens, "tanh" if name == "gelu-tanh" else "erf")
        return ops.relu(tokens) if name == "relu" else ops.swish(tokens)

    def _linear(self, tokens: Any, linear: Linear) -> Any:
        ops = self._ops
        return ops.add(ops.matmul(tokens, ops.constant(linear.weight), False, True), ops.constant(linear.bias))

    def _normed(self, tokens: Any, norm: Linear) -> Any:
        ops = self._ops
        normed = ops.mvn(tokens, _ints(-1), True, self._of.epsilon, "inside_sqrt")
        return ops.add(ops.multiply(normed, ops.constant(norm.weight)), ops.constant(norm.bias))


def _ints(*numbers: int) -> Any:
    from openvino import opset13 as operators

    return operators.constant(np.array(numbers, np.int64))


def _int(number: int) -> Any:
    from openvino import opset13 as operators

    return operators.constant(np.int64(number))


def _float(number: float) -> Any:
    from openvino import opset13 as operators

    return operators.constant(np.float32(number))
