"""Integrated gradients, through captum: what every pixel adds to a class on the way from grey to the image."""

from __future__ import annotations

import torch

from topwork._system import optional
from topwork.explain._evidence import Evidence, chosen, collected
from topwork.explain._subject import BATCH, Subject, UInt8Array
from topwork.features import Progress

_GRAIN = 19  # pixels that the picture averages over: single ones are speckles that nobody can read


def integrated_gradients(
    subject: Subject,
    images: UInt8Array,
    label: str | int | None = None,
    *,
    steps: int = 32,
    progress: Progress | None = None,
) -> list[Evidence]:
    """What every pixel adds to a class's logit, counted from an image of the network's mean colour.

    Source: Sundararajan et al. 2017, "Axiomatic Attribution for Deep Networks". The map sums to the logit's rise, as
    far as the steps allow.

    Args:
        subject: The classifier.
        images: uint8 (N, size, size, 3).
        label: The class; of each image the one that is named, when None.
        steps: Points of the path at which the gradient is taken.
        progress: Called with (images done, images in all).

    Raises:
        MissingExtraError: The extra ``captum`` is not installed.
        ExplainError: There is no such class.
    """
    attr = optional("captum.attr", extra="captum", what="integrated gradients")

    def maps(pixels: torch.Tensor, place: int | None) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            logits = subject.module(pixels)
        found: torch.Tensor = attr.IntegratedGradients(subject.module).attribute(
            pixels,
            baselines=subject.module.mean[None].expand_as(pixels),
            target=chosen(logits, place),
            n_steps=steps,
            internal_batch_size=BATCH,
        )
        return found.detach().sum(dim=1), logits

    return collected("Integrated gradients", subject, images, label, maps, progress, batch=1, grain=_GRAIN)
