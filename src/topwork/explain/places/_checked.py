"""Does the score fall when the places go that are said to carry it, and not when as much goes elsewhere?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from topwork._arrays import BoolArray, Float32Array
from topwork.explain.places._target import Target

_NAMED = 0.5  # of the evidence
_ELSEWHERE = 39  # random places to compare with
_RARE = 0.05  # the share of them that may lower the score as much


@dataclass(frozen=True)
class Checked:
    """What blurring the named places in the image does to the score.

    Attributes:
        area: The share of the image that they are, from 0 to 1.
        score: Without them.
        elsewhere: Without as much elsewhere: the same shape at random places, on average.
        as_low: The share of those random places without which the score is as low, from 0 to 1.
    """

    area: float
    score: float
    elsewhere: float
    as_low: float

    @property
    def holds(self) -> bool:
        """Whether the named places do more than random ones."""
        return self.as_low <= _RARE and self.score < self.elsewhere


def verdict(found: Checked | None) -> str:
    """Whether the score falls when the named places are blurred, in a sentence; None where no place was named."""
    if found is None:
        return "Not confirmed: no part of the image lowers the score by itself."
    blurred = f"the score is {found.score:.2f} with these places blurred ({found.area:.1%} of the image)"
    if found.holds:
        return f"Checked: {blurred}, and {found.elsewhere:.2f} on average with random ones."
    return f"Not confirmed: {blurred}, and with {found.as_low:.0%} of random ones it is as low."


def named(values: Float32Array) -> BoolArray:
    """The fewest places (H, W) that hold half of the evidence; none where there is no evidence."""
    weights = np.clip(values, 0, None).astype(np.float64).ravel()
    order = np.argsort(-weights, kind="stable")
    held = np.cumsum(weights[order])
    chosen = np.zeros(len(weights), np.bool_)
    if held[-1] > 0:
        chosen[order[: int(np.searchsorted(held, _NAMED * held[-1])) + 1]] = True
    return chosen.reshape(values.shape)


def checked(target: Target, mask: BoolArray, *, seed: int = 0) -> Checked:
    """Blur the named places in the image, and as much elsewhere.

    Args:
        target: What is asked about.
        mask: (size, size), the named places, one at least; all within the image.
        seed: Of the random places.
    """
    left, top, right, bottom = target.placed
    own = mask[top:bottom, left:right]
    rng = np.random.default_rng(seed)
    masks = [mask]
    for _ in range(_ELSEWHERE):
        moved = np.zeros_like(mask)
        moved[top:bottom, left:right] = np.roll(own, [int(rng.integers(side)) for side in own.shape], axis=(0, 1))
        masks.append(moved)
    score, *others = target.scores_without(masks).tolist()
    return Checked(float(own.mean()), score, float(np.mean(others)), float(np.mean(np.array(others) <= score)))
