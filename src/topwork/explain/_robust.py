"""Robustness: how much of the accuracy is left when images are attacked, and when they are only bad.

The corruptions and their five strengths are those of ImageNet-C, for images of 224 pixels. Source: Hendrycks &
Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations".
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from topwork._arrays import BoolArray, Float32Array, IntegerArray, IntpArray, UInt8Array
from topwork._system import freed_memory_kept
from topwork.data import ImageDataset
from topwork.drawing import Cell, Curve, line_chart, sheet
from topwork.errors import ExplainError, ImageError
from topwork.explain._attacks import Attack, AttackOptions, Norm, attack
from topwork.explain._classifier import TorchClassifier, require_labels, require_uint8
from topwork.features import Progress

SIZES: dict[Norm, tuple[float, ...]] = {
    "linf": (0.0, 0.25 / 255, 0.5 / 255, 1 / 255, 2 / 255, 4 / 255, 8 / 255),
    "l2": (0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0),
}
"""Sizes of change that are tried, with pixels on the scale 0 to 1."""

_ATTACKS: tuple[Attack, ...] = ("noise", "fgsm", "pgd")
_NAMES = {"noise": "plain noise", "fgsm": "FGSM, one step", "pgd": "PGD, many steps"}

_STRENGTHS = 5
_BLUR = (1, 2, 3, 4, 6)  # deviation of a Gaussian, in pixels
_NOISE = (0.08, 0.12, 0.18, 0.26, 0.38)  # deviation, with pixels from 0 to 1
_JPEG = (25, 18, 15, 10, 7)  # quality
_LIGHT = (0.1, 0.2, 0.3, 0.4, 0.5)  # added to the brightest colour of each pixel


def _blurred(image: UInt8Array, strength: int, rng: np.random.Generator) -> UInt8Array:
    """Out of focus."""
    from PIL import Image, ImageFilter

    radius = _BLUR[strength - 1] * image.shape[0] / 224
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))


def _noisy(image: UInt8Array, strength: int, rng: np.random.Generator) -> UInt8Array:
    """Taken in the dark."""
    noise = rng.normal(0, _NOISE[strength - 1], image.shape)
    return np.asarray(np.clip(np.round(image + 255 * noise), 0, 255), np.uint8)


def _compressed(image: UInt8Array, strength: int, rng: np.random.Generator) -> UInt8Array:
    """Sent as a small JPEG."""
    return jpeg(image, _JPEG[strength - 1])


def _bright(image: UInt8Array, strength: int, rng: np.random.Generator) -> UInt8Array:
    """Over-exposed: the value of hue, saturation and value is raised."""
    value = image.max(axis=2, keepdims=True).astype(np.float32) / 255
    raised = np.minimum(value + _LIGHT[strength - 1], 1)
    scaled = image * (raised / np.maximum(value, 1 / 255))
    return np.asarray(np.clip(np.round(np.where(value > 0, scaled, raised * 255)), 0, 255), np.uint8)


def jpeg(image: UInt8Array, quality: int) -> UInt8Array:
    """An image as it comes back from a JPEG."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


CORRUPTIONS: dict[str, Callable[[UInt8Array, int, np.random.Generator], UInt8Array]] = {
    "blur": _blurred,
    "noise": _noisy,
    "JPEG": _compressed,
    "brightness": _bright,
}
"""Each takes an image uint8 (size, size, 3), a strength from 1 to 5, and what it draws from."""


@dataclass(frozen=True)
class RobustAccuracy:
    """Accuracy against the size of an attack's change, beside that of plain noise of equal size.

    Attributes:
        sizes: (K,), with pixels on the scale 0 to 1.
        accuracy: For each attack, (K,) shares of the images that are still named right.
    """

    norm: Norm
    images: int
    sizes: tuple[float, ...]
    accuracy: dict[Attack, tuple[float, ...]]

    @property
    def headline(self) -> str:
        worst = {name: f"{values[-1]:.0%}" for name, values in self.accuracy.items()}
        told = ", ".join(f"{value} with {_NAMES[name]}" for name, value in worst.items())
        return f"of {self.images} images {next(iter(self.accuracy.values()))[0]:.0%} right; at {self._size(-1)} {told}"

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def picture(self) -> UInt8Array:
        """The curves: uint8 (H, W, 3)."""
        unit = "of 255, largest number" if self.norm == "linf" else "length of the change, pixels from 0 to 1"
        return line_chart(
            [self._size(place, unit=False) for place in range(len(self.sizes))],
            [Curve(_NAMES[name], values, dashed=name == "noise") for name, values in self.accuracy.items()],
            title=f"Accuracy under attack ({self.images} images)",
            across=f"size of the change ({unit})",
            up="accuracy",
        )

    def _size(self, place: int, *, unit: bool = True) -> str:
        size = self.sizes[place]
        if self.norm == "l2":
            return f"{'length ' if unit else ''}{size:g}"
        return f"{size * 255:g}{' of 255' if unit else ''}"


