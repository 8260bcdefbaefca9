"""How far a mask lies from the edges of its image: the image's gradient under the mask's border, moved about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

REACH = 8  # pixels by which masks are moved, either way
_LARGEST = 1024  # side of an image above which it is looked at in steps
_BORDER = 4_000  # pixels of a border that are looked at
_LEAST = 50  # below which a border tells nothing
_FAR = 2.0  # pixels from which a shift of all is one; masks are drawn a pixel too large or too small everywhere
_FAR_ALONE = 3.0  # the same of one image, which tells less surely
_GAIN, _GAIN_ALONE = 0.05, 0.3  # by how much more gradient lies there than under the mask as it is
_SURE = 3.0  # deviations above the mean of all offsets
_IMAGES = 3  # that tell a shift of all

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Shift:
    """How well a mask's border lies on edges, moved about.

    Attributes:
        scores: (2 R + 1, 2 R + 1), mean gradient under the border, moved down by -R to R, and to the right.
        step: Pixels of the image for each of those.
    """

    scores: Doubles
    step: int

    @property
    def best(self) -> tuple[int, int]:
        """Pixels down and to the right, where edges agree best."""
        down, right = np.unravel_index(int(self.scores.argmax()), self.scores.shape)
        return (int(down) - REACH) * self.step, (int(right) - REACH) * self.step

    @property
    def gain(self) -> float:
        """By how much more gradient lies there, as a share of what lies under the mask as it is."""
        return float(self.scores.max() / max(self.scores[REACH, REACH], 1e-9) - 1)

    @property
    def is_sure(self) -> bool:
        """Whether this image alone tells that its mask is shifted."""
        down, right = self.best
        spread = float(self.scores.std())
        above = (float(self.scores.max()) - float(self.scores.mean())) / max(spread, 1e-9)
        return float(np.hypot(down, right)) >= _FAR_ALONE * self.step and self.gain >= _GAIN_ALONE and above >= _SURE


def shift_of(pixels: npt.NDArray[np.uint8], labels: npt.NDArray[np.int32]) -> Shift | None:
    """Look how a mask's border lies on an image; None where it has too little of one.

    Args:
        pixels: (H, W, 3).
        labels: (H, W).
    """
    step = -(-max(labels.shape) // _LARGEST)
    grey = pixels[::step, ::step].astype(np.float32).mean(axis=2)
    seen = labels[::step, ::step]
    if min(seen.shape) < 4 * REACH:
        return None
    down, right = np.gradient(grey)
    gradient = np.hypot(down, right)
    border = np.zeros(seen.shape, bool)
    border[:-1] |= (seen[:-1] != seen[1:]) & (seen[:-1] >= 0) & (seen[1:] >= 0)
    border[:, :-1] |= (seen[:, :-1] != seen[:, 1:]) & (seen[:, :-1] >= 0) & (seen[:, 1:] >= 0)
    inner = border[REACH:-REACH, REACH:-REACH]
    rows, columns = np.nonzero(inner)
    if len(rows) < _LEAST:
        return None
    kept = np.linspace(0, len(rows) - 1, min(_BORDER, len(rows))).astype(np.intp)
    at = rows[kept] * seen.shape[1] + columns[kept]  # of the border moved up and left by the reach
    flat, width = gradient.ravel(), seen.shape[1]
    size = 2 * REACH + 1
    scores = np.array([[flat[at + (y * width + x)].mean() for x in range(size)] for y in range(size)], np.float64)
    return Shift(scores, step)


def shift_of_all(shifts: Sequence[Shift]) -> tuple[int, int] | None:
    """Pixels down and to the right by which all masks of a set are shifted; None where they are not."""
    told = [shift for shift in shifts if shift.scores.mean() > 0]
    if len(told) < _IMAGES:
        return None
    mean = Shift(np.mean([shift.scores / shift.scores.mean() for shift in told], axis=0), 1)
    agreed = np.mean([shift.scores[mean.scores.argmax() // len(mean.scores), mean.scores.argmax() % len(mean.scores)]
                      > shift.scores[REACH, REACH] for shift in told])  # fmt: skip
    far = float(np.hypot(*mean.best)) >= _FAR
    return mean.best if far and mean.gain >= _GAIN and agreed > 0.5 else None
