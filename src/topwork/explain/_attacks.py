"""Attacks: changes of an image, too small to see, that change the answer. In pixels; the normalisation is inside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from topwork._system import freed_memory_kept
from topwork.errors import ExplainError
from topwork.explain._given import require_labels
from topwork.explain._subject import BATCH, Float32Array, Subject, UInt8Array
from topwork.features import Progress

Attack = Literal["fgsm", "pgd", "noise"]
Norm = Literal["linf", "l2"]

_TINY = 1e-12
_CERTAIN = 1e-5  # a cross-entropy below it has lost its gradient to rounding, or has none


@dataclass(frozen=True)
class AttackOptions:
    """How an attack goes.

    Attributes:
        attack: ``fgsm`` takes one step (Goodfellow et al. 2014, "Explaining and Harnessing Adversarial Examples"),
            ``pgd`` many from a random start (Madry et al. 2017, "Towards Deep Learning Models Resistant to Adversarial
            Attacks"); ``noise`` looks at no gradient and is what the other two have to be compared with.
        norm: How the size of a change is measured: its largest number (``linf``), or its length (``l2``).
        steps: Of pgd.
        stride: Of pgd, length of a step as a share of the size.
        seed: Of random starts and of noise.
    """

    attack: Attack = "pgd"
    norm: Norm = "linf"
    steps: int = 20
    stride: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, known in (("attack", self.attack, Attack), ("norm", self.norm, Norm)):
            if value not in get_args(known):
                raise ExplainError(f"no {name} is called {value!r}", hint=f"there are {', '.join(get_args(known))}")
        if self.steps < 1 or not 0 < self.stride <= 1:
            raise ExplainError(f"an attack takes a step or more, each up to the size: {self.steps} of {self.stride}")


@freed_memory_kept()
def attack(
    subject: Subject,
    images: UInt8Array,
    labels: npt.NDArray[np.integer],
    size: float,
    options: AttackOptions | None = None,
    *,
    progress: Progress | None = None,
) -> Float32Array:
    """Change images so that they are no longer taken for what they show.

    Args:
        subject: The classifier.
        images: uint8 (N, size, size, 3).
        labels: (N,), what they show.
        size: Of the change, with pixels on the scale 0 to 1: in ``linf`` 8 / 255 is a usual one, in ``l2`` 3.
        options: Which attack.
        progress: Called with (images done, images in all).

    Returns:
        Changed pixels, float32 (N, size, size, 3) from 0 to 1, no further than ``size`` from the images.

    Raises:
        ExplainError: The size is below 0, the images are of another type or shape, there are not as many labels, or
            one is no class.
    """
    options = options or AttackOptions()
    if not 0 <= size < np.inf:
        raise ExplainError(f"the size of a change must be 0 or more, not {size}")
    require_labels(subject, images, labels)
    changed = [np.zeros((0, subject.size, subject.size, 3), np.float32)]
    generator = torch.Generator().manual_seed(options.seed)
    for start in range(0, len(images), BATCH):
        pixels = subject.tensor(images[start : start + BATCH])
        places = torch.as_tensor(labels[start : start + BATCH], dtype=torch.long, device=subject.device)
        found = _WAYS[options.attack](subject, pixels, places, size, options, generator)
        changed.append(found.permute(0, 2, 3, 1).cpu().numpy())
        if progress is not None:
            progress(min(start + BATCH, len(images)), len(images))
    return np.concatenate(changed)


def ascent(subject: Subject, pixels: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Gradient of each image's cross-entropy with respect to its pixels; of its lead, where it is too certain for that.

    A classifier whose certainty leaves no gradient (nearest neighbours of one class, say) would else seem robust.
    """
    with torch.enable_grad():
        asking = pixels.detach().requires_grad_(True)
        logits = subject.module(asking)
        losses = functional.cross_entropy(logits, places, reduction="none")
        losses = torch.where(losses > _CERTAIN, losses, -lead(logits, places))
        return torch.autograd.grad(losses.sum(), asking)[0]


def lead(logits: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """By how much each image's class leads all others, (n,).

    Unlike a probability's, its gradient does not vanish where the classifier is certain (Carlini & Wagner 2016,
    "Towards Evaluating the Robustness of Neural Networks").
    """
    own = places[:, None]
    return logits.gather(1, own)[:, 0] - logits.scatter(1, own, -torch.inf).amax(1)


def direction(gradient: torch.Tensor, norm: Norm) -> torch.Tensor:
    """The change of size 1 that goes up fastest."""
    return gradient.sign() if norm == "linf" else gradient / length(gradient, "l2").clamp_min(_TINY)


def length(change: torch.Tensor, norm: Norm) -> torch.Tensor:
    """Size of each change (n, 3, h, w): (n, 1, 1, 1)."""
    flat = change.flatten(1)
    sizes = flat.abs().amax(1) if norm == "linf" else flat.norm(dim=1)
    return sizes[:, None, None, None]


def within(change: torch.Tensor, size: torch.Tensor | float, norm: Norm) -> torch.Tensor:
    """Changes, made no larger than a size."""
    if norm == "linf":
        return torch.maximum(torch.minimum(change, torch.as_tensor(size)), -torch.as_tensor(size))
    return change * (size / length(change, norm).clamp_min(_TINY)).clamp_max(1)


def _fgsm(
    subject: Subject,
    pixels: torch.Tensor,
    places: torch.Tensor,
    size: float,
    options: AttackOptions,
    generator: torch.Generator,
) -> torch.Tensor:
    step = size * direction(ascent(subject, pixels, places), options.norm)
    return (pixels + step).clamp(0, 1)


def _pgd(
    subject: Subject,
    pixels: torch.Tensor,
    places: torch.Tensor,
    size: float,
    options: AttackOptions,
    generator: torch.Generator,
) -> torch.Tensor:
    changed = _noise(subject, pixels, places, size, options, generator)
    for _ in range(options.steps):
        step = options.stride * size * direction(ascent(subject, changed, places), options.norm)
        changed = (pixels + within(changed + step - pixels, size, options.norm)).clamp(0, 1)
    return changed


def _noise(
    subject: Subject,
    pixels: torch.Tensor,
    places: torch.Tensor,
    size: float,
    options: AttackOptions,
    generator: torch.Generator,
) -> torch.Tensor:
    """Noise of just this size in l2, of evenly spread numbers up to it in linf."""
    if options.norm == "linf":
        change = torch.rand(pixels.shape, generator=generator) * 2 - 1
    else:
        drawn = torch.randn(pixels.shape, generator=generator)
        change = drawn / length(drawn, "l2")
    return (pixels + size * change.to(pixels.device)).clamp(0, 1)


_Way = Callable[[Subject, torch.Tensor, torch.Tensor, float, AttackOptions, torch.Generator], torch.Tensor]
_WAYS: dict[Attack, _Way] = {"fgsm": _fgsm, "pgd": _pgd, "noise": _noise}
