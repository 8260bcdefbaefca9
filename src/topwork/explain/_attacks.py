"""Attacks: changes of an image, too small to see, that change the answer. In pixels; the normalisation is inside."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import numpy as np

from topwork._arrays import Float32Array, IntegerArray, UInt8Array
from topwork._system import freed_memory_kept
from topwork.drawing import Cell, sheet
from topwork.errors import ExplainError
from topwork.explain._classifier import BATCH, Label, TorchClassifier, require_labels, require_uint8
from topwork.features import Progress

if TYPE_CHECKING:
    import torch

Attack = Literal["fgsm", "pgd", "noise"]
Norm = Literal["linf", "l2"]

_TINY = 1e-12
_CERTAIN = 1e-5  # a cross-entropy below it has lost its gradient to rounding, or has none

_STEPS = 40
_START = {"linf": 2 / 255, "l2": 1.0}  # size of the first change that is tried
_STRIDE = 0.25  # a step, as a share of the size that is tried
_LARGER, _SMALLER = 1.15, 0.85  # what the size is multiplied by after a failure and after a success
_SHOWN = 0.45  # the change as it is drawn reaches so far from grey, of 0.5


@dataclass(frozen=True)
class AttackOptions:
    """How an attack goes; each field says what it is.

    Sources: Goodfellow et al. 2014, "Explaining and Harnessing Adversarial Examples", for ``fgsm``; Madry et al. 2017,
    "Towards Deep Learning Models Resistant to Adversarial Attacks", for ``pgd``.
    """

    attack: Annotated[
        Attack, "fgsm takes one step, pgd many from a random start, noise looks at no gradient: to compare with."
    ] = "pgd"
    norm: Annotated[Norm, "The size of a change: its largest number (linf), or its length (l2)."] = "linf"
    steps: Annotated[int, "Of pgd."] = 20
    stride: Annotated[float, "Of pgd: length of a step as a share of the size."] = 0.1
    seed: Annotated[int, "Of random starts and of noise."] = 0

    def __post_init__(self) -> None:
        for name, value, known in (("attack", self.attack, Attack), ("norm", self.norm, Norm)):
            if value not in get_args(known):
                raise ExplainError(f"no {name} is called {value!r}", hint=f"there are {', '.join(get_args(known))}")
        if self.steps < 1 or not 0 < self.stride <= 1:
            raise ExplainError(f"an attack takes a step or more, each up to the size: {self.steps} of {self.stride}")


@freed_memory_kept()
def attack(
    classifier: TorchClassifier,
    images: UInt8Array,
    labels: IntegerArray,
    size: float,
    options: AttackOptions | None = None,
    *,
    progress: Progress | None = None,
) -> Float32Array:
    """Change images so that they are no longer taken for what they show.

    Args:
        classifier: It is attacked with its own gradients.
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
    import torch

    options = options or AttackOptions()
    if not 0 <= size < np.inf:
        raise ExplainError(f"the size of a change must be 0 or more, not {size}")
    require_labels(classifier, images, labels)
    changed = [np.zeros((0, classifier.size, classifier.size, 3), np.float32)]
    generator = torch.Generator().manual_seed(options.seed)
    for start in range(0, len(images), BATCH):
        pixels = classifier.tensor(images[start : start + BATCH])
        places = torch.as_tensor(labels[start : start + BATCH], dtype=torch.long, device=classifier.device)
        found = _attacked(classifier, pixels, places, size, options, generator)
        changed.append(found.permute(0, 2, 3, 1).cpu().numpy())
        if progress is not None:
            progress(min(start + BATCH, len(images)), len(images))
    return np.concatenate(changed)


def _attacked(
    classifier: TorchClassifier,
    pixels: torch.Tensor,
    places: torch.Tensor,
    size: float,
    options: AttackOptions,
    generator: torch.Generator,
) -> torch.Tensor:
    """A batch (n, 3, size, size) and the classes that it shows (n,), changed as the options say."""
    if options.attack == "fgsm":
        return (pixels + size * _direction(_ascent(classifier, pixels, places), options.norm)).clamp(0, 1)
    changed = (pixels + size * _noise(pixels, options.norm, generator)).clamp(0, 1)
    for _ in range(options.steps if options.attack == "pgd" else 0):
        step = options.stride * size * _direction(_ascent(classifier, changed, places), options.norm)
        changed = (pixels + _within(changed + step - pixels, size, options.norm)).clamp(0, 1)
    return changed


def _noise(pixels: torch.Tensor, norm: Norm, generator: torch.Generator) -> torch.Tensor:
    """Noise of just size 1 in l2, of evenly spread numbers up to 1 in linf."""
    import torch

    if norm == "linf":
        return (torch.rand(pixels.shape, generator=generator) * 2 - 1).to(pixels.device)
    drawn = torch.randn(pixels.shape, generator=generator)
    return (drawn / _length(drawn, "l2")).to(pixels.device)


