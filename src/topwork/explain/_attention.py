"""Attention: what a ViT's tokens looked at, followed through all of its blocks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from topwork._arrays import UInt8Array
from topwork.errors import ExplainError
from topwork.explain._classifier import Label, TorchClassifier, grid
from topwork.explain._evidence import Evidence, asked, collected, enlarged
from topwork.features import Progress

if TYPE_CHECKING:
    import torch
    from torch import nn

    from topwork.explain._evidence import MapsAndLogits

_BATCH = 4  # images at once: every block's attention is kept, with a graph behind it


def attention_rollout(
    classifier: TorchClassifier, images: UInt8Array, label: Label | None = None, *, progress: Progress | None = None
) -> list[Evidence]:
    """Where in each image the network looked, whatever the class: attention, multiplied through the blocks.

    Source: Abnar & Zuidema 2020, "Quantifying Attention Flow in Transformers". Half of what a token holds after a block
    is what it held before. The head takes no part, so that a check with random heads (Adebayo et al. 2018, "Sanity
    Checks for Saliency Maps") finds no difference.

    Args:
        classifier: On a ViT whose blocks attend to the whole image.
        images: uint8 (N, size, size, 3).
        label: None; it is there to refuse a class, which the map could not show.
        progress: Called with (images done, images in all).

    Raises:
        ExplainError: The network is no such ViT, or a class was asked for.
    """
    if label is not None:
        raise ExplainError(
            "attention rollout does not depend on the class, so no class can be chosen",
            hint="--method attention or grad-cam shows what speaks for a class",
        )
    import torch

    blocks = _attentions(classifier)

    def maps(pixels: torch.Tensor, place: int | None) -> MapsAndLogits:
        with torch.no_grad(), _watched(blocks) as seen:
            logits = classifier.module(pixels)
        flow = _identity(seen[0])
        for attention in seen:
            flow = (attention.mean(1) + _identity(attention)) / 2 @ flow
        return _on_image(classifier, flow), logits

    return collected("Attention rollout", classifier, images, None, maps, progress, batch=_BATCH, of_class=False)


def weighted_attention(
    classifier: TorchClassifier, images: UInt8Array, label: Label | None = None, *, progress: Progress | None = None
) -> list[Evidence]:
    """Where in each image the classifier looked for a class: attention that raised its logit.

    Source: Chefer et al. 2021, "Generic Attention-model Explainability", the rule for encoders.

    Args:
        classifier: On a ViT whose blocks attend to the whole image.
        images: uint8 (N, size, size, 3).
        label: The class; of each image the one that is named, when None.
        progress: Called with (images done, images in all).

    Raises:
        ExplainError: The network is no such ViT, or there is no such class.
    """
    import torch

    blocks = _attentions(classifier)

    def maps(pixels: torch.Tensor, place: int | None) -> MapsAndLogits:
        with torch.enable_grad(), _watched(blocks) as seen:
            logits = classifier.module(pixels.requires_grad_(True))
            slopes = torch.autograd.grad(asked(logits, place), seen, allow_unused=True)
        start = flow = _identity(seen[0])
        for attention, slope in zip(seen, slopes, strict=True):
            if slope is not None:
                flow = flow + (attention.detach() * slope).clamp_min(0).mean(1) @ flow
        return _on_image(classifier, flow - start), logits

    return collected("Weighted attention", classifier, images, label, maps, progress, batch=_BATCH)


def _attentions(classifier: TorchClassifier) -> list[Any]:
    """The attention of every block; raises an ExplainError where none of it sees the whole image."""
    blocks = [getattr(block, "attn", None) for block in getattr(classifier.network, "blocks", [])]
    told = all(hasattr(each, "fused_attn") and hasattr(each, "attn_drop") for each in blocks)
    if not blocks or not told or not hasattr(classifier.network, "num_prefix_tokens"):
        raise ExplainError(
            f"{classifier.backbone.name} has no global attention",
            hint="--method grad-cam works with every network",
        )
    return blocks


@contextlib.contextmanager
def _watched(blocks: list[Any]) -> Iterator[list[torch.Tensor]]:
    """The blocks' attention (n, heads, tokens, tokens) as it is computed; fused kernels would not show it."""
    from topwork.backbones.layers import hooked

    seen: list[torch.Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        seen.append(output)

    fused = [block.fused_attn for block in blocks]
    try:
        for block in blocks:
            block.fused_attn = False
        with hooked((block.attn_drop, keep) for block in blocks):
            yield seen
    finally:
        for block, before in zip(blocks, fused, strict=True):
            block.fused_attn = before


def _identity(attention: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.eye(attention.shape[-1], device=attention.device).expand(len(attention), -1, -1)


def _on_image(classifier: TorchClassifier, flow: torch.Tensor) -> torch.Tensor:
    """What reached the tokens that are pooled (the class token, or all), from every patch: (n, size, size)."""
    prefix = int(classifier.network.num_prefix_tokens)
    pooled = flow[:, 0] if classifier.network.global_pool == "token" else flow[:, prefix:].mean(1)
    return enlarged(grid(pooled[:, None, prefix:])[:, 0], classifier.size).detach()