@dataclass(frozen=True)
class CorruptionAccuracy:
    """Accuracy on images that are bad as pictures are.

    Attributes:
        clean: Share that is named right as they are.
        accuracy: For each corruption, the shares at strength 1 to 5.
        seed: Of the noise.
    """

    images: int
    clean: float
    accuracy: dict[str, tuple[float, ...]]
    example: UInt8Array = dataclasses.field(compare=False, repr=False)
    seed: int = 0

    @property
    def mean(self) -> float:
        """Over all corruptions and strengths: the one figure to compare models by."""
        return float(np.mean(list(self.accuracy.values())))

    @property
    def headline(self) -> str:
        worst = min(self.accuracy, key=lambda name: self.accuracy[name][-1])
        return f"{self.clean:.1%} unchanged, {self.mean:.1%} on average when corrupted; lowest with {worst}"

    def to_dict(self) -> dict[str, Any]:
        return {"images": self.images, "clean": self.clean, "mean": self.mean, "accuracy": self.accuracy}

    def picture(self) -> UInt8Array:
        """One image at every strength, and the accuracy there: uint8 (H, W, 3)."""
        rows = []
        for name, values in self.accuracy.items():
            rng = np.random.default_rng(self.seed)
            cells = [Cell(self.example, f"{name}: none\n{self.clean:.1%}")]
            for strength, value in enumerate(values, start=1):
                cells.append(Cell(CORRUPTIONS[name](self.example, strength, rng), f"strength {strength}\n{value:.1%}"))
            rows.append(cells)
        return sheet(rows, title=f"Accuracy on {self.images} corrupted images", side=144)


def labelled_squares(
    classifier: TorchClassifier, dataset: ImageDataset, most: int, *, seed: int = 0
) -> tuple[UInt8Array, IntpArray]:
    """Images of a data set as the network sees them, and what they show; those that cannot be read are passed over.

    Args:
        classifier: Whose squares they become, and whose classes they are of.
        dataset: Its classes are found among the classifier's by their names.
        most: So many are drawn.
        seed: Of the drawing.

    Returns:
        uint8 (N, size, size, 3), and the classes' places (N,).

    Raises:
        ExplainError: The classifier does not know a class, or no image can be read.
    """
    places = [classifier.index(name) for name in dataset.classes]
    images: list[UInt8Array] = []
    labels: list[int] = []
    for row in np.random.default_rng(seed).permutation(len(dataset)).tolist():
        if len(images) == most:
            break
        with contextlib.suppress(ImageError):
            images.append(classifier.squares([dataset.source(row)])[0])
            labels.append(places[dataset.labels[row]])
    if not images:
        raise ExplainError("no image of the data can be read", hint="`topwork check` says why")
    return np.stack(images), np.array(labels, np.intp)


@freed_memory_kept()
def robust_accuracy(
    classifier: TorchClassifier,
    images: UInt8Array,
    labels: IntegerArray,
    *,
    sizes: Sequence[float] | None = None,
    options: AttackOptions | None = None,
    progress: Progress | None = None,
) -> RobustAccuracy:
    """Accuracy over a range of sizes of change, for FGSM, PGD and plain noise.

    A change that fools is also one of any larger size: what PGD has fooled once counts as fooled from there on, and is
    not attacked again.

    Args:
        classifier: It is attacked with its own gradients.
        images: uint8 (N, size, size, 3), one at least.
        labels: (N,), what they show.
        sizes: Of the change, in any order; those of ``SIZES`` when None.
        options: Norm, steps and seed; its attack is left aside.
        progress: Called with (attacks done, attacks in all).

    Raises:
        ExplainError: There is no image or size, there are not as many labels, or one is no class.
    """
    _require_some(classifier, images, labels)
    options = options or AttackOptions()
    tried = tuple(sorted(SIZES[options.norm] if sizes is None else sizes))
    if not tried:
        raise ExplainError("at least one size of change is needed", hint="leave sizes out for the usual ones")
    found: dict[Attack, tuple[float, ...]] = {}
    for number, name in enumerate(_ATTACKS):
        row, left = [], np.arange(len(images))
        for step, size in enumerate(tried):
            given = dataclasses.replace(options, attack=name)
            rest = images[left], labels[left]
            right = left[_right(classifier, attack(classifier, *rest, size, given) if size else rest[0], rest[1])]
            row.append(len(right) / len(images))
            left = right if name == "pgd" else left
            if progress is not None:
                progress(number * len(tried) + step + 1, len(_ATTACKS) * len(tried))
        found[name] = tuple(row)
    return RobustAccuracy(options.norm, len(images), tried, found)


@freed_memory_kept()
def corruption_accuracy(
    classifier: TorchClassifier,
    images: UInt8Array,
    labels: IntegerArray,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> CorruptionAccuracy:
    """Accuracy under blur, noise, JPEG and brightness, each at five strengths.

    Args:
        classifier: It is asked what the images show.
        images: uint8 (N, size, size, 3), one at least.
        labels: (N,), what they show.
        seed: Of the noise.
        progress: Called with (corruptions done, corruptions in all).

    Raises:
        ExplainError: There is no image, they are no uint8, there are not as many labels, or one is no class.
    """
    _require_some(classifier, images, labels)
    require_uint8(images)
    found: dict[str, tuple[float, ...]] = {}
    for number, (name, corrupt) in enumerate(CORRUPTIONS.items()):
        row = []
        for strength in range(1, _STRENGTHS + 1):
            rng = np.random.default_rng(seed)
            bad = np.stack([corrupt(image, strength, rng) for image in images])
            row.append(float(_right(classifier, bad, labels).mean()))
            if progress is not None:
                progress(number * _STRENGTHS + strength, len(CORRUPTIONS) * _STRENGTHS)
        found[name] = tuple(row)
    clean = float(_right(classifier, images, labels).mean())
    return CorruptionAccuracy(len(images), clean, found, images[0], seed)


def _require_some(classifier: TorchClassifier, images: UInt8Array, labels: IntegerArray) -> None:
    require_labels(classifier, images, labels)
    if not len(images):
        raise ExplainError("0 images and 0 labels: there must be one at least")


def _right(classifier: TorchClassifier, images: UInt8Array | Float32Array, labels: IntegerArray) -> BoolArray:
    """(N,), which images are named right."""
    return np.asarray(classifier.answers(images) == labels)
