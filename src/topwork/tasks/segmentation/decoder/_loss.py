"""What a decoder's training makes smaller: cross-entropy and soft Dice, over the pixels that are labelled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from topwork._arrays import Float32Array, Int64Array
from topwork.errors import TrainError
from topwork.tasks.segmentation.decoder._targets import IGNORED

_EPSILON = 1.0  # pixels that are added to both sides of a Dice, so that a few pixels do not weigh as a whole class


@dataclass(frozen=True, eq=False)
class SegmentationLoss:
    """Cross-entropy with a weight for each class, and one less the soft Dice (Milletari et al., 2016), of each image.

    The Dice is a mean over the classes that the image shows; an unlabelled pixel counts in neither.

    Attributes:
        n_classes: C; outputs are logits (n, K, h, w), K the classes and perhaps one for borders between objects.
        has_background: Whether the first class is no object; it is not counted in how right an image is.
        weights: (K,) of the classes in the cross-entropy, whose mean over all pixels is 1; None where all are 1.
    """

    n_classes: int
    has_background: bool = True
    weights: Float32Array | None = None

    @property
    def fingerprint(self) -> str:
        """Names the loss and its settings."""
        weights = None if self.weights is None else self.weights.tolist()
        return f"cross-entropy and dice {self.n_classes} {self.has_background} {weights}"

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Sum over the images."""
        return self._losses(self._enlarged(outputs, targets), targets, self.weights).sum()

    def measured(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Of each image the loss without weights, and the IoU of the classes that are objects, a mean over them.

        A class that is neither there nor found is left out; where that is all, an image is right.
        """
        logits = self._enlarged(outputs, targets)
        losses = self._losses(logits, targets, None)
        truth, found = _classes_only(targets, self.n_classes, self.has_background), self._found(logits)
        seen = targets != IGNORED
        values, counted = [], []
        for each in range(int(self.has_background), self.n_classes):
            there, told = (truth == each) & seen, (found == each) & seen
            both, either = ((there & told).sum(dim=(1, 2)), (there | told).sum(dim=(1, 2)))
            values.append(both / either.clamp(min=1))
            counted.append(either > 0)
        value, count = torch.stack(values).sum(0), torch.stack(counted).sum(0)
        return losses, torch.where(count > 0, value / count.clamp(min=1), 1.0)

    def _enlarged(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if outputs.ndim != 4 or outputs.shape[1] not in (self.n_classes, self.n_classes + 1):
            raise TrainError(f"a decoder for {self.n_classes} classes gives {tuple(outputs.shape)}")
        size = (targets.shape[1], targets.shape[2])
        return functional.interpolate(outputs.float(), size=size, mode="bilinear", align_corners=False)

    def _losses(self, logits: Tensor, targets: Tensor, weights: Float32Array | None) -> Tensor:
        """(n,)."""
        seen = targets != IGNORED
        count = seen.sum(dim=(1, 2)).clamp(min=1)
        scale = None if weights is None else torch.from_numpy(weights).to(logits.device)
        wanted = targets.long()
        cross = functional.cross_entropy(logits, wanted, scale, ignore_index=IGNORED, reduction="none")
        shares = logits.softmax(dim=1) * seen[:, None]
        asked = functional.one_hot(torch.where(seen, wanted, 0), logits.shape[1]).movedim(-1, 1) * seen[:, None]
        both, either = (shares * asked).sum(dim=(2, 3)), (shares + asked).sum(dim=(2, 3))
        dice = (2 * both + _EPSILON) / (either + _EPSILON)
        there = asked.sum(dim=(2, 3)) > 0
        missed = ((1 - dice) * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)
        losses: Tensor = cross.sum(dim=(1, 2)) / count + missed
        return losses

    def _found(self, logits: Tensor) -> Tensor:
        """(n, h, w), the class of each pixel; a border is of the likeliest class that is an object."""
        shares = logits.softmax(dim=1)
        if logits.shape[1] > self.n_classes:
            first, border = int(self.has_background), shares[:, -1:]
            shares = shares[:, :-1].clone()
            best = shares[:, first:].argmax(dim=1, keepdim=True) + first
            shares.scatter_add_(1, best, border)
        return shares.argmax(dim=1)


def _classes_only(targets: Tensor, n_classes: int, has_background: bool) -> Tensor:
    """Targets without borders; with several classes of objects it is not known whose a border is, so any fits."""
    return torch.where(targets == n_classes, int(has_background), targets)


def weights_of(counts: Int64Array) -> Float32Array:
    """(K,) weights of classes with so many pixels: as the root of how rare they are, with a mean of 1 over pixels."""
    present = counts > 0
    weights = np.zeros(len(counts), np.float64)
    weights[present] = 1 / np.sqrt(counts[present])
    scaled: Float32Array = (weights * counts.sum() / max((weights * counts).sum(), 1e-12)).astype(np.float32)
    return scaled
