"""The ideal image of a class: gradient ascent on the class's logit, from noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from topwork.drawing import Cell, sheet
from topwork.errors import ExplainError
from topwork.explain._corruptions import jpeg
from topwork.explain._fourier import Waves, moved, total_variation
from topwork.explain._subject import Subject, UInt8Array
from topwork.features import Progress

_STEPS, _PLAIN_STEPS = 256, 48
_RATE, _PLAIN_RATE = 0.05, 0.02  # of Adam
_MOVED = 2  # views of the image a step
_VARIATION, _CONTRAST = 40.0, 80.0  # weights against logits, which are about 10 to 30 where a class is certain
_SHIFTS = 4  # at which the image must still be what it is
_QUALITY = 75


@dataclass(frozen=True, eq=False)
class Painted:
    """One image that gradient ascent made.

    Attributes:
        image: uint8 (size, size, 3).
        probability: What the classifier gives the class.
        after: The same after a shift by up to 8 pixels and a JPEG of quality 75; the lowest of four.
    """

    image: UInt8Array
    probability: float
    after: float


@dataclass(frozen=True, eq=False)
class IdealImage:
    """What a classifier would most like to see as a class, and what it takes for that without any terms.

    Attributes:
        label: The class.
        ideal: With waves as parameters, total variation, contrast, shifts, turns and scales.
        plain: Pixels alone, each free.
    """

    label: str
    ideal: Painted
    plain: Painted

    @property
    def headline(self) -> str:
        """What was found, in a line."""
        return (
            f"ideal image of {self.label} ({self.ideal.probability:.1%}; "
            f"{self.ideal.after:.1%} after a shift and a JPEG)"
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields, without the images."""
        return {
            "label": self.label,
            "probability": self.ideal.probability,
            "probability_after_shift_and_jpeg": self.ideal.after,
            "plain_probability": self.plain.probability,
            "plain_probability_after_shift_and_jpeg": self.plain.after,
        }

    def picture(self) -> UInt8Array:
        """Both side by side: uint8 (H, W, 3)."""
        cells = [
            Cell(each.image, f"{way}\n{each.probability:.1%}; after a shift\nand a JPEG {each.after:.1%}")
            for way, each in (("plain gradient ascent", self.plain), ("with the terms for an image", self.ideal))
        ]
        return sheet([cells], title=f"Ideal image: {self.label}", side=320)


def ideal_image(
    subject: Subject, label: str | int, *, steps: int = _STEPS, seed: int = 0, progress: Progress | None = None
) -> IdealImage:
    """Paint what a classifier would most like to see as a class.

    Sources: Simonyan et al. 2013, "Deep Inside Convolutional Networks", for the plain ascent; Olah et al. 2017,
    "Feature Visualization", for what makes it a picture.

    Args:
        subject: The classifier.
        label: The class.
        steps: Of gradient ascent.
        seed: Of the noise that it starts from, and of the movements.
        progress: Called with (steps done, steps in all).

    Raises:
        ExplainError: There is no such class, no step, or no gradient reaches the pixels (as with a nearest-neighbour
            head, where no neighbour of what the ascent begins with has the class).
    """
    if steps < 1:
        raise ExplainError(f"there must be a step at least, not {steps}")
    place = subject.index(label)
    total = steps + _PLAIN_STEPS

    def tick(done: int) -> None:
        if progress is not None:
            progress(done, total)

    ideal = _ideal(subject, place, torch.Generator().manual_seed(seed), steps, tick)
    plain = _plain(subject, place, torch.Generator().manual_seed(seed), lambda done: tick(steps + done))
    painted = [_judged(subject, image, place, seed) for image in (ideal, plain)]
    return IdealImage(subject.classes[place], *painted)


def _ideal(
    subject: Subject, place: int, generator: torch.Generator, steps: int, tick: Callable[[int], None]
) -> torch.Tensor:
    waves = Waves(subject.size, generator, subject.device)
    _require_gradient(subject, waves.image(), place)
    optimizer = torch.optim.Adam([waves.coefficients], lr=_RATE)
    for step in range(steps):
        image = waves.image()
        logits = subject.module(moved(image, _MOVED, generator))[:, place].mean()
        loss = -logits + _VARIATION * total_variation(image) + _CONTRAST * (image - 0.5).square().mean()
        _descend(loss, waves.coefficients, optimizer)
        tick(step + 1)
    return waves.image().detach()


def _require_gradient(subject: Subject, image: torch.Tensor, place: int) -> None:
    logits = subject.module(image)[:, place]
    if not torch.autograd.grad(logits.sum(), image)[0].any():
        raise ExplainError(
            f"no gradient reaches the pixels: from grey, no small change brings {subject.classes[place]!r} nearer",
            hint="a nearest-neighbour head is like that where no neighbour has the class; a linear head is not",
        )


def _plain(subject: Subject, place: int, generator: torch.Generator, tick: Callable[[int], None]) -> torch.Tensor:
    shape = (1, 3, subject.size, subject.size)
    pixels = (0.5 + 0.02 * torch.randn(shape, generator=generator)).to(subject.device).requires_grad_(True)
    optimizer = torch.optim.Adam([pixels], lr=_PLAIN_RATE)
    for step in range(_PLAIN_STEPS):
        _descend(-subject.module(pixels.clamp(0, 1))[:, place].sum(), pixels, optimizer)
        tick(step + 1)
    return pixels.detach().clamp(0, 1)


def _descend(loss: torch.Tensor, leaf: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
    """One step on one tensor; nothing else gets a gradient."""
    (leaf.grad,) = torch.autograd.grad(loss, leaf)
    optimizer.step()


def _judged(subject: Subject, image: torch.Tensor, place: int, seed: int) -> Painted:
    """The image as a file holds it, and what is said of that."""
    pixels = (image[0].permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
    rng = np.random.default_rng(seed)
    views = [pixels, *(jpeg(_shifted(pixels, rng), _QUALITY) for _ in range(_SHIFTS))]
    probabilities = subject.probabilities(np.stack(views))[:, place]
    return Painted(pixels, float(probabilities[0]), float(probabilities[1:].min()))


def _shifted(pixels: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    down, right = (int(each) for each in rng.integers(0, 17, 2))
    side = len(pixels)
    return np.pad(pixels, ((8, 8), (8, 8), (0, 0)), mode="reflect")[down : down + side, right : right + side]
