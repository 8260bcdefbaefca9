"""The ideal image of a class: gradient ascent on the class's logit, from noise, on waves of all lengths alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._arrays import UInt8Array
from topwork.drawing import Cell, sheet
from topwork.errors import ExplainError
from topwork.explain._classifier import Label, TorchClassifier
from topwork.explain._robust import jpeg
from topwork.features import Progress

if TYPE_CHECKING:
    import torch

QUICK_STEPS, FINE_STEPS = 64, 256
"""Steps of gradient ascent: enough for a class that survives a shift and a JPEG, and for a picture full of contrast."""

_PLAIN_STEPS = 48
_RATE, _PLAIN_RATE = 0.05, 0.02  # of Adam
_MOVED = 2  # views of the image a step
_VARIATION, _CONTRAST = 40.0, 80.0  # weights against logits, which are about 10 to 30 where a class is certain
_SHIFTS = 4  # at which the image must still be what it is
_QUALITY = 75

# Covariance of the colours of ImageNet's pixels, as a square root (Olah et al. 2017): brightness varies most, then
# blue against yellow, then green against purple.
_COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
_SOFT = 4.0  # how large the waves may grow before the sigmoid flattens them


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
        ideal: With waves as parameters, total variation, contrast, shifts, turns and scales.
        plain: Pixels alone, each free.
    """

    label: str
    ideal: Painted
    plain: Painted

    @property
    def headline(self) -> str:
        told = f"{self.ideal.probability:.1%}; {self.ideal.after:.1%} after a shift and a JPEG"
        return f"ideal image of {self.label} ({told})"

    def to_dict(self) -> dict[str, Any]:
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
    classifier: TorchClassifier,
    label: Label,
    *,
    steps: int = QUICK_STEPS,
    seed: int = 0,
    progress: Progress | None = None,
) -> IdealImage:
    """Paint what a classifier would most like to see as a class.

    Sources: Simonyan et al. 2013, "Deep Inside Convolutional Networks", for the plain ascent; Olah et al. 2017,
    "Feature Visualization", for what makes it a picture.

    Args:
        classifier: Whose ideal it is.
        label: The class.
        steps: Of gradient ascent: ``QUICK_STEPS``, ``FINE_STEPS`` or any other number.
        seed: Of the noise that it starts from, and of the movements.
        progress: Called with (steps done, steps in all).

    Raises:
        ExplainError: There is no such class, no step, or no gradient reaches the pixels (as with a nearest-neighbour
            head, where no neighbour of what the ascent begins with has the class).
    """
    if steps < 1:
        raise ExplainError(f"at least one step is needed, not {steps}")
    place = classifier.index(label)

    def tick(done: int) -> None:
        if progress is not None:
            progress(done, steps + _PLAIN_STEPS)

    ideal = _ideal(classifier, place, seed, steps, tick)
    plain = _plain(classifier, place, seed, lambda done: tick(steps + done))
    return IdealImage(
        classifier.classes[place], _judged(classifier, ideal, place, seed), _judged(classifier, plain, place, seed)
    )


