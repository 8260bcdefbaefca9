"""What a training makes smaller: the loss that a caller may pass, cross-entropy by default, and mixed samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from topwork.train._config import TrainConfig
from topwork.train._samples import Rows


@dataclass(frozen=True)
class Targets:
    """Classes of a batch of which each sample may be a mixture of two.

    Attributes:
        first: (n,) int64.
        second: (n,) int64.
        share: Of the first; 1 where nothing was mixed.
    """

    first: torch.Tensor
    second: torch.Tensor
    share: float


def mixed(
    inputs: torch.Tensor, targets: torch.Tensor, config: TrainConfig, generator: np.random.Generator
) -> tuple[torch.Tensor, Targets]:
    """Mix each sample with another one of the batch, as the configuration says; a coin decides where both ways are on.

    Args:
        inputs: (n, C, H, W) of any dtype; integers become float32 with the same range when they are mixed.
        targets: (n,) int64.
        config: Its ``mixup`` and ``cutmix``.
        generator: What chance is drawn from.
    """
    if not (config.mixup or config.cutmix) or len(inputs) == 0:
        return inputs, Targets(targets, targets, 1.0)
    cut = bool(config.cutmix) and (not config.mixup or generator.random() < 0.5)
    alpha = config.cutmix if cut else config.mixup
    share = float(generator.beta(alpha, alpha))
    partners = torch.from_numpy(generator.permutation(len(inputs))).to(inputs.device)
    if cut:
        inputs, share = _patched(inputs, partners, share, generator)
    else:
        inputs = _blended(inputs, partners, share)
    return inputs, Targets(targets, targets[partners.to(targets.device)], share)


def _blended(inputs: torch.Tensor, partners: torch.Tensor, share: float) -> torch.Tensor:
    exact = inputs.float()
    blend = torch.lerp(exact[partners], exact, share)
    return blend.to(inputs.dtype) if inputs.is_floating_point() else blend


def _patched(
    inputs: torch.Tensor, partners: torch.Tensor, share: float, generator: np.random.Generator
) -> tuple[torch.Tensor, float]:
    """Put one rectangle of the partner into each map; the share becomes that of the area that is left."""
    height, width = inputs.shape[-2:]
    (top, bottom), (left, right) = (_span(side, (1 - share) ** 0.5, generator) for side in (height, width))
    patched = inputs.clone()
    patched[..., top:bottom, left:right] = inputs[partners][..., top:bottom, left:right]
    return patched, 1 - (bottom - top) * (right - left) / (height * width)


def _span(side: int, share: float, generator: np.random.Generator) -> tuple[int, int]:
    """A stretch of a side about a random centre, cut off at the borders."""
    centre, half = int(generator.integers(side)), int(side * share) // 2
    return max(0, centre - half), min(side, centre + half)


def summed_loss(
    logits: torch.Tensor, targets: Targets, smoothing: float, class_weights: torch.Tensor | None
) -> torch.Tensor:
    """Sum over the batch of cross-entropy in nats, in float32.

    The caller divides by the number of images, whatever their classes' weights: a step's length does not depend on
    which classes a batch happens to hold, and pieces of a batch add up to the whole.

    Args:
        logits: (n, C).
        targets: n of them.
        smoothing: Share of a target's mass spread over all classes.
        class_weights: (C,) or None.
    """

    def against(classes: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(
            logits.float(), classes, class_weights, reduction="sum", label_smoothing=smoothing
        )

    if targets.share == 1.0:
        return against(targets.first)
    # The loss is linear in the target, so a mixture's is the mixture of the two.
    return targets.share * against(targets.first) + (1 - targets.share) * against(targets.second)


def class_weights(labels: Rows, n_classes: int, config: TrainConfig) -> torch.Tensor | None:
    """(C,) float32 weights whose mean over the images is 1, or None; a class without images weighs nothing."""
    if config.class_weights == "none":
        return None
    counts = np.bincount(labels, minlength=n_classes)
    present = counts > 0
    weights = np.zeros(n_classes, np.float32)
    weights[present] = len(labels) / (present.sum() * counts[present])
    return torch.from_numpy(weights)
