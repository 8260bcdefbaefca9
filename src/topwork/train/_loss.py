"""Cross-entropy with smoothing, class weights and mixed targets."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from topwork.train._config import TrainConfig
from topwork.train._mix import Targets
from topwork.train._seeds import Rows


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
