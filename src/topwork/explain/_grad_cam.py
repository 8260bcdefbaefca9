"""Grad-CAM: a stage's channels, weighed by how much the class's logit rises with each of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from topwork.backbones import EMBEDDING
from topwork.backbones.layers import map_reader
from topwork.errors import ExplainError
from topwork.explain._evidence import Evidence, asked, collected
from topwork.explain._hooks import Hook, hooked
from topwork.explain._maps import grid
from topwork.explain._subject import Subject, UInt8Array
from topwork.features import Progress

_SOFT = 28  # evidence in a stage that the head reads is spread by this part of the image's side: a cell is a speck


def grad_cam(
    subject: Subject, images: UInt8Array, label: str | int | None = None, *, progress: Progress | None = None
) -> list[Evidence]:
    """Where in each image the classifier sees a class.

    Source: Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization".
    For the network's own pooled features the stage is the last one on whose map they depend: a ViT that pools a class
    token does not look at the other tokens of its last block. A head that reads the stages themselves has evidence in
    each: what it reads as a mean comes from everywhere, and what it reads as a maximum from the cell that is it (as
    in HiResCAM, Draelos & Carin 2020). Maps of unequal size meet as evidence per area. A channel counts from its
    average over the training images, where the head holds that. Evidence against the class, which the paper cuts off,
    stays in the map as numbers below 0.

    Args:
        subject: The classifier.
        images: uint8 (N, size, size, 3), from ``subject.squares``.
        label: The class; of each image the one that is named, when None.
        progress: Called with (images done, images in all).

    Raises:
        ExplainError: There is no such class, or an image's maps have no gradient (as with a nearest-neighbour head and
            a class that no neighbour has).
    """
    return collected("Grad-CAM", subject, images, label, lambda pixels, place: _cams(subject, pixels, place), progress)


def _cams(subject: Subject, pixels: torch.Tensor, place: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Maps (n, size, size) and logits of images (n, 3, size, size)."""
    parts = [_of_stages(subject, pixels, place)] if subject.outputs != (EMBEDDING,) else []
    if EMBEDDING in subject.outputs:
        parts.append(_of_embedding(subject, pixels, place))
    whole = torch.stack([maps for maps, _ in parts]).sum(0)
    if not whole.flatten(1).any(dim=1).all():
        raise ExplainError(
            "no gradient reaches a map: a small change of the image would not change the answer at all",
            hint="a nearest-neighbour head is like that where no neighbour has the class; ask for another one",
        )
    return whole, parts[0][1]


def _of_stages(subject: Subject, pixels: torch.Tensor, place: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Evidence in the stages that the head reads, exact where it is linear, and the logits."""
    outputs = [output for output in subject.outputs if output != EMBEDDING]
    maps: dict[str, torch.Tensor] = {}

    def keep(stage: str) -> Hook:
        as_map = map_reader(subject.network, stage)

        def hook(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
            maps[stage] = grid(as_map(output)).clone()  # a later layer may overwrite it

        return hook

    stages = dict.fromkeys(output.rpartition("/")[0] for output in outputs)
    with torch.no_grad(), hooked([(subject.network.get_submodule(stage), keep(stage)) for stage in stages]):
        pooled = subject.module.pooled(pixels)
    with torch.enable_grad():
        leaves = [each.detach().requires_grad_(True) for each in pooled]
        logits = subject.module.answer(leaves)
        slopes = torch.autograd.grad(asked(logits, place), leaves)
    total = torch.zeros_like(pixels[:, 0])
    for output, read, slope in zip(subject.outputs, pooled, slopes, strict=True):
        if output != EMBEDDING:
            stage, _, pooling = output.rpartition("/")
            average = torch.from_numpy(subject.averages.get(output, np.zeros(read.shape[1], np.float32)))
            cells = slope[:, :, None, None] * (maps[stage] - average.to(pixels.device)[:, None, None])
            if pooling == "max":
                highest = maps[stage] == read[:, :, None, None]
                cells = cells * highest / highest.sum(dim=(2, 3), keepdim=True) * cells[0, 0].numel()
            total += _enlarged(cells.sum(dim=1), subject.size)
    return _softened(total), logits.detach()


def _of_embedding(subject: Subject, pixels: torch.Tensor, place: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Evidence for the network's own pooled features, of each image in the last stage that has any, and the logits."""
    found = torch.zeros_like(pixels[:, 0])
    for stage in reversed(subject.backbone.stages):
        maps, logits = _weighed(subject, pixels, place, stage.name)
        none_yet = ~found.flatten(1).any(dim=1)
        found[none_yet] = _enlarged(maps, subject.size)[none_yet]
        if found.flatten(1).any(dim=1).all():
            break
    return found, logits


def _weighed(
    subject: Subject, pixels: torch.Tensor, place: int | None, stage: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """One stage's channels, each times its mean gradient by way of the embedding alone, per area; and the logits."""
    leaves: list[torch.Tensor] = []

    def cut(module: nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        leaves.append(output.detach().requires_grad_(True))
        return leaves[0].clone()  # the next layer may overwrite it

    with torch.enable_grad(), hooked([(subject.network.get_submodule(stage), cut)]):
        pooled = subject.module.pooled(pixels)
        own = [each if name == EMBEDDING else each.detach() for name, each in zip(subject.outputs, pooled, strict=True)]
        logits = subject.module.answer(own)
        rise = asked(logits, place)
        (gradient,) = torch.autograd.grad(rise, leaves, allow_unused=True) if rise.requires_grad else (None,)
    as_map = map_reader(subject.network, stage)
    maps = grid(as_map(leaves[0].detach()))
    if gradient is None:
        return torch.zeros_like(maps[:, 0]), logits.detach()
    weights = grid(as_map(gradient)).sum(dim=(2, 3), keepdim=True)
    return (weights * (maps - _average(subject, stage).to(maps))).sum(dim=1), logits.detach()


def _average(subject: Subject, stage: str) -> torch.Tensor:
    """What the last stage's channels are on average, (c, 1, 1), where the embedding is their mean; else zeros."""
    last = subject.backbone.stages[-1]
    is_mean = subject.backbone.mean_embedding and stage == last.name and last.channels == subject.backbone.embedding
    if is_mean and EMBEDDING in subject.averages:
        return torch.from_numpy(subject.averages[EMBEDDING])[:, None, None]
    return torch.zeros(1, 1, 1)


def _enlarged(maps: torch.Tensor, size: int) -> torch.Tensor:
    return functional.interpolate(maps[:, None], size=(size, size), mode="bilinear")[:, 0]


def _softened(maps: torch.Tensor) -> torch.Tensor:
    """Maps (n, size, size), each number spread around it."""
    deviation = maps.shape[1] / _SOFT
    reach = min(math.ceil(3 * deviation), maps.shape[1] - 1)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=maps.device) / deviation) ** 2)
    weights = weights / weights.sum()
    padded = functional.pad(maps[:, None], [reach] * 4, mode="reflect")
    return functional.conv2d(functional.conv2d(padded, weights[None, None, :, None]), weights[None, None, None])[:, 0]
