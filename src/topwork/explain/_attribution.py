"""Attribution for every network: Grad-CAM, occlusion and integrated gradients."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._arrays import UInt8Array
from topwork._system import optional
from topwork.backbones import EMBEDDING
from topwork.errors import ExplainError
from topwork.explain._classifier import BATCH, Label, TorchClassifier, grid, require_maps, watched
from topwork.explain._evidence import Evidence, asked, chosen, collected, enlarged
from topwork.features import Progress

if TYPE_CHECKING:
    import torch
    from torch import nn

    from topwork.explain._evidence import MapsAndLogits

_SOFT = 28  # evidence in a stage that the head reads is spread by this part of the image's side: a cell is a speck
_GRAIN = 19  # pixels that a picture of integrated gradients averages over: single ones are speckles


def grad_cam(
    classifier: TorchClassifier, images: UInt8Array, label: Label | None = None, *, progress: Progress | None = None
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
        classifier: Of any kind of network.
        images: uint8 (N, size, size, 3), from ``classifier.squares``.
        label: The class; of each image the one that is named, when None.
        progress: Called with (images done, images in all).

    Raises:
        ExplainError: There is no such class, the network gives no maps, or an image's maps have no gradient (as with a
            nearest-neighbour head and a class that no neighbour has).
    """
    require_maps(classifier.backbone)
    return collected(
        "Grad-CAM", classifier, images, label, lambda pixels, place: _cams(classifier, pixels, place), progress
    )


