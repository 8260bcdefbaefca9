"""A text network as one torch module that takes tokens, and pools them as the engine that serves does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from topwork.backbones import EMBEDDING, TextBackbone
from topwork.engines import text_module

_FAR = -1e30  # less than anything a network computes


class Pooled(nn.Module):
    """Tokens to features: the network's layers, pooled over the tokens, and over the windows of a text.

    Args:
        network: Of transformers' classes.
        places: Layer (0 is the embeddings, -1 the last) and pooling of each block of features, in order.
    """

    def __init__(self, network: nn.Module, places: Sequence[tuple[int, str]]) -> None:
        super().__init__()
        self.network = network
        self.places = tuple(places)

    @classmethod
    def of(cls, backbone: TextBackbone, outputs: Sequence[str]) -> tuple[Pooled, bytes]:
        """What gives these outputs, in torch, and the network's tokenizer.

        Raises:
            MissingExtraError: torch or transformers is not installed.
            BackboneError: It is no transformer, or its files are missing, changed, or do not fit.
        """
        network, tokenizer = text_module(backbone)
        return cls(network, _places(backbone, outputs)), tokenizer

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """The pooled features, float32 (n, D): of each window, and then of the windows by their tokens.

        Args:
            tokens: int64 (n, windows, T), -1 where nothing stands; or a layer's, (n, windows, T, width), zeros there.
        """
        there = _there(tokens)
        windows = there.any(dim=2)  # a text of few leaves the others empty, and they are not computed
        found = self.tokens(tokens[windows])
        layers = [found.last_hidden_state if layer < 0 else found.hidden_states[layer] for layer, _ in self.places]
        pooled = [
            (_pooled(each.float(), there[windows], pool), "max" if pool == "max" else "mean")
            for each, (_, pool) in zip(layers, self.places, strict=True)
        ]
        if windows.shape[1] == 1 and bool(windows.all()):
            return torch.cat([each for each, _ in pooled], dim=1)
        counts = there.sum(dim=2)
        return torch.cat([_pooled(_at(windows, each), counts, pool) for each, pool in pooled], dim=1)

    def vectors(self, ids: torch.Tensor) -> torch.Tensor:
        """Tokens (n, T) as the vectors (n, T, width) that the first layer takes."""
        found: torch.Tensor = self.network.get_input_embeddings()(ids)  # type: ignore[operator]
        return found

    @property
    def reads_last(self) -> bool:
        """Whether the head reads the last layer alone."""
        return all(layer < 0 for layer, _ in self.places)

    def tokens(self, given: torch.Tensor) -> Any:
        """What the network's class gives of windows, (m, T) or (m, T, width)."""
        given_as = {"inputs_embeds": given} if given.is_floating_point() else {"input_ids": given.clamp(min=0)}
        mask = _there(given).long()
        return self.network(**given_as, attention_mask=mask, output_hidden_states=not self.reads_last, return_dict=True)


def _places(backbone: TextBackbone, outputs: Sequence[str]) -> list[tuple[int, str]]:
    last = f"layers.{backbone.layers}/{backbone.pooling}"
    named = [(last if name == EMBEDDING else name).removeprefix("layers.").split("/") for name in outputs]
    return [(-1 if int(layer) == backbone.layers else int(layer), pool) for layer, pool in named]


def _there(tokens: torch.Tensor) -> torch.Tensor:
    """Where there is a token: bool, a number for each."""
    return (tokens != 0).any(dim=-1) if tokens.is_floating_point() else tokens >= 0


def _at(places: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Rows (m, D) at the m places (n, w) that are true, zeros at the others: (n, w, D)."""
    return rows.new_zeros(*places.shape, rows.shape[1]).masked_scatter(places.unsqueeze(2), rows)


def _pooled(rows: torch.Tensor, weight: torch.Tensor, pool: str) -> torch.Tensor:
    """One row (n, D) of each text's (n, T, D), as the engine that serves pools them; of no weight is what is filled up.

    Args:
        rows: Of tokens, or of windows.
        weight: Of each, (n, T).
        pool: How.
    """
    if pool == "cls":
        return rows[:, 0]
    if pool == "last":
        return rows[torch.arange(len(rows), device=rows.device), weight.sum(dim=1) - 1]
    if pool == "max":
        return rows.masked_fill((weight == 0).unsqueeze(2), _FAR).amax(dim=1)
    share = weight.unsqueeze(2).float()
    return (rows * share).sum(dim=1) / share.sum(dim=1).clamp(min=1)
