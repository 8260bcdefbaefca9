"""Fitted heads in torch: the same answers as ``Head.probabilities`` gives, but with a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from topwork.errors import ExplainError
from topwork.heads import KNN_TEMPERATURE, BlendHead, Head, KNNHead, LinearHead, MappedHead, TextHead

_TINY = float(np.finfo(np.float32).tiny)


def torch_head(head: Head) -> nn.Module:
    """A module from features (N, D) to logits (N, C) whose softmax is what the head answers.

    Args:
        head: Of any of the kinds that a model may have.

    Raises:
        ExplainError: There is no such form of that kind.
    """
    for kind, module in _FORMS.items():
        if isinstance(head, kind):
            form: nn.Module = module(head)
            return form.requires_grad_(False)
    raise ExplainError(f"a head of the kind {head.kind!r} has no gradient")


class _Form(nn.Module):
    """Holds a head's arrays as buffers, so that they follow the module from device to device."""

    def __init__(self, **arrays: Any) -> None:
        super().__init__()
        for name, array in arrays.items():
            self.register_buffer(name, torch.tensor(np.asarray(array)))


class _Linear(_Form):
    mean: torch.Tensor
    scale: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(self, head: LinearHead) -> None:
        super().__init__(mean=head.mean, scale=head.scale, weight=head.weight, bias=head.bias)
        self.temperature = float(head.temperature)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        standard = (features - self.mean) / self.scale
        return (standard @ self.weight + self.bias) / self.temperature


class _Text(_Form):
    projection: torch.Tensor
    offset: torch.Tensor
    texts: torch.Tensor

    def __init__(self, head: TextHead) -> None:
        super().__init__(projection=head.projection, offset=head.offset, texts=head.texts)
        self.factor = float(head.scale / head.temperature)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        images = functional.normalize(features @ self.projection + self.offset, dim=1, eps=_TINY)
        return self.factor * (images @ self.texts.T)


class _Blend(nn.Module):
    def __init__(self, head: BlendHead) -> None:
        super().__init__()
        self.words, self.probe = _Text(head.words), _Linear(head.probe)
        self.share, self.temperature = float(head.share), float(head.temperature)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        mixed = self.share * self.words(features) + (1 - self.share) * self.probe(features)
        logits: torch.Tensor = mixed / self.temperature
        return logits


class _Mapped(_Form):
    weight: torch.Tensor
    bias: torch.Tensor
    shares: torch.Tensor

    def __init__(self, head: MappedHead) -> None:
        super().__init__(weight=head.weight, bias=head.bias, shares=head.shares)
        self.softness, self.temperature = float(head.softness), float(head.temperature)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        answers = torch.softmax((features @ self.weight + self.bias) / self.softness, dim=1)
        return torch.log((answers @ self.shares).clamp_min(_TINY)) / self.temperature


class _KNN(_Form):
    mean: torch.Tensor
    scale: torch.Tensor
    bank: torch.Tensor
    labels: torch.Tensor

    def __init__(self, head: KNNHead) -> None:
        super().__init__(mean=head.mean, scale=head.scale, bank=head.bank, labels=head.labels)
        self.k, self.n_classes = head.k, head.n_classes

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """A class rises with the likeness to those of the k nearest that have it; without any it stays where it is."""
        rows = functional.normalize((features - self.mean) / self.scale, dim=1, eps=_TINY)
        cosines, nearest = (rows @ self.bank.T).topk(self.k, dim=1)
        weights = torch.exp((cosines - cosines[:, :1].detach()) / KNN_TEMPERATURE)
        votes = features.new_zeros((len(features), self.n_classes))
        return torch.log(votes.scatter_add(1, self.labels[nearest], weights).clamp_min(_TINY))


_FORMS: dict[type, Any] = {
    LinearHead: _Linear,
    KNNHead: _KNN,
    MappedHead: _Mapped,
    TextHead: _Text,
    BlendHead: _Blend,
}
