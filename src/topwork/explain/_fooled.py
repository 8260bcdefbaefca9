"""The smallest change that makes an image be taken for something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from topwork.drawing import Cell, sheet
from topwork.errors import ExplainError
from topwork.explain._attacks import Norm, direction, lead, length, within
from topwork.explain._given import require_whole
from topwork.explain._subject import Subject, UInt8Array
from topwork.features import Progress

_STEPS = 40
_START = {"linf": 2 / 255, "l2": 1.0}  # size of the first change that is tried
_STRIDE = 0.25  # a step, as a share of the size that is tried
_LARGER, _SMALLER = 1.15, 0.85  # what the size is multiplied by after a failure and after a success
_SHOWN = 0.45  # the change as it is drawn reaches so far from grey, of 0.5


@dataclass(frozen=True, eq=False)
class Fooled:
    """An image, the change that makes it be taken for something else, and both answers.

    Attributes:
        image: uint8 (size, size, 3), as the network saw it.
        changed: uint8, the same with the change; a file of it holds all of that.
        norm: How the change is measured.
        size: Of the change, with pixels on the scale 0 to 1; 0 where it did not succeed.
        success: Whether the answer became the wanted one, or any other where none was wanted.
        target: The class that was wanted; empty where any other would do.
        answer: The class that the image was taken for.
        answer_probability: Of it.
        new_answer: The class that the changed image is taken for.
        new_probability: Of that one.
    """

    image: UInt8Array
    changed: UInt8Array
    norm: Norm
    size: float
    success: bool
    target: str
    answer: str
    answer_probability: float
    new_answer: str
    new_probability: float

    @property
    def headline(self) -> str:
        """What was found, in a line."""
        if not self.success:
            return f"stays {self.answer}: no change was found that makes it {self.target or 'anything else'}"
        return f"{self.answer} becomes {self.new_answer} ({self.new_probability:.1%}) by a change of {self._size}"

    @property
    def _size(self) -> str:
        if self.norm == "l2":
            return f"length {self.size:.2f}"
        return f"at most {round(self.size * 255)} of 255"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields, without the images."""
        names = ("norm", "size", "success", "target", "answer", "answer_probability", "new_answer", "new_probability")
        return {name: getattr(self, name) for name in names}

    def picture(self) -> UInt8Array:
        """Image, change (amplified) and result, with both answers: uint8 (H, W, 3)."""
        change = self.changed.astype(np.float32) - self.image
        times = _SHOWN * 255 / (float(np.quantile(np.abs(change), 0.995)) or 1.0)
        shown = np.clip(127.5 + times * change, 0, 255).astype(np.uint8)
        cells = [
            Cell(self.image, f"{self.answer}\n{self.answer_probability:.1%}"),
            Cell(shown, f"the change, {times:.0f} times as strong\n({self._size})"),
            Cell(self.changed, f"{self.new_answer}\n{self.new_probability:.1%}"),
        ]
        title = "" if self.success else f"No change was found that makes it {self.target or 'anything else'}"
        return sheet([cells], title=title, side=288)


def fool(
    subject: Subject,
    image: UInt8Array,
    target: str | int | None = None,
    *,
    norm: Norm = "linf",
    steps: int = _STEPS,
    progress: Progress | None = None,
) -> Fooled:
    """Find a small change by which one image is taken for a class, or for any but the one that it is taken for.

    Source: Rony et al. 2018, "Decoupling Direction and Norm for Efficient Gradient-Based L2 Adversarial Attacks and
    Defenses": one run of steps along the gradient in which the size is sought as well, smaller after each success and
    larger after each failure. Only what remains of a change in whole numbers from 0 to 255 counts, so that a picture
    file of the result is taken for the class, too.

    Args:
        subject: The classifier.
        image: uint8 (size, size, 3).
        target: The class; any other than the answer when None.
        norm: How the change is measured.
        steps: Of gradient; more find a smaller change.
        progress: Called with (steps done, steps in all).

    Raises:
        ExplainError: There is no such class or norm, no step, the image is of another type or shape, or it is taken for
            the class already.
    """
    if norm not in _START or steps < 1:
        raise ExplainError(f"the norm is linf or l2 and there is a step at least, not {norm!r} and {steps}")
    require_whole(image)
    pixels = subject.tensor(image[None])
    before = subject.probabilities(image[None])[0]
    answer = int(before.argmax())
    wanted = None if target is None else subject.index(target)
    if wanted == answer:
        raise ExplainError(f"the image is taken for {subject.classes[answer]!r} already", hint="name another class")
    found = _search(subject, pixels, answer, wanted, norm, steps, progress)
    success = found is not None
    changed = pixels if found is None else found
    size = float(length(changed - pixels, norm))
    result = (changed[0].permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
    after = subject.probabilities(result[None])[0]
    new = int(after.argmax())
    return Fooled(
        image,
        result,
        norm,
        size,
        success,
        "" if wanted is None else subject.classes[wanted],
        subject.classes[answer],
        float(before[answer]),
        subject.classes[new],
        float(after[new]),
    )


def _search(
    subject: Subject,
    pixels: torch.Tensor,
    answer: int,
    wanted: int | None,
    norm: Norm,
    steps: int,
    progress: Progress | None,
) -> torch.Tensor | None:
    """The changed pixels with the smallest change that was met; None where none fooled."""
    size, change, best, least = _START[norm], torch.zeros_like(pixels), None, float("inf")
    for step in range(steps):
        tried = _whole((pixels + change).clamp(0, 1))
        margin, gradient = _margin(subject, tried, answer, wanted)
        met = float(length(tried - pixels, norm))
        if margin > 0 and met < least:
            best, least = tried, met
        size = min(size * (_SMALLER if margin > 0 else _LARGER), least)
        change = within(change + _STRIDE * size * direction(gradient, norm), size, norm)
        if progress is not None:
            progress(step + 1, steps)
    return best


def _margin(subject: Subject, pixels: torch.Tensor, answer: int, wanted: int | None) -> tuple[float, torch.Tensor]:
    """By how much the wanted answer leads all others, and the gradient of that."""
    with torch.enable_grad():
        asking = pixels.detach().requires_grad_(True)
        place = torch.tensor([answer if wanted is None else wanted], device=pixels.device)
        margin = lead(subject.module(asking), place)[0] * (-1 if wanted is None else 1)
        (gradient,) = torch.autograd.grad(margin, asking)
    return float(margin.detach()), gradient


def _whole(pixels: torch.Tensor) -> torch.Tensor:
    """Pixels as a picture file holds them."""
    return (pixels * 255).round() / 255
