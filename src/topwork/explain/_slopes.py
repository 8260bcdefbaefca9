"""How a class's logit rises with what a head reads, in NumPy: what a gradient would give, without torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from topwork._arrays import Float64Array
from topwork.heads import Head, LinearHead, MappedHead, MLPHead

_TINY = float(np.finfo(np.float32).tiny)
_SEEN = 1e-6  # of the largest feature: below it is what float32 makes of zero


def has_slope(head: Head) -> bool:
    """Whether ``slope`` knows this kind of head."""
    return type(head) in _SLOPES


def slope(head: Head, features: Float64Array, place: int) -> Float64Array:
    """By how much the logit of a class rises with each feature, (D,), at these features (D,)."""
    temperature: float = getattr(head, "temperature", 1.0)
    return _SLOPES[type(head)](head, features, place) / temperature


def _linear(head: LinearHead, features: Float64Array, place: int) -> Float64Array:
    rise = head.weight[:, place].astype(np.float64) / head.scale
    if not head.normalised:
        return rise
    size = np.abs(features)
    rows = np.sign(features) * np.sqrt(size) if head.rooted else features
    length = max(float(np.linalg.norm(rows)), _TINY)
    unit = rows / length
    rise = (rise - (rise @ unit) * unit) / length
    if not head.rooted:
        return rise
    seen = size > _SEEN * size.max()  # the root of nothing is infinitely steep
    return np.where(seen, rise * 0.5 / np.sqrt(np.where(seen, size, 1)), 0)


def _mlp(head: MLPHead, features: Float64Array, place: int) -> Float64Array:
    into = (features - head.mean) / head.scale @ head.hidden_weight.astype(np.float64) + head.hidden_bias
    return np.asarray(head.hidden_weight @ (head.weight[:, place] * (into > 0)) / head.scale, np.float64)


def _mapped(head: MappedHead, features: Float64Array, place: int) -> Float64Array:
    """Of log(sum over k of p_k * share_k), where p is the softmax of the network's own classes."""
    logits = (features @ head.weight.astype(np.float64) + head.bias) / head.softness
    answers = np.exp(logits - logits.max())
    answers /= answers.sum()
    speaks = answers * head.shares[:, place]
    return np.asarray(head.weight @ (speaks / max(float(speaks.sum()), _TINY) - answers) / head.softness, np.float64)


_SLOPES: dict[type, Callable[[Any, Float64Array, int], Float64Array]] = {
    LinearHead: _linear,
    MLPHead: _mlp,
    MappedHead: _mapped,
}
