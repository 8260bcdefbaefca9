"""Attention: what a ViT's tokens looked at, followed through all of its blocks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from topwork.errors import ExplainError
from topwork.explain._evidence import Evidence, asked, collected
from topwork.explain._hooks import Hook, hooked
from topwork.explain._subject import Subject, UInt8Array
from topwork.features import Progress

_BATCH = 4  # images at once: every block's attention is kept, with a graph behind it


def attention_rollout(
    subject: Subject, images: UInt8Array, label: str | int | None = None, *, progress: Progress | None = None
) -> list[Evidence]:
    """Where in each image the network looked, whatever the class: attention, multiplied through the blocks.

    Source: Abnar & Zuidema 2020, "Quantifying Attention Flow in Transformers". Half of what a token holds after a block
    is what it held before. The head takes no part: under a random one the maps stay the same, so that
    ``likeness_without_head`` would be 1.

    Args:
        subject: A classifier on a ViT whose blocks attend to the whole image.
        images: uint8 (N, size, size, 3).
        label: None; it is there to refuse a class, which the map could not show.
        progress: Called with (images done, images in all).

    Raises:
        ExplainError: The network is no such ViT, or a class was asked for.
    """
    if label is not None:
        raise ExplainError(
            "attention rollout shows where the network looked whatever the class, and takes none",
            hint="--method attention or grad-cam shows what speaks for a class",
        )
    blocks = _attentions(subject)

    def maps(pixels: torch.Tensor, place: int | None) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad(), _watched(blocks) as seen:
            logits = subject.module(pixels)
        flow = _identity(subject, seen[0])
        for attention in seen:
            flow = (attention.mean(1) + _identity(subject, attention)) / 2 @ flow
        return _on_image(subject, flow, pixels), logits

    return collected("Attention rollout", subject, images, None, maps, progress, _BATCH, of_class=False)


def weighted_attention(
    subject: Subject, images: UInt8Array, label: str | int | None = None, *, progress: Progress | None = None
) -> list[Evidence]:
    """Where in each image the classifier looked for a class: attention that raised its logit.

    Source: Chefer et al. 2021, "Generic Attention-model Explainability", the rule for encoders.

    Args:
        subject: A classifier on a ViT whose blocks attend to the whole image.
        images: uint8 (N, size, size, 3).
        label: The class; of each image the one that is named, when None.
        progress: Called with (images done, images in all).

    Raises:
        ExplainError: The network is no such ViT, or there is no such class.
    """
    blocks = _attentions(subject)

    def maps(pixels: torch.Tensor, place: int | None) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.enable_grad(), _watched(blocks) as seen:
            logits = subject.module(pixels.requires_grad_(True))
            slopes = torch.autograd.grad(asked(logits, place), seen, allow_unused=True)
        flow = _identity(subject, seen[0])
        for attention, slope in zip(seen, slopes, strict=True):
            if slope is not None:
                flow = flow + (attention.detach() * slope).clamp_min(0).mean(1) @ flow
        return _on_image(subject, flow - _identity(subject, seen[0]), pixels), logits

    return collected("Weighted attention", subject, images, label, maps, progress, _BATCH)


def _attentions(subject: Subject) -> list[Any]:
    """The attention of every block.

    Raises:
        ExplainError: It has none that sees the whole image.
    """
    blocks = [getattr(block, "attn", None) for block in getattr(subject.network, "blocks", [])]
    told = all(hasattr(each, "fused_attn") and hasattr(each, "attn_drop") for each in blocks)
    if not blocks or not told or not hasattr(subject.network, "num_prefix_tokens"):
        raise ExplainError(
            f"{subject.backbone.name} has no attention over the whole image",
            hint="--method grad-cam works with every network",
        )
    return blocks


@contextlib.contextmanager
def _watched(blocks: list[Any]) -> Iterator[list[torch.Tensor]]:
    """The blocks' attention (n, heads, tokens, tokens) as it is computed; fused kernels would not show it."""
    seen: list[torch.Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        seen.append(output)

    hooks: list[tuple[nn.Module, Hook]] = [(block.attn_drop, keep) for block in blocks]
    fused = [block.fused_attn for block in blocks]
    try:
        for block in blocks:
            block.fused_attn = False
        with hooked(hooks):
            yield seen
    finally:
        for block, before in zip(blocks, fused, strict=True):
            block.fused_attn = before


def _identity(subject: Subject, attention: torch.Tensor) -> torch.Tensor:
    return torch.eye(attention.shape[-1], device=attention.device).expand(len(attention), -1, -1)


def _on_image(subject: Subject, flow: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """What reached the tokens that are pooled (the class token, or all), from every patch: (n, size, size)."""
    prefix = int(subject.network.num_prefix_tokens)
    pooled = flow[:, 0] if subject.network.global_pool == "token" else flow[:, prefix:].mean(1)
    patches = pooled[:, prefix:]
    side = round(patches.shape[1] ** 0.5)
    grid = patches.reshape(len(patches), 1, side, side)
    return functional.interpolate(grid, size=pixels.shape[2:], mode="bilinear")[:, 0].detach()
