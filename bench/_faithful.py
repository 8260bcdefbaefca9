"""Does a map tell the truth? Checks that a method fails which ignores the model or points at nothing.

For ``explain.py`` and the tests: deletion and insertion, likeness under random heads, the pointing game.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from topwork.backbones import Preprocessing
from topwork.errors import ExplainError
from topwork.explain import Evidence, TorchClassifier
from topwork.explain._classifier import averages_of
from topwork.explain._modules import torch_head
from topwork.heads import Head, LinearHead

UInt8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]
Method = Callable[[TorchClassifier, UInt8Array, int], list[Evidence]]
Box = tuple[int, int, int, int]
Region = npt.NDArray[np.bool_] | Box
"""Where the thing is, in the square: a mask (size, size), or a box (left, top, right, bottom) in pixels."""

_COARSE = 7  # cells a side of a random map, as many as the maps have that it is compared with; and of a blurred image
_HEADS = 3  # random ones: with a single one a map may be like the true one by chance


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """What becomes of a class's probability while an image is taken away and given back in a map's order.

    Attributes:
        shares: (K,), how much of the image is gone, or there: from 0 to 1.
        deletion: (K,), the probability while the pixels that speak most for the class go first.
        insertion: (K,), the probability while they come first, to a blurred image.
    """

    shares: Float32Array
    deletion: Float32Array
    insertion: Float32Array

    @property
    def deletion_area(self) -> float:
        """Area under the curve of deletion, 0 to 1; a good map's is small."""
        return _area(self.deletion, self.shares)

    @property
    def insertion_area(self) -> float:
        """Area under the curve of insertion, 0 to 1; a good map's is large."""
        return _area(self.insertion, self.shares)


def _area(curve: Float32Array, shares: Float32Array) -> float:
    """By the trapezoidal rule, whose name in numpy changed with 2.0."""
    return float(np.diff(shares) @ (curve[1:] + curve[:-1]) / 2)


def faithfulness(classifier: TorchClassifier, found: Evidence, *, steps: int = 20) -> Faithfulness:
    """Delete and insert an image's pixels in the order of its map.

    Source: Petsiuk et al. 2018, "RISE: Randomized Input Sampling for Explanation of Black-box Models".

    Args:
        classifier: The classifier.
        found: The map, of whatever method, its image and its class.
        steps: Points of the curves, besides the first.

    Raises:
        ExplainError: There is no such class.
    """
    place = classifier.index(found.place)
    pixels = classifier.tensor(found.image[None])
    blurred = _blurred(pixels)
    order = np.argsort(-found.map, axis=None, kind="stable")
    curves: list[list[float]] = [[], []]
    for step in range(steps + 1):
        taken = np.zeros(found.map.size, np.bool_)
        taken[order[: round(order.size * step / steps)]] = True
        mask = torch.from_numpy(taken.reshape(found.map.shape)).to(pixels.device)
        both = torch.cat([torch.where(mask, classifier.module.mean, pixels), torch.where(mask, pixels, blurred)])
        with torch.no_grad():
            probabilities = torch.softmax(classifier.module(both), dim=1)[:, place].tolist()
        for curve, probability in zip(curves, probabilities, strict=True):
            curve.append(probability)
    shares = np.linspace(0, 1, steps + 1, dtype=np.float32)
    return Faithfulness(shares, np.array(curves[0], np.float32), np.array(curves[1], np.float32))


def _blurred(pixels: torch.Tensor) -> torch.Tensor:
    """So soft that nothing can be told."""
    cells = functional.adaptive_avg_pool2d(pixels, _COARSE)
    return functional.interpolate(cells, size=pixels.shape[2:], mode="bilinear")


def random_map(size: int, *, seed: int = 0) -> Float32Array:
    """A map that knows nothing, as smooth as one of a network's last stage: float32 (size, size)."""
    cells = torch.rand((1, 1, _COARSE, _COARSE), generator=torch.Generator().manual_seed(seed))
    return functional.interpolate(cells, size=(size, size), mode="bilinear")[0, 0].numpy()


def likeness_without_head(
    classifier: TorchClassifier, images: UInt8Array, label: str | int, method: Method, *, seed: int = 0
) -> float:
    """How much a method's maps stay the same under a random head: mean size of the rank correlation, with three heads.

    Source: Adebayo et al. 2018, "Sanity Checks for Saliency Maps". Near 1, the method ignores what was learnt. A map
    turned into its opposite is no other map, so the sign does not count.

    Args:
        classifier: The classifier.
        images: uint8 (N, size, size, 3).
        label: The class.
        method: As ``grad_cam``.
        seed: Of the random heads.

    Raises:
        ExplainError: There is no such class.
    """
    place = classifier.index(label)
    own = method(classifier, images, place)
    found: list[float] = []
    for number in range(_HEADS):
        strange = method(with_head(classifier, _random_head(classifier, _HEADS * seed + number)), images, place)
        found += [abs(_rank_correlation(one.map, other.map)) for one, other in zip(own, strange, strict=True)]
    return float(np.mean(found))