def _ideal(classifier: TorchClassifier, place: int, seed: int, steps: int, tick: Callable[[int], None]) -> torch.Tensor:
    """Ascent on waves, with the terms that make it a picture."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    waves = Waves(classifier.size, generator, classifier.device)
    grey = waves.image()
    if not torch.autograd.grad(classifier.module(grey)[:, place].sum(), grey)[0].any():
        raise ExplainError(
            f"the gradient is zero: no small change of a grey image raises the score of {classifier.classes[place]!r}",
            hint="this happens with a kNN head when no neighbour has the class; use a linear head",
        )

    def loss() -> torch.Tensor:
        image = waves.image()
        logits: torch.Tensor = classifier.module(moved(image, _MOVED, generator))[:, place].mean()
        return -logits + _VARIATION * total_variation(image) + _CONTRAST * (image - 0.5).square().mean()

    _descend(loss, waves.coefficients, _RATE, steps, tick)
    return waves.image().detach()


def _plain(classifier: TorchClassifier, place: int, seed: int, tick: Callable[[int], None]) -> torch.Tensor:
    """Ascent on the pixels, without any terms."""
    import torch

    noise = torch.randn((1, 3, classifier.size, classifier.size), generator=torch.Generator().manual_seed(seed))
    pixels = (0.5 + 0.02 * noise).to(classifier.device).requires_grad_(True)
    _descend(lambda: -classifier.module(pixels.clamp(0, 1))[:, place].sum(), pixels, _PLAIN_RATE, _PLAIN_STEPS, tick)
    return pixels.detach().clamp(0, 1)


def _descend(
    loss: Callable[[], torch.Tensor], leaf: torch.Tensor, rate: float, steps: int, tick: Callable[[int], None]
) -> None:
    """Steps of Adam on one tensor; nothing else gets a gradient."""
    import torch

    optimizer = torch.optim.Adam([leaf], lr=rate)
    for step in range(steps):
        (leaf.grad,) = torch.autograd.grad(loss(), leaf)
        optimizer.step()
        tick(step + 1)


def _judged(classifier: TorchClassifier, image: torch.Tensor, place: int, seed: int) -> Painted:
    """The image as a file holds it, and what is said of that."""
    pixels = (image[0].permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
    rng = np.random.default_rng(seed)
    views = [pixels, *(jpeg(_shifted(pixels, rng), _QUALITY) for _ in range(_SHIFTS))]
    probabilities = classifier.probabilities(np.stack(views))[:, place]
    return Painted(pixels, float(probabilities[0]), float(probabilities[1:].min()))


def _shifted(pixels: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    down, right = (int(each) for each in rng.integers(0, 17, 2))
    side = len(pixels)
    return np.pad(pixels, ((8, 8), (8, 8), (0, 0)), mode="reflect")[down : down + side, right : right + side]


class Waves:
    """An image as the coefficients of its waves, each scaled as in natural images, where long ones are the strongest.

    Source: Olah et al. 2017, "Feature Visualization". Gradient ascent on pixels finds high frequencies, which networks
    answer to and people do not see; on waves so scaled it finds shapes first, in colours that vary independently.
    The generator draws the start: faint noise.
    """

    def __init__(self, size: int, generator: torch.Generator, device: torch.device) -> None:
        import torch

        rows = torch.fft.fftfreq(size)[:, None]
        columns = torch.fft.rfftfreq(size)[None]
        lengths = torch.sqrt(rows**2 + columns**2).clamp_min(1 / size)
        self._size = size
        self._scale = (1 / lengths / _SOFT).to(device)
        colours = torch.tensor(_COLOURS)
        self._colours = (colours / colours.norm(dim=0).max()).to(device)
        start = torch.randn((3, *lengths.shape, 2), generator=generator) * 0.01
        self.coefficients = start.to(device).requires_grad_(True)

    def image(self) -> torch.Tensor:
        """The image (1, 3, size, size) on the scale 0 to 1."""
        import torch

        spectrum = torch.view_as_complex(self.coefficients) * self._scale
        waves = torch.fft.irfft2(spectrum, s=(self._size, self._size), norm="ortho")
        return torch.sigmoid(torch.einsum("dc,chw->dhw", self._colours, waves))[None]


def moved(images: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """An image (1, 3, size, size) shifted, turned and scaled a little at random, so many times: (count, 3, size, size).

    By up to a fourteenth of the side, 10 degrees, and a tenth.
    """
    import torch
    from torch.nn import functional

    shift, turn, scale, _ = torch.rand((4, count, 2), generator=generator) * 2 - 1
    angle, size = turn[:, 0] * math.radians(10), 1 + scale[:, 0] * 0.1
    cosine, sine = torch.cos(angle) * size, torch.sin(angle) * size
    rows = (torch.stack([cosine, -sine, shift[:, 0] / 7], 1), torch.stack([sine, cosine, shift[:, 1] / 7], 1))
    places = torch.stack(rows, dim=1).to(images.device)
    grid = functional.affine_grid(places, [count, *images.shape[1:]], align_corners=False)
    whole = images.expand(count, -1, -1, -1)
    return functional.grid_sample(whole, grid, padding_mode="reflection", align_corners=False)


def total_variation(images: torch.Tensor) -> torch.Tensor:
    """Mean difference of neighbouring pixels."""
    return images.diff(dim=2).abs().mean() + images.diff(dim=3).abs().mean()
