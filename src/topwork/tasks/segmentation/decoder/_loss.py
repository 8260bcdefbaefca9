"""What a decoder's training makes smaller: cross-entropy and soft Dice, over the pixels that are labelled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from topwork._arrays import Float32Array, Int64Array
from topwork.errors import TrainError
from topwork.tasks.segmentation.decoder._targets import DEEPEST, IGNORED

_INSIDE, _OUTSIDE = 16.0, 4.0  # how much depths count, of objects' pixels and of others, where all of them are 0
_SMOOTH = 0.1  # of a depth's difference, below which its square counts
_EPSILON = 1.0  # pixels that are added to both sides of a Dice, so that a few pixels do not weigh as a whole class


@dataclass(frozen=True, eq=False)
class SegmentationLoss:
    """Cross-entropy with a weight for each class, and one less the soft Dice (Milletari et al., 2016), of each image.

    The Dice is a mean over the classes that the image shows; an unlabelled pixel counts in neither. With a channel
    behind the classes, that of borders, an object's pixel is of its class and of the border together, and how they
    share it is how deep it lies: the deepest is all of the class, one at the edge all of the border. How far the share
    is from that is added, as a smooth L1 (Girshick, 2015): a cross-entropy would hardly be heard beside the others.

    Attributes:
        n_classes: C; outputs are logits (n, K, h, w), K the classes and perhaps one for borders of objects. Targets
            are (n, planes, h, w), see ``targets_of``.
        has_background: Whether the first class is no object; it is not counted in how right an image is.
        weights: (C,) of the classes in the cross-entropy, whose mean over all pixels is 1; None where all are 1.
    """

    n_classes: int
    has_background: bool = True
    weights: Float32Array | None = None

    @property
    def fingerprint(self) -> str:
        """Names the loss and its settings."""
        weights = None if self.weights is None else self.weights.tolist()
        return f"cross-entropy, dice and depth {self.n_classes} {self.has_background} {weights}"

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Sum over the images."""
        return self._losses(self._enlarged(outputs, targets), targets, self.weights).sum()

    def measured(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Of each image the loss without weights, and the IoU of the classes that are objects, a mean over them.

        A class that is neither there nor found is left out; where that is all, an image is right.
        """
        logits, truth = self._enlarged(outputs, targets), targets[:, 0]
        losses = self._losses(logits, targets, None)
        found, seen = self._classes(logits).argmax(dim=1), truth != IGNORED
        values, counted = [], []
        for each in range(self._first, self.n_classes):
            there, told = (truth == each) & seen, (found == each) & seen
            both, either = ((there & told).sum(dim=(1, 2)), (there | told).sum(dim=(1, 2)))
            values.append(both / either.clamp(min=1))
            counted.append(either > 0)
        value, count = torch.stack(values).sum(0), torch.stack(counted).sum(0)
        return losses, torch.where(count > 0, value / count.clamp(min=1), 1.0)

    def _enlarged(self, outputs: Tensor, targets: Tensor) -> Tensor:
        planes = outputs.shape[1] - self.n_classes + 1 if outputs.ndim == 4 else 0
        if planes not in (1, 2) or targets.ndim != 4 or targets.shape[1] != planes:
            raise TrainError(
                f"a decoder for {self.n_classes} classes gives {tuple(outputs.shape)} and learns {tuple(targets.shape)}"
            )
        size = (targets.shape[2], targets.shape[3])
        return functional.interpolate(outputs.float(), size=size, mode="bilinear", align_corners=False)

    def _losses(self, logits: Tensor, targets: Tensor, weights: Float32Array | None) -> Tensor:
        """(n,)."""
        wanted, told = targets[:, 0].long(), self._classes(logits)
        seen = wanted != IGNORED
        count = seen.sum(dim=(1, 2)).clamp(min=1)
        scale = None if weights is None else torch.from_numpy(weights).to(logits.device)
        cross = functional.nll_loss(told, wanted, scale, ignore_index=IGNORED, reduction="none")
        if logits.shape[1] > self.n_classes:
            told_depth = (self._inner(logits) - logits[:, -1]).sigmoid()
            apart = functional.smooth_l1_loss(told_depth, targets[:, 1] / DEEPEST, beta=_SMOOTH, reduction="none")
            cross = cross + apart * seen * torch.where(wanted >= self._first, _INSIDE, _OUTSIDE)
        shares = told.exp() * seen[:, None]
        asked = functional.one_hot(torch.where(seen, wanted, 0), self.n_classes).movedim(-1, 1) * seen[:, None]
        both, either = (shares * asked).sum(dim=(2, 3)), (shares + asked).sum(dim=(2, 3))
        dice = (2 * both + _EPSILON) / (either + _EPSILON)
        there = asked.sum(dim=(2, 3)) > 0
        missed = ((1 - dice) * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)
        losses: Tensor = cross.sum(dim=(1, 2)) / count + missed
        return losses

    @property
    def _first(self) -> int:
        """The first class that has objects."""
        return int(self.has_background)

    def _inner(self, logits: Tensor) -> Tensor:
        """(n, h, w), of the classes of objects together."""
        return logits[:, self._first : self.n_classes].logsumexp(dim=1)

    def _classes(self, logits: Tensor) -> Tensor:
        """(n, C, h, w), logarithms of the classes' shares; the border's is shared among those that have objects."""
        if logits.shape[1] == self.n_classes:
            return logits.log_softmax(dim=1)
        inner, border = self._inner(logits), logits[:, -1]
        raised = logits[:, self._first : self.n_classes] + (torch.logaddexp(inner, border) - inner)[:, None]
        return torch.cat([logits[:, : self._first], raised], dim=1).log_softmax(dim=1)


def weights_of(counts: Int64Array) -> Float32Array:
    """(C,) weights of classes with so many pixels: as the root of how rare they are, with a mean of 1 over pixels."""
    present = counts > 0
    weights = np.zeros(len(counts), np.float64)
    weights[present] = 1 / np.sqrt(counts[present])
    scaled: Float32Array = (weights * counts.sum() / max((weights * counts).sum(), 1e-12)).astype(np.float32)
    return scaled
