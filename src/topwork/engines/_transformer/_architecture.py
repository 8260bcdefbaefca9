"""What a BERT-like encoder is made of, as its ``config.json`` says, and what its weights are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from topwork._arrays import AnyArray, Float32Array
from topwork.errors import BackboneError

Activation = Literal["gelu", "gelu-tanh", "relu", "silu"]

_ACTIVATIONS: Mapping[str, Activation] = {  # transformers' names
    "gelu": "gelu",
    "gelu_new": "gelu-tanh",
    "gelu_pytorch_tanh": "gelu-tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}


@dataclass(frozen=True)
class Architecture:
    """An encoder of the kind of BERT: each layer attends, then transforms, each with a layer norm after its sum.

    Source: Devlin et al. 2019, "BERT", arXiv 1810.04805.

    Attributes:
        family: transformers' ``model_type``, such as ``"bert"``.
        width: Numbers a token has between the layers; ``inner`` is the width inside a layer's transformation.
        embedded: Numbers a token has in the vocabulary's table; others than ``width`` in ELECTRA's small networks.
        epsilon: What the layer norms add to the variance.
        positions: Rows of the table of positions; a text's first token has the row ``offset``.
        types: Rows of the table of segments, whose first row is that of every token; 0 where there is none.
        vocabulary: Tokens that the network knows.
    """

    family: str
    layers: int
    heads: int
    width: int
    inner: int
    embedded: int
    activation: Activation
    epsilon: float
    positions: int
    offset: int
    types: int
    vocabulary: int

    @property
    def longest(self) -> int:
        """Tokens that a text may have, special ones included."""
        return self.positions - self.offset


class _Family(NamedTuple):
    """How ``config.json`` and the weights of one family call things."""

    fields: Mapping[str, str]  # of Architecture to those of config.json
    layer: str
    parts: Mapping[str, str]  # of a layer
    pads: bool = False  # whether positions are counted from behind the row of the padding


_BERT_FIELDS = {
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "width": "hidden_size",
    "inner": "intermediate_size",
    "activation": "hidden_act",
}
_DISTIL_FIELDS = {
    "layers": "n_layers",
    "heads": "n_heads",
    "width": "dim",
    "inner": "hidden_dim",
    "activation": "activation",
}
_BERT_PARTS = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attended": "attention.output.dense",
    "attended_norm": "attention.output.LayerNorm",
    "widened": "intermediate.dense",
    "narrowed": "output.dense",
    "norm": "output.LayerNorm",
}
_DISTIL_PARTS = {
    "query": "attention.q_lin",
    "key": "attention.k_lin",
    "value": "attention.v_lin",
    "attended": "attention.out_lin",
    "attended_norm": "sa_layer_norm",
    "widened": "ffn.lin1",
    "narrowed": "ffn.lin2",
    "norm": "output_layer_norm",
}
_BERT = _Family(_BERT_FIELDS, "encoder.layer", _BERT_PARTS)
_ROBERTA = _BERT._replace(pads=True)
_FAMILIES = {
    "bert": _BERT,
    "camembert": _ROBERTA,
    "distilbert": _Family(_DISTIL_FIELDS, "transformer.layer", _DISTIL_PARTS),
    "electra": _BERT,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
}
_WORDS = "embeddings.word_embeddings.weight"


def is_known(config: Mapping[str, Any]) -> bool:
    """Whether topwork knows a network of this kind block by block."""
    return config.get("model_type") in _FAMILIES


def architecture_of(config: Mapping[str, Any]) -> Architecture:
    """What a network is made of.

    Args:
        config: The fields of its ``config.json``, as transformers writes it.

    Raises:
        BackboneError: It is none of the networks that topwork knows block by block, or its fields contradict each
            other.
    """
    name = config.get("model_type")
    family = _FAMILIES.get(name) if isinstance(name, str) else None
    if family is None:
        raise BackboneError(
            f"topwork does not know a {name!r} network block by block",
            hint=f"it knows {', '.join(_FAMILIES)}; any other is converted once, which needs transformers and torch",
        )
    _require_plain(config)
    number = _numbers(config)
    sizes = {own: number(family.fields[own]) for own in ("layers", "heads", "width", "inner")}
    offset = number("pad_token_id", 1, least=0) + 1 if family.pads else 0
    types = 0 if name == "distilbert" else number("type_vocab_size", 2, least=0)
    found = Architecture(
        family=str(name),
        **sizes,
        embedded=number("embedding_size", 128) if name == "electra" else sizes["width"],
        activation=_activation(config.get(family.fields["activation"], "gelu")),
        epsilon=_epsilon(config.get("layer_norm_eps", 1e-12)),
        positions=number("max_position_embeddings", 512),
        offset=offset,
        types=types,
        vocabulary=number("vocab_size"),
    )
    if found.width % found.heads or found.longest < 1:
        raise BackboneError(
            f"the config.json contradicts itself: width {found.width} with {found.heads} heads, {found.positions} "
            f"positions of which the first is {found.offset}"
        )
    return found


def _require_plain(config: Mapping[str, Any]) -> None:
    """Refuse what would make another graph of the same name."""
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise BackboneError("topwork knows only absolute positions block by block, not relative ones")
    if config.get("is_decoder") or config.get("add_cross_attention"):
        raise BackboneError("topwork knows encoders block by block, and this network is set to be a decoder")


_LARGEST = 1 << 24  # no network has more of anything; a larger number is a mistake that would fill the memory


def _numbers(config: Mapping[str, Any]) -> Callable[..., int]:
    def number(name: str, default: int | None = None, least: int = 1) -> int:
        value = config.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _LARGEST:
            raise BackboneError(f"config.json: {name} must be a whole number from {least}, not {value!r}")
        return value

    return number


def _activation(name: object) -> Activation:
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        raise BackboneError(
            f"config.json: no activation is called {name!r}", hint=f"there are {', '.join(_ACTIVATIONS)}"
        )
    return _ACTIVATIONS[name]


def _epsilon(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise BackboneError(f"config.json: layer_norm_eps must be a small number above zero, not {value!r}")
    return float(value)


class Linear(NamedTuple):
    """float32 (out, in) and (out,); of a layer norm (width,) and (width,)."""

    weight: Float32Array
    bias: Float32Array


class Arrays:
    """The weights of a network by what they do, float32, their shapes those of the architecture.

    Args:
        architecture: Of the network.
        arrays: As they stand in its file; the name of the network before them, and a head's, are no hindrance.

    Raises:
        BackboneError: One is missing, or has another shape; when it is asked for.
    """

    def __init__(self, architecture: Architecture, arrays: Mapping[str, AnyArray]) -> None:
        self._of = architecture
        self._family = _FAMILIES[architecture.family]
        self._arrays = arrays
        prefix = next((name.removesuffix(_WORDS) for name in arrays if name.endswith(_WORDS)), "")
        self._prefix = prefix

    def words(self) -> Float32Array:
        """float32 (vocabulary, embedded)."""
        return self._array(_WORDS, (self._of.vocabulary, self._of.embedded))

    def places(self) -> Float32Array:
        """What every token has by where it stands: float32 (longest, embedded); the first segment is in it."""
        of = self._of
        table = self._array("embeddings.position_embeddings.weight", (of.positions, of.embedded))[of.offset :]
        if of.types:
            table = table + self._array("embeddings.token_type_embeddings.weight", (of.types, of.embedded))[0]
        return table

    def first_norm(self) -> Linear:
        """The layer norm of the embeddings."""
        return self._linear("embeddings.LayerNorm", self._of.embedded)

    def projection(self) -> Linear | None:
        """From the width of the embeddings to that of the layers, where they differ."""
        of = self._of
        return None if of.embedded == of.width else self._linear("embeddings_project", of.width, of.embedded)

    def layer(self, index: int, part: str) -> Linear:
        """A part of a layer: query, key, value, attended, attended_norm, widened, narrowed, norm."""
        width, inner = self._of.width, self._of.inner
        shape = {"widened": (inner, width), "narrowed": (width, inner), "attended_norm": (width,), "norm": (width,)}
        return self._linear(
            f"{self._family.layer}.{index}.{self._family.parts[part]}", *shape.get(part, (width, width))
        )

    def _linear(self, name: str, *shape: int) -> Linear:
        return Linear(self._array(f"{name}.weight", shape), self._array(f"{name}.bias", shape[:1]))

    def _array(self, name: str, shape: tuple[int, ...]) -> Float32Array:
        found = self._arrays.get(self._prefix + name)
        if found is None and "LayerNorm" in name:  # as the first checkpoints, from TensorFlow, call it
            old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
            found = self._arrays.get(self._prefix + old)
        if found is None:
            raise BackboneError(
                f"the weights do not fit the network: it has {self._prefix}{name} {shape}, the file has none",
                hint="is it a checkpoint of another architecture?",
            )
        if found.shape != shape:
            raise BackboneError(
                f"the weights do not fit the network: {self._prefix}{name}: network {shape}, file {found.shape}",
                hint="config.json and the weights must be of the same network",
            )
        return found.astype(np.float32, copy=False)
