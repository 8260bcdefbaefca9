"""What a training makes smaller: the loss that a caller may pass, cross-entropy by default, and mixed samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch.nn import functional

from topwork._arrays import Int64Array
from topwork.errors import TrainError
from topwork.train._config import TrainConfig
from topwork.train._samples import ClassSamples, Samples


class Loss(Protocol):
    """What a training makes smaller and a validation measures; a task may pass its own to ``train``.

    Outputs are whatever the model makes of n inputs, n at least 1; targets are the n that the samples' batches hold.
    """

    @property
    def fingerprint(self) -> str:
        """Names the loss and its settings; a checkpoint is refused where it is another."""

    def __call__(self, outputs: Any, targets: torch.Tensor) -> torch.Tensor:
        """Sum of the n losses, a float32 scalar with a gradient; the loop divides by the samples of the whole batch.

        Raises:
            TrainError: The outputs do not fit the targets.
        """

    def measured(self, outputs: Any, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Plain loss of each sample, (n,), and how right the model is there, (n,) from 0 to 1."""


@dataclass(frozen=True, eq=False)
class CrossEntropy:
    """Cross-entropy in nats, in float32: the loss of a classification, which ``train`` takes unless told otherwise.

    Its sum counts images, whatever their classes' weights: a step's length does not depend on which classes a batch
    happens to hold, and pieces of a batch add up to the whole.

    Attributes:
        n_classes: C; outputs are logits (n, C), targets classes (n,) int64.
        smoothing: Share of a target's mass spread over all classes in training.
        weights: (C,) weights of the classes in training, or None.
    """

    n_classes: int
    smoothing: float = 0.0
    weights: torch.Tensor | None = None

    @property
    def fingerprint(self) -> str:
        """Names the loss, its smoothing and weights."""
        weights = None if self.weights is None else self.weights.tolist()
        return f"{self.smoothing} {weights} cross-entropy"

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Sum over the images, with smoothing and weights."""
        if outputs.shape != (len(targets), self.n_classes):
            raise TrainError(
                f"the model answers {len(targets)} inputs with {tuple(outputs.shape)}, not {self.n_classes} logits each"
            )
        return functional.cross_entropy(
            outputs.float(), targets, self.weights, reduction="sum", label_smoothing=self.smoothing
        )

    def measured(self, outputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of each image the loss without smoothing and weights, and whether its class has the highest logit."""
        return functional.cross_entropy(outputs.float(), targets, reduction="none"), outputs.argmax(dim=1) == targets


def default_loss(samples: Samples, config: TrainConfig, split: str, device: torch.device) -> CrossEntropy:
    """Cross-entropy over the samples' classes, with the configuration's smoothing and class weights.

    Raises:
        TrainError: The samples have no classes, or labels outside them.
    """
    if not isinstance(samples, ClassSamples):
        raise TrainError(f"the {split} split has no classes", hint="pass a loss that knows its targets")
    labels, n_classes = np.asarray(samples.labels), samples.n_classes
    if labels.min() < 0 or labels.max() >= n_classes:
        found = f"labels from {labels.min()} to {labels.max()}"
        raise TrainError(f"the {split} split has {found}, with {n_classes} classes")
    weights = class_weights(labels, n_classes, config)
    return CrossEntropy(n_classes, config.label_smoothing, None if weights is None else weights.to(device))


def class_weights(labels: Int64Array, n_classes: int, config: TrainConfig) -> torch.Tensor | None:
    """(C,) float32 weights whose mean over the images is 1, or None; a class without images weighs nothing."""
    if config.class_weights == "none":
        return None
    counts = np.bincount(labels, minlength=n_classes)
    present = counts > 0
    weights = np.zeros(n_classes, np.float32)
    weights[present] = len(labels) / (present.sum() * counts[present])
    return torch.from_numpy(weights)


@dataclass(frozen=True)
class Targets:
    """Targets of a batch of which each sample may be a mixture of two."""

    first: torch.Tensor  # (n, ...), as in the batch
    second: torch.Tensor  # (n, ...), those of the partners
    share: float  # of the first; 1 where nothing was mixed


def mixed(
    inputs: torch.Tensor, targets: torch.Tensor, config: TrainConfig, generator: np.random.Generator
) -> tuple[torch.Tensor, Targets]:
    """Mix each sample with another one of the batch, as the configuration says; a coin decides where both ways are on.

    Inputs (n, C, H, W) may be of any dtype; integers become float32 with the same range when they are mixed.
    """
    if not (config.mixup or config.cutmix) or len(inputs) == 0:
        return inputs, Targets(targets, targets, 1.0)
    cut = bool(config.cutmix) and (not config.mixup or generator.random() < 0.5)
    alpha = config.cutmix if cut else config.mixup
    share = float(generator.beta(alpha, alpha))
    partners = torch.from_numpy(generator.permutation(len(inputs))).to(inputs.device)
    inputs, share = _patched(inputs, partners, share, generator) if cut else (_blended(inputs, partners, share), share)
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


def mixed_loss(loss: Loss, outputs: Any, targets: Targets) -> torch.Tensor:
    """The loss of a mixture: the mixture of the two losses, which for one that is linear in the target is the same."""
    if targets.share == 1.0:
        return loss(outputs, targets.first)
    return targets.share * loss(outputs, targets.first) + (1 - targets.share) * loss(outputs, targets.second)
