"""Grad-CAM: a stage's channels, weighed by how much the class's logit rises with each of them."""

from __future__ import annotations

from collections.abc import Sequence

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


def grad_cam(
    subject: Subject, images: UInt8Array, label: str | int | None = None, *, progress: Progress | None = None
) -> list[Evidence]:
    """Where in each image the classifier sees a class.

    Source: Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization".
    A head that reads several stages finds evidence in each. A stage answers for what the head reads of it alone, so
    that nothing counts twice, and maps of unequal size meet as evidence per area. For the network's own pooled features
    the stage is the last one on whose map they depend: a ViT that pools a class token does not look at the other
    tokens of its last block. A channel counts from its average over the training images, where the head holds that;
    evidence against the class, which the paper cuts off, stays in the map as numbers below 0.

    Args:
        subject: The classifier.
        images: uint8 (N, size, size, 3), from ``subject.squares``.
        label: The class; of each image the one that is named, when None.
        progress: Called with (images done, images in all).

    Raises:
        ExplainError: There is no such class, or no map has a gradient (as with a nearest-neighbour head and a
            class that no neighbour has).
    """
    return collected("Grad-CAM", subject, images, label, lambda *batch: _cams(subject, *batch), progress)


def _cams(subject: Subject, pixels: torch.Tensor, places: npt.NDArray[np.intp]) -> torch.Tensor:
    """Maps (n, size, size) of images (n, 3, size, size) for a class each."""
    stages = [stage.name for stage in subject.backbone.stages]
    read = [name for name in stages if any(output.rpartition("/")[0] == name for output in subject.outputs)]
    parts: list[torch.Tensor] = []
    if read:
        parts += _densities(subject, pixels, places, read, own=False)
    if EMBEDDING in subject.outputs:
        parts += _deepest(subject, pixels, places, stages[::-1])
    parts = [part for part in parts if part.any()]
    if not parts:
        raise ExplainError(
            "no gradient reaches a map: a small change of the image would not change the answer at all",
            hint="a nearest-neighbour head is like that where no neighbour has the class; ask for another one",
        )
    whole = [functional.interpolate(part[:, None], size=pixels.shape[2:], mode="bilinear")[:, 0] for part in parts]
    return torch.stack(whole).sum(0)


def _deepest(
    subject: Subject, pixels: torch.Tensor, places: npt.NDArray[np.intp], stages: Sequence[str]
) -> list[torch.Tensor]:
    """Evidence for the network's own pooled features in the first of the stages that has any."""
    for stage in stages:
        found = _densities(subject, pixels, places, [stage], own=True)
        if found[0].any():
            return found
    return []


def _densities(
    subject: Subject, pixels: torch.Tensor, places: npt.NDArray[np.intp], stages: Sequence[str], *, own: bool
) -> list[torch.Tensor]:
    """Evidence per area (n, h, w) in each stage's map.

    Args:
        subject: The classifier.
        pixels: (n, 3, size, size).
        places: (n,), of which class.
        stages: Where the network is cut: a gradient is taken of each of them, and passes none.
        own: Whether of the network's own pooled features, or of all else that the head reads.
    """
    leaves: dict[str, torch.Tensor] = {}
    hooks = [(subject.network.get_submodule(stage), _cut(leaves, stage)) for stage in stages]
    with torch.enable_grad(), hooked(hooks):
        pooled = subject.module.pooled(pixels)
        wanted = [
            each if (name == EMBEDDING) == own else each.detach()
            for name, each in zip(subject.outputs, pooled, strict=True)
        ]
        logits = subject.module.answer(wanted)
        asked = logits[torch.arange(len(pixels)), torch.as_tensor(places, device=logits.device)].sum()
        gradients = _gradients(asked, [leaves[stage] for stage in stages])
    found = []
    for stage, gradient in zip(stages, gradients, strict=True):
        as_map = map_reader(subject.network, stage)
        maps, slopes = grid(as_map(leaves[stage].detach())), grid(as_map(gradient))
        weights = slopes.sum(dim=(2, 3), keepdim=True)
        found.append((weights * (maps - _average(subject, stage).to(maps))).sum(dim=1))
    return found


def _average(subject: Subject, stage: str) -> torch.Tensor:
    """What a stage's channels are on average, (c, 1, 1), as far as the head was trained on that; else zeros."""
    last = subject.backbone.stages[-1]
    pooled = subject.backbone.mean_embedding and stage == last.name and last.channels == subject.backbone.embedding
    for output in (f"{stage}/mean", *((EMBEDDING,) if pooled else ())):
        if output in subject.averages:
            return torch.from_numpy(subject.averages[output])[:, None, None]
    return torch.zeros(1, 1, 1)


def _cut(leaves: dict[str, torch.Tensor], stage: str) -> Hook:
    """A hook that makes a stage's output a leaf, behind which the next layer gets a copy that it may overwrite."""

    def hook(module: nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:
        leaves[stage] = output.detach().requires_grad_(True)
        return leaves[stage].clone()

    return hook


def _gradients(asked: torch.Tensor, leaves: list[torch.Tensor]) -> list[torch.Tensor]:
    """Gradients of a number; zeros where it does not depend on a leaf at all."""
    if not asked.requires_grad:
        return [torch.zeros_like(leaf) for leaf in leaves]
    found = torch.autograd.grad(asked, leaves, allow_unused=True)
    return [torch.zeros_like(leaf) if each is None else each for leaf, each in zip(leaves, found, strict=True)]