def _ascent(classifier: TorchClassifier, pixels: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Gradient of each image's cross-entropy with respect to its pixels; of its lead, where it is too certain for that.

    A classifier whose certainty leaves no gradient (nearest neighbours of one class, say) would else seem robust.
    """
    import torch
    from torch.nn import functional

    def losses(logits: torch.Tensor) -> torch.Tensor:
        entropies = functional.cross_entropy(logits, places, reduction="none")
        return torch.where(entropies > _CERTAIN, entropies, -_lead(logits, places))

    return _slope(classifier, pixels, losses)[1]


def _slope(
    classifier: TorchClassifier, pixels: torch.Tensor, score: Callable[[torch.Tensor], torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each image's score (n,), made of its logits (n, C), and the gradient of that with respect to its pixels."""
    import torch

    with torch.enable_grad():
        leaf = pixels.detach().requires_grad_(True)
        scores = score(classifier.module(leaf))
        return scores.detach(), torch.autograd.grad(scores.sum(), leaf)[0]


def _lead(logits: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """By how much each image's class leads all others, (n,).

    Unlike a probability's, its gradient does not vanish where the classifier is certain (Carlini & Wagner 2016,
    "Towards Evaluating the Robustness of Neural Networks").
    """
    own = places[:, None]
    return logits.gather(1, own)[:, 0] - logits.scatter(1, own, -math.inf).amax(1)


def _direction(gradient: torch.Tensor, norm: Norm) -> torch.Tensor:
    """The change of size 1 that goes up fastest."""
    return gradient.sign() if norm == "linf" else gradient / _length(gradient, "l2").clamp_min(_TINY)


def _length(change: torch.Tensor, norm: Norm) -> torch.Tensor:
    """Size of each change (n, 3, h, w): (n, 1, 1, 1)."""
    flat = change.flatten(1)
    sizes = flat.abs().amax(1) if norm == "linf" else flat.norm(dim=1)
    return sizes[:, None, None, None]


def _within(change: torch.Tensor, size: float, norm: Norm) -> torch.Tensor:
    """Changes, made no larger than a size."""
    if norm == "linf":
        return change.clamp(-size, size)
    return change * (size / _length(change, norm).clamp_min(_TINY)).clamp_max(1)


@dataclass(frozen=True, eq=False)
class Fooled:
    """An image, the change that makes it be taken for something else, and both answers.

    Attributes:
        image: uint8 (size, size, 3), as the network saw it.
        changed: uint8, the same with the change; a file of it holds all of that.
        size: Of the change, with pixels on the scale 0 to 1; 0 where it did not succeed.
        success: Whether the answer became the wanted one, or any other where none was wanted.
        target: The class that was wanted; empty where any other would do.
        answer: The class that the image was taken for.
        new_answer: The class that the changed image is taken for.
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
        if not self.success:
            return f"still {self.answer}: no change was found that makes it {self.target or 'another class'}"
        return f"{self.answer} becomes {self.new_answer} ({self.new_probability:.1%}) with a change of {self._size}"

    @property
    def _size(self) -> str:
        if self.norm == "l2":
            return f"length {self.size:.2f}"
        return f"at most {round(self.size * 255)} of 255"

    def to_dict(self) -> dict[str, Any]:
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
        title = "" if self.success else f"No change was found that makes it {self.target or 'another class'}"
        return sheet([cells], title=title, side=288)


def fool(
    classifier: TorchClassifier,
    image: UInt8Array,
    target: Label | None = None,
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
        classifier: It is attacked with its own gradients.
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
    require_uint8(image)
    pixels = classifier.tensor(image[None])
    before = classifier.probabilities(image[None])[0]
    answer = int(before.argmax())
    wanted = None if target is None else classifier.index(target)
    if wanted == answer:
        raise ExplainError(
            f"the image is already predicted as {classifier.classes[answer]!r}", hint="choose another class"
        )
    found = _search(classifier, pixels, answer, wanted, norm, steps, progress)
    changed = pixels if found is None else found
    result = (changed[0].permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
    after = classifier.probabilities(result[None])[0]
    new = int(after.argmax())
    return Fooled(
        image,
        result,
        norm,
        size=float(_length(changed - pixels, norm)),
        success=found is not None,
        target="" if wanted is None else classifier.classes[wanted],
        answer=classifier.classes[answer],
        answer_probability=float(before[answer]),
        new_answer=classifier.classes[new],
        new_probability=float(after[new]),
    )


def _search(
    classifier: TorchClassifier,
    pixels: torch.Tensor,
    answer: int,
    wanted: int | None,
    norm: Norm,
    steps: int,
    progress: Progress | None,
) -> torch.Tensor | None:
    """The changed pixels with the smallest change that was met; None where none fooled."""
    import torch

    place = torch.tensor([answer if wanted is None else wanted], device=pixels.device)
    sign = -1 if wanted is None else 1
    size, change, best, least = _START[norm], torch.zeros_like(pixels), None, math.inf
    for step in range(steps):
        tried = ((pixels + change).clamp(0, 1) * 255).round() / 255  # as a picture file holds them
        margin, gradient = _slope(classifier, tried, lambda logits: sign * _lead(logits, place))
        met = float(_length(tried - pixels, norm))
        if margin > 0 and met < least:
            best, least = tried, met
        size = min(size * (_SMALLER if margin > 0 else _LARGER), least)
        change = _within(change + _STRIDE * size * _direction(gradient, norm), size, norm)
        if progress is not None:
            progress(step + 1, steps)
    return best
