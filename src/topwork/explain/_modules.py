"""The torch modules behind a ``TorchClassifier``: pixels to logits, and each kind of fitted head with a gradient.

They derive from ``nn.Module``, so importing this file imports torch; the rest of the room imports it when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from topwork.backbones import Backbone
from topwork.backbones.layers import PooledStages
from topwork.errors import ExplainError
from topwork.heads import KNN_TEMPERATURE, BlendHead, Head, KNNHead, LinearHead, MappedHead, MLPHead, TextHead

_TINY = float(np.finfo(np.float32).tiny)


class PixelsToLogits(nn.Module):
    """Images (N, 3, size, size) on the scale 0 to 1 to logits (N, C); the normalisation is inside."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, backbone: Backbone, outputs: tuple[str, ...], head: Head | None) -> None:
        super().__init__()
        self.stages = PooledStages(backbone, outputs)
        self.head = None if head is None else torch_head(head)
        self.register_buffer("mean", torch.tensor(backbone.preprocessing.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(backbone.preprocessing.std)[:, None, None])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits whose softmax is what the model answers."""
        return self.answer(self.pooled(images))

    def pooled(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What the head reads, one (N, width) tensor for each output."""
        found: tuple[torch.Tensor, ...] = self.stages((images - self.mean) / self.std)
        return found

    def answer(self, pooled: Sequence[torch.Tensor]) -> torch.Tensor:
        """The head's logits for what it reads; raises an ExplainError where there is no head."""
        if self.head is None:
            raise ExplainError("this network was opened without a head, so it has no classes")
        logits: torch.Tensor = self.head(torch.cat(tuple(pooled), dim=1))
        return logits


def torch_head(head: Head) -> nn.Module:
    """A module from features (N, D) to logits (N, C) whose softmax is what a model's head answers."""
    if type(head) not in _RULES:
        raise ExplainError(f"a head of the kind {head.kind!r} has no gradient")
    return _HeadModule(head).requires_grad_(False)


class _HeadModule(nn.Module):
    """A head's fields under their own names, arrays as buffers, which follow the module to its device; and its rule."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.rule = _RULES[type(head)]
        for name, value in vars(head).items():
            if isinstance(value, np.ndarray):
                self.register_buffer(name, torch.tensor(value))
            else:
                setattr(self, name, torch_head(value) if type(value) in _RULES else value)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.rule(self, features)
        return logits


def _linear(head: Any, features: torch.Tensor) -> Any:
    rows = features.sign() * features.abs().clamp_min(_TINY).sqrt() if head.rooted else features  # no slope at 0
    rows = functional.normalize(rows, dim=1, eps=_TINY) if head.normalised else rows
    standard = (rows - head.mean) / head.scale
    return (standard @ head.weight + head.bias) / head.temperature


def _mlp(head: Any, features: torch.Tensor) -> Any:
    hidden = torch.relu((features - head.mean) / head.scale @ head.hidden_weight + head.hidden_bias)
    return (hidden @ head.weight + head.bias) / head.temperature


def _text(head: Any, features: torch.Tensor) -> Any:
    images = functional.normalize(features @ head.projection + head.offset, dim=1, eps=_TINY)
    return head.scale / head.temperature * (images @ head.texts.T)


def _blend(head: Any, features: torch.Tensor) -> Any:
    return (head.share * head.words(features) + (1 - head.share) * head.probe(features)) / head.temperature


def _mapped(head: Any, features: torch.Tensor) -> Any:
    answers = torch.softmax((features @ head.weight + head.bias) / head.softness, dim=1)
    return torch.log((answers @ head.shares).clamp_min(_TINY)) / head.temperature


def _knn(head: Any, features: torch.Tensor) -> Any:
    """A class rises with the likeness to those of the k nearest that have it; without any it stays where it is."""
    rows = functional.normalize((features - head.mean) / head.scale, dim=1, eps=_TINY)
    cosines, nearest = (rows @ head.bank.T).topk(head.k, dim=1)
    weights = torch.exp((cosines - cosines[:, :1].detach()) / KNN_TEMPERATURE)
    votes = features.new_zeros((len(features), head.n_classes))
    return torch.log(votes.scatter_add(1, head.labels[nearest], weights).clamp_min(_TINY))


_RULES: dict[type, Callable[[Any, torch.Tensor], Any]] = {
    LinearHead: _linear,
    KNNHead: _knn,
    MLPHead: _mlp,
    MappedHead: _mapped,
    TextHead: _text,
    BlendHead: _blend,
}
