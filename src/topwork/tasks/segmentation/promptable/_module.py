"""The torch side of training a mask decoder: rows that hold an embedding and a prompt, and what is made smaller."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from topwork.backbones.prompting import MaskDecoder

_PROMPT = 5


class Masks(NamedTuple):
    """What n prompts gave.

    Attributes:
        logits: (n, h, w).
        scores: (n,), the IoU that the network expects.
    """

    logits: Tensor
    scores: Tensor


class PromptedDecoder(nn.Module):
    """Rows of embedding and prompt (n, width + 5) to one mask each."""

    def __init__(self, decoder: MaskDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, rows: Tensor) -> Masks:
        """What the decoder says; points and boxes each in one call."""
        images, prompts = rows[:, :-_PROMPT], rows[:, -_PROMPT:]
        boxed = prompts[:, -1] > 0
        told, places = [], []
        if bool(boxed.any()):
            told.append(self.decoder(images[boxed], boxes=prompts[boxed, None, :4], several=False))
            places.append(boxed.nonzero())
        if bool((~boxed).any()):
            points = prompts[~boxed, None, None, :2]
            labels = torch.ones(points.shape[:3], dtype=torch.int64, device=rows.device)
            told.append(self.decoder(images[~boxed], points, labels, several=False))
            places.append((~boxed).nonzero())
        order = torch.cat(places)[:, 0].argsort()
        logits, scores = (torch.cat(parts)[order] for parts in zip(*told, strict=True))
        return Masks(logits[:, 0, 0], scores[:, 0, 0])


class MaskLoss:
    """Dice and cross-entropy over the places of which something is known, and the square error of the expected IoU."""

    @property
    def fingerprint(self) -> str:
        """Names it."""
        return "dice, cross-entropy and expected IoU of a mask"

    def __call__(self, outputs: Masks, targets: Tensor) -> Tensor:
        """Sum over the masks."""
        return self._each(outputs, targets)[0].sum()

    def measured(self, outputs: Masks, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Of each mask its loss, and its IoU."""
        return self._each(outputs, targets)

    def _each(self, outputs: Masks, targets: Tensor) -> tuple[Tensor, Tensor]:
        logits, known = outputs.logits.float(), (targets >= 0).float()
        inside = (targets > 0).float()
        count = known.sum(dim=(1, 2)).clamp(min=1)
        entropy = (binary_cross_entropy_with_logits(logits, inside, reduction="none") * known).sum(dim=(1, 2)) / count
        share = logits.sigmoid() * known
        both = (share * inside).sum(dim=(1, 2))
        dice = 1 - (2 * both + 1) / (share.sum(dim=(1, 2)) + inside.sum(dim=(1, 2)) + 1)
        found = (logits > 0).float() * known
        met = (found * inside).sum(dim=(1, 2))
        iou = met / (found.sum(dim=(1, 2)) + inside.sum(dim=(1, 2)) - met).clamp(min=1)
        expected = (outputs.scores.float() - iou.detach()) ** 2
        told = (known.sum(dim=(1, 2)) > 0).float()  # an image whose objects are too small for the grid teaches nothing
        loss: Tensor = (entropy + dice + expected) * told
        return loss, iou