def occlusion(
    classifier: TorchClassifier,
    images: UInt8Array,
    label: Label | None = None,
    *,
    window: int | None = None,
    progress: Progress | None = None,
) -> list[Evidence]:
    """By how much the log probability of a class falls where the image is covered with the network's mean colour.

    Source: Zeiler & Fergus 2014, "Visualizing and Understanding Convolutional Networks". Windows overlap by half; a
    pixel gets the mean over all that cover it. The check on the faster methods: it needs no gradient.

    Args:
        classifier: Of any kind of network.
        images: uint8 (N, size, size, 3).
        label: The class; of each image the one that is named, when None.
        window: Side of what is covered, in pixels; a seventh of the image when None.
        progress: Called with (images done, images in all).

    Raises:
        ExplainError: There is no such class, or the window is no part of the image.
    """
    side = window or max(2, classifier.size // 7)
    if not 2 <= side <= classifier.size:
        raise ExplainError(f"a window must have 2 to {classifier.size} pixels a side, not {side}")

    def maps(pixels: torch.Tensor, place: int | None) -> MapsAndLogits:
        return _drops(classifier, pixels, place, side)

    return collected("Occlusion", classifier, images, label, maps, progress, batch=1)


def integrated_gradients(
    classifier: TorchClassifier,
    images: UInt8Array,
    label: Label | None = None,
    *,
    steps: int = 32,
    progress: Progress | None = None,
) -> list[Evidence]:
    """What every pixel adds to a class's logit, counted from an image of the network's mean colour; through captum.

    Source: Sundararajan et al. 2017, "Axiomatic Attribution for Deep Networks". The map sums to the logit's rise, as
    far as the steps allow.

    Args:
        classifier: Of any kind of network.
        images: uint8 (N, size, size, 3).
        label: The class; of each image the one that is named, when None.
        steps: Points of the path at which the gradient is taken.
        progress: Called with (images done, images in all).

    Raises:
        MissingExtraError: The extra ``captum`` is not installed.
        ExplainError: There is no such class.
    """
    attr = optional("captum.attr", extra="captum", what="integrated gradients")
    import torch

    def maps(pixels: torch.Tensor, place: int | None) -> MapsAndLogits:
        with torch.no_grad():
            logits = classifier.module(pixels)
        found: torch.Tensor = attr.IntegratedGradients(classifier.module).attribute(
            pixels,
            baselines=classifier.module.mean[None].expand_as(pixels),
            target=chosen(logits, place),
            n_steps=steps,
            internal_batch_size=BATCH,
        )
        return found.detach().sum(dim=1), logits

    return collected("Integrated gradients", classifier, images, label, maps, progress, batch=1, grain=_GRAIN)


def _cams(classifier: TorchClassifier, pixels: torch.Tensor, place: int | None) -> MapsAndLogits:
    """What the stages and the embedding say of the class, put together."""
    import torch

    parts = [_of_stages(classifier, pixels, place)] if classifier.outputs != (EMBEDDING,) else []
    if EMBEDDING in classifier.outputs:
        parts.append(_of_embedding(classifier, pixels, place))
    whole = torch.stack([maps for maps, _ in parts]).sum(0)
    if not whole.flatten(1).any(dim=1).all():
        raise ExplainError(
            "the gradient is zero: a small change of the image would not change the prediction",
            hint="this happens with a kNN head when no neighbour has the class; choose another class",
        )
    return whole, parts[0][1]


def _of_stages(classifier: TorchClassifier, pixels: torch.Tensor, place: int | None) -> MapsAndLogits:
    """Evidence in the stages that the head reads, exact where it is linear, and the logits."""
    import torch

    stages = {output: output.rpartition("/")[0] for output in classifier.outputs if output != EMBEDDING}
    with torch.no_grad(), watched(classifier, dict.fromkeys(stages.values())) as maps:
        pooled = classifier.module.pooled(pixels)
    with torch.enable_grad():
        leaves = [each.detach().requires_grad_(True) for each in pooled]
        logits = classifier.module.answer(leaves)
        slopes = torch.autograd.grad(asked(logits, place), leaves)
    total = torch.zeros_like(pixels[:, 0])
    for output, read, slope in zip(classifier.outputs, pooled, slopes, strict=True):
        if output != EMBEDDING:
            stage = maps[stages[output]]
            average = torch.from_numpy(classifier.averages.get(output, np.zeros(read.shape[1], np.float32)))
            average = _as_read(classifier, average.to(pixels.device), torch.cat(pooled, dim=1))
            cells = slope[:, :, None, None] * (stage - average[:, :, None, None])
            if output.endswith("/max"):
                highest = stage == read[:, :, None, None]
                cells = cells * highest / highest.sum(dim=(2, 3), keepdim=True) * cells[0, 0].numel()
            total += enlarged(cells.sum(dim=1), classifier.size)
    return _softened(total), logits.detach()


def _of_embedding(classifier: TorchClassifier, pixels: torch.Tensor, place: int | None) -> MapsAndLogits:
    """Evidence for the network's own pooled features, of each image in the last stage that has any, and the logits."""
    found = pixels.new_zeros(pixels[:, 0].shape)
    for stage in reversed(classifier.backbone.stages):
        maps, logits = _weighed(classifier, pixels, place, stage.name)
        none_yet = ~found.flatten(1).any(dim=1)
        found[none_yet] = enlarged(maps, classifier.size)[none_yet]
        if found.flatten(1).any(dim=1).all():
            break
    return found, logits


def _weighed(classifier: TorchClassifier, pixels: torch.Tensor, place: int | None, stage: str) -> MapsAndLogits:
    """One stage's channels, each times its mean gradient by way of the embedding alone, per area; and the logits."""
    import torch

    from topwork.backbones.layers import hooked, map_reader

    leaves: list[torch.Tensor] = []

    def cut(module: nn.Module, inputs: Any, output: Any) -> Any:
        first, *others = output if isinstance(output, tuple) else (output,)
        leaves.append(first.detach().requires_grad_(True))
        again = leaves[0].clone()  # the next layer may overwrite it
        return (again, *others) if isinstance(output, tuple) else again

    with torch.enable_grad(), hooked([(classifier.network.get_submodule(stage), cut)]):
        pooled = classifier.module.pooled(pixels)
        named = zip(classifier.outputs, pooled, strict=True)
        logits = classifier.module.answer([each if name == EMBEDDING else each.detach() for name, each in named])
        rise = asked(logits, place)
        (gradient,) = torch.autograd.grad(rise, leaves, allow_unused=True) if rise.requires_grad else (None,)
    as_map = map_reader(classifier.network, stage)
    maps = grid(as_map(leaves[0].detach()))
    if gradient is None:
        return torch.zeros_like(maps[:, 0]), logits.detach()
    weights = grid(as_map(gradient)).sum(dim=(2, 3), keepdim=True)
    last = classifier.backbone.stages[-1]
    is_mean = classifier.backbone.mean_embedding and last.channels == classifier.backbone.embedding
    if is_mean and stage == last.name and EMBEDDING in classifier.averages:  # what the channels are on average
        average = torch.from_numpy(classifier.averages[EMBEDDING]).to(maps)
        maps = maps - _as_read(classifier, average, torch.cat(pooled, dim=1).detach())[:, :, None, None]
    return (weights * maps).sum(dim=1), logits.detach()


def _as_read(classifier: TorchClassifier, average: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """The head's average of some columns (d,), as (n, d) such as each of the rows (n, D) that it reads has them.

    Where the head divides rows by their length, its average is of rows of length one, and perhaps of their roots.
    """
    if classifier.rooted:
        roots = average * rows.abs().sum(dim=1, keepdim=True).sqrt()
        return roots * roots.abs()
    return average * rows.norm(dim=1, keepdim=True) if classifier.normalised else average.expand(len(rows), -1)


def _softened(maps: torch.Tensor) -> torch.Tensor:
    """Maps (n, size, size), each number spread around it."""
    import torch
    from torch.nn import functional

    deviation = maps.shape[1] / _SOFT
    reach = min(math.ceil(3 * deviation), maps.shape[1] - 1)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=maps.device) / deviation) ** 2)
    weights = weights / weights.sum()
    padded = functional.pad(maps[:, None], [reach] * 4, mode="reflect")
    return functional.conv2d(functional.conv2d(padded, weights[None, None, :, None]), weights[None, None, None])[:, 0]


def _drops(classifier: TorchClassifier, pixels: torch.Tensor, place: int | None, side: int) -> MapsAndLogits:
    """By how much covering brings the class down, (1, size, size), and logits of one image (1, 3, size, size)."""
    import torch

    starts = [*range(0, classifier.size - side, side // 2), classifier.size - side]
    corners = [(top, left) for top in starts for left in starts]
    total = torch.zeros(1, classifier.size, classifier.size)
    covers = torch.zeros_like(total)
    with torch.no_grad():
        logits = classifier.module(pixels)
        index = int(chosen(logits, place))
        whole = torch.log_softmax(logits, dim=1)[:, index]
        for start in range(0, len(corners), BATCH):
            part = corners[start : start + BATCH]
            covered = pixels.repeat(len(part), 1, 1, 1)
            for image, (top, left) in zip(covered, part, strict=True):
                image[:, top : top + side, left : left + side] = classifier.module.mean
            drops = whole - torch.log_softmax(classifier.module(covered), dim=1)[:, index]
            for fallen, (top, left) in zip(drops.tolist(), part, strict=True):
                total[:, top : top + side, left : left + side] += fallen
                covers[:, top : top + side, left : left + side] += 1
    return total / covers, logits
