"""The torch modules behind a ``TorchClassifier``: pixels to logits, and each kind of fitted head with a gradient.

They derive from ``nn.Module``, so importing this file imports torch; the rest of the room imports it when it is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from topwork.backbones import Backbone
from topwork.backbones.layers import PooledStages
from topwork.errors import ExplainError
from topwork.heads import KNN_TEMPERATURE, BlendHead, Head, KNNHead, LinearHead, MappedHead, TextHead

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
            raise ExplainError("this network was opened without a head, so no class can be asked for")
        logits: torch.Tensor = self.head(torch.cat(tuple(pooled), dim=1))
        return logits


def torch_head(head: Head) -> nn.Module:
    """A module from features (N, D) to logits (N, C) whose softmax is what the head answers.

    Raises:
        ExplainError: The head is of none of the kinds that a model may have.
    """
    if type(head) not in _MODULES:
        raise ExplainError(f"a head of the kind {head.kind!r} has no gradient")
    return _MODULES[type(head)](head).requires_grad_(False)


class _HeadModule(nn.Module):
    """A head's fields under their own names: arrays as buffers, which follow the module to its device."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, head: Head) -> None:
        super().__init__()
        for name, value in vars(head).items():
            if isinstance(value, np.ndarray):
                self.register_buffer(name, torch.tensor(value))
            else:
                setattr(self, name, torch_head(value) if type(value) in _MODULES else value)


class _Linear(_HeadModule):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        standard = (features - self.mean) / self.scale
        logits: torch.Tensor = (standard @ self.weight + self.bias) / self.temperature
        return logits


class _Text(_HeadModule):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        images = functional.normalize(features @ self.projection + self.offset, dim=1, eps=_TINY)
        logits: torch.Tensor = self.scale / self.temperature * (images @ self.texts.T)
        return logits


class _Blend(_HeadModule):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        mixed = self.share * self.words(features) + (1 - self.share) * self.probe(features)
        logits: torch.Tensor = mixed / self.temperature
        return logits


class _Mapped(_HeadModule):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        answers = torch.softmax((features @ self.weight + self.bias) / self.softness, dim=1)
        logits: torch.Tensor = torch.log((answers @ self.shares).clamp_min(_TINY)) / self.temperature
        return logits


class _KNN(_HeadModule):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """A class rises with the likeness to those of the k nearest that have it; without any it stays where it is."""
        rows = functional.normalize((features - self.mean) / self.scale, dim=1, eps=_TINY)
        cosines, nearest = (rows @ self.bank.T).topk(self.k, dim=1)
        weights = torch.exp((cosines - cosines[:, :1].detach()) / KNN_TEMPERATURE)
        votes = features.new_zeros((len(features), self.n_classes))
        return torch.log(votes.scatter_add(1, self.labels[nearest], weights).clamp_min(_TINY))


_MODULES: dict[type, type[_HeadModule]] = {
    LinearHead: _Linear,
    KNNHead: _KNN,
    MappedHead: _Mapped,
    TextHead: _Text,
    BlendHead: _Blend,
}
