"""Occlusion: cover a part of the image and see what the classifier then says. Slow, and it assumes nothing."""

from __future__ import annotations

import torch

from topwork.errors import ExplainError
from topwork.explain._evidence import Evidence, chosen, collected
from topwork.explain._subject import BATCH, Subject, UInt8Array
from topwork.features import Progress


def occlusion(
    subject: Subject,
    images: UInt8Array,
    label: str | int | None = None,
    *,
    window: int | None = None,
    progress: Progress | None = None,
) -> list[Evidence]:
    """By how much the log probability of a class falls where the image is covered with the network's mean colour.

    Source: Zeiler & Fergus 2014, "Visualizing and Understanding Convolutional Networks". Windows overlap by half; a
    pixel gets the mean over all that cover it. The check on the faster methods: it needs no gradient.

    Args:
        subject: The classifier.
        images: uint8 (N, size, size, 3).
        label: The class; of each image the one that is named, when None.
        window: Side of what is covered, in pixels; a seventh of the image when None.
        progress: Called with (images done, images in all).

    Raises:
        ExplainError: There is no such class, or the window is no part of the image.
    """
    side = window or max(2, subject.size // 7)
    if not 2 <= side <= subject.size:
        raise ExplainError(f"a window must have 2 to {subject.size} pixels a side, not {side}")
    return collected(
        "Occlusion",
        subject,
        images,
        label,
        lambda pixels, place: _drops(subject, pixels, place, side),
        progress,
        batch=1,
    )


def _drops(subject: Subject, pixels: torch.Tensor, place: int | None, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Map (1, size, size) and logits of one image (1, 3, size, size)."""
    starts = [*range(0, subject.size - side, side // 2), subject.size - side]
    corners = [(top, left) for top in starts for left in starts]
    total = torch.zeros(1, subject.size, subject.size)
    covers = torch.zeros_like(total)
    with torch.no_grad():
        logits = subject.module(pixels)
        asked = int(chosen(logits, place))
        whole = torch.log_softmax(logits, dim=1)[:, asked]
        for start in range(0, len(corners), BATCH):
            part = corners[start : start + BATCH]
            covered = pixels.repeat(len(part), 1, 1, 1)
            for image, (top, left) in zip(covered, part, strict=True):
                image[:, top : top + side, left : left + side] = subject.module.mean
            drops = whole - torch.log_softmax(subject.module(covered), dim=1)[:, asked]
            for fallen, (top, left) in zip(drops.tolist(), part, strict=True):
                total[:, top : top + side, left : left + side] += fallen
                covers[:, top : top + side, left : left + side] += 1
    return total / covers, logits
