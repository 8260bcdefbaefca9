"""Grad-CAM: a stage's channels, weighed by how much the class's logit rises with each of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from topwork.backbones import EMBEDDING
from topwork.backbones.layers import map_reader
from topwork.errors import ExplainError
from topwork.explain._evidence import Evidence, collected
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
        ExplainError: There is no such class, or no map has a gradient (as with a nearest-neighbour head and a class
            that no neighbour has).
    """
    return collected("Grad-CAM", subject, images, label, lambda *batch: _cams(subject, *batch), progress)


def _cams(subject: Subject, pixels: torch.Tensor, places: npt.NDArray[np.intp]) -> torch.Tensor:
    """Maps (n, size, size) of images (n, 3, size, size) for a class each."""
    parts = [_of_stages(subject, pixels, places)] if subject.outputs != (EMBEDDING,) else []
    if EMBEDDING in subject.outputs:
        parts.append(_of_embedding(subject, pixels, places))
    whole = torch.stack(parts).sum(0)
    if not whole.any():
        raise ExplainError(
            "no gradient reaches a map: a small change of the image would not change the answer at all",
            hint="a nearest-neighbour head is like that where no neighbour has the class; ask for another one",
        )
    return whole


def _of_stages(subject: Subject, pixels: torch.Tensor, places: npt.NDArray[np.intp]) -> torch.Tensor:
    """Evidence in the stages that the head reads: exact where the head is linear, (n, size, size)."""
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
    slopes = _slopes(subject, pooled, places)
    total = torch.zeros_like(pixels[:, 0])
    for output, read in zip(subject.outputs, pooled, strict=True):
        if output != EMBEDDING:
            stage, _, pooling = output.rpartition("/")
            average = torch.from_numpy(subject.averages.get(output, np.zeros(read.shape[1], np.float32)))
            slope, average = slopes[output][:, :, None, None], average.to(pixels.device)[:, None, None]
            cells = slope * (maps[stage] - average)
            if pooling == "max":
                highest = maps[stage] == read[:, :, None, None]
                cells = cells * highest / highest.sum(dim=(2, 3), keepdim=True) * cells[0, 0].numel()
            total += _enlarged(cells.sum(dim=1), subject.size)
    return _softened(total)


def _slopes(
    subject: Subject, pooled: tuple[torch.Tensor, ...], places: npt.NDArray[np.intp]
) -> dict[str, torch.Tensor]:
    """Gradients of the logits with respect to what the head reads, (n, width) for each output."""
    with torch.enable_grad():
        leaves = [each.detach().requires_grad_(True) for each in pooled]
        found = torch.autograd.grad(_asked(subject.module.answer(leaves), places), leaves)
    return dict(zip(subject.outputs, found, strict=True))


def _asked(logits: torch.Tensor, places: npt.NDArray[np.intp]) -> torch.Tensor:
    """The sum of one logit an image: its gradient holds every image's own."""
    return logits[torch.arange(len(logits)), torch.as_tensor(places, device=logits.device)].sum()


def _of_embedding(subject: Subject, pixels: torch.Tensor, places: npt.NDArray[np.intp]) -> torch.Tensor:
    """Evidence for the network's own pooled features, in the last stage that has any: (n, size, size)."""
    for stage in reversed(subject.backbone.stages):
        found = _weighed(subject, pixels, places, stage.name)
        if found.any():
            break
    return _enlarged(found, subject.size)


def _weighed(subject: Subject, pixels: torch.Tensor, places: npt.NDArray[np.intp], stage: str) -> torch.Tensor:
    """One stage's channels, each times its mean gradient by way of the embedding alone, per area: (n, h, w)."""
    leaves: list[torch.Tensor] = []

    def cut(module: nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        leaves.append(output.detach().requires_grad_(True))
        return leaves[0].clone()  # the next layer may overwrite it

    with torch.enable_grad(), hooked([(subject.network.get_submodule(stage), cut)]):
        pooled = subject.module.pooled(pixels)
        own = [each if name == EMBEDDING else each.detach() for name, each in zip(subject.outputs, pooled, strict=True)]
        asked = _asked(subject.module.answer(own), places)
        (gradient,) = torch.autograd.grad(asked, leaves, allow_unused=True) if asked.requires_grad else (None,)
    as_map = map_reader(subject.network, stage)
    maps = grid(as_map(leaves[0].detach()))
    if gradient is None:
        return torch.zeros_like(maps[:, 0])
    weights = grid(as_map(gradient)).sum(dim=(2, 3), keepdim=True)
    return (weights * (maps - _average(subject, stage).to(maps))).sum(dim=1)


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