def with_head(classifier: TorchClassifier, head: Head) -> TorchClassifier:
    """The same network, shared, under another head that reads the same and answers with the same classes."""
    other = copy.copy(classifier)
    other.module = copy.copy(classifier.module)
    other.module._modules = {**classifier.module._modules, "head": torch_head(head).to(classifier.device)}
    other.averages = averages_of(classifier.backbone, classifier.outputs, head)
    return other


def _random_head(classifier: TorchClassifier, seed: int) -> LinearHead:
    """Random weights; how the features are standardised stays, where the head does that."""
    width, classes = sum(map(classifier.backbone.width, classifier.outputs)), len(classifier.classes)
    weight = np.random.default_rng(seed).normal(size=(width, classes)).astype(np.float32)
    arrays = classifier.module.state_dict()
    mean, scale = (
        arrays[f"head.{name}"].cpu().numpy() if f"head.{name}" in arrays else np.full(width, other, np.float32)
        for name, other in (("mean", 0), ("scale", 1))
    )
    return LinearHead(mean, scale, weight, np.zeros(classes, np.float32), 1.0)


def _rank_correlation(one: Float32Array, other: Float32Array) -> float:
    ranks = [np.argsort(np.argsort(each, axis=None)).astype(np.float64) for each in (one, other)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def square_box(preprocessing: Preprocessing, box: tuple[float, float, float, float], height: int, width: int) -> Box:
    """Where a box in an image lies in the square, in whole pixels that hold it.

    Args:
        preprocessing: What makes the square.
        box: Left, top, right and bottom, in pixels of the upright image.
        height: The image's height in pixels.
        width: The image's width in pixels.

    Returns:
        Left, top, right and bottom, cut at the square's edges; empty where the square shows none of it.
    """
    (left, top, right, bottom), inner = preprocessing.view(height, width)
    across, down = (inner[2] - inner[0]) / (right - left), (inner[3] - inner[1]) / (bottom - top)
    starts = (inner[0] + (box[0] - left) * across, inner[1] + (box[1] - top) * down)
    ends = (inner[0] + (box[2] - left) * across, inner[1] + (box[3] - top) * down)
    # A thousandth of a pixel is rounding.
    first = [int(np.clip(np.floor(each + 1e-3), 0, preprocessing.size)) for each in starts]
    last = [int(np.clip(np.ceil(each - 1e-3), 0, preprocessing.size)) for each in ends]
    return first[0], first[1], last[0], last[1]


def square_mask(preprocessing: Preprocessing, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """A mask of an image, bool (height, width), as the square shows it: bool (size, size)."""
    (left, top, right, bottom), inner = preprocessing.view(*mask.shape)
    rows, columns = (
        (start + (np.arange(count) + 0.5) * (end - start) / count).astype(np.intp)
        for start, end, count in ((top, bottom, inner[3] - inner[1]), (left, right, inner[2] - inner[0]))
    )
    square = np.zeros((preprocessing.size, preprocessing.size), np.bool_)
    square[inner[1] : inner[3], inner[0] : inner[2]] = mask[rows[:, None], columns]
    return square


@dataclass(frozen=True)
class PointingGame:
    """How often a map's peak lies on the thing.

    Attributes:
        hits: For each image, whether it does.
    """

    hits: tuple[bool, ...]

    @property
    def score(self) -> float:
        """Share of the images, 0 to 1."""
        return sum(self.hits) / len(self.hits)


def pointing_game(found: Sequence[Evidence], regions: Sequence[Region], *, tolerance: int = 15) -> PointingGame:
    """Whether each map's peak lies on the thing, or at most so many pixels beside it.

    Source: Zhang et al. 2016, "Top-down Neural Attention by Excitation Backprop"; the tolerance is theirs, too.

    Args:
        found: Maps.
        regions: Where each image's thing is, in the square that the network sees: ``square_box`` and ``square_mask``
            bring it there.
        tolerance: Pixels.

    Raises:
        ExplainError: There are not as many regions as maps, none at all, or one is empty or of another size.
    """
    if not found or len(found) != len(regions):
        raise ExplainError(f"{len(found)} maps and {len(regions)} regions: there must be as many, and one at least")
    return PointingGame(tuple(_hits(each, region, tolerance) for each, region in zip(found, regions, strict=True)))


def _hits(found: Evidence, region: Region, tolerance: int) -> bool:
    rows, columns = np.nonzero(_mask(region, found.map.shape))
    row, column = found.peak
    return bool(((rows - row) ** 2 + (columns - column) ** 2).min() <= tolerance**2)


def _mask(region: Region, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    if isinstance(region, tuple):
        left, top, right, bottom = region
        mask = np.zeros(shape, np.bool_)
        mask[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = True
    else:
        mask = region
    if mask.shape != shape or not mask.any():
        raise ExplainError(f"a region must be a mask {shape} with something in it, or a box within that")
    return mask
