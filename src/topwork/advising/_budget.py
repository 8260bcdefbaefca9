"""The budget: the time that is left, and whether the next rung is expected to gain what it costs.

The rule and its numbers are explained in docs/decisions/advice.md; bench/advice.py tells how they do.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

PRICE = 0.002  # accuracy that a minute of computing must be expected to gain
GRID_SHARE = 0.25  # of the errors left, what the best spec is expected to mend
_LEARNING = 300.0  # training images at which fine-tuning mends half of what it mends with very many


class BudgetClock:
    """Time since it was made, against a budget.

    Args:
        budget: Seconds.
        began: On ``time.perf_counter``'s clock; now when None.
    """

    def __init__(self, budget: float, began: float | None = None) -> None:
        self.budget = budget
        self._began = self._lap = time.perf_counter() if began is None else began
        self._made = time.perf_counter(), time.process_time()

    @property
    def spent(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self._began

    @property
    def left(self) -> float:
        """Seconds of the budget that are left; never below zero."""
        return max(0.0, self.budget - self.spent)

    def share(self, cores: int) -> float:
        """Of so many cores, what this process has had since the clock was made, 0 to 1; less where it had to wait."""
        wall, processor = time.perf_counter() - self._made[0], time.process_time() - self._made[1]
        return min(1.0, processor / max(wall, 1e-9) / cores)

    def lap(self) -> float:
        """Seconds since it was asked last."""
        before, self._lap = self._lap, time.perf_counter()
        return self._lap - before


@dataclass(frozen=True)
class ExpectedGain:
    """What is expected of a rung before it is climbed.

    Attributes:
        gain: Expected accuracy gained, 0 to 1.
        least: What it would have to gain.
        because: Where ``gain`` comes from, in plain words.
        unless: Where ``least`` comes from.
    """

    gain: float
    least: float
    because: str
    unless: str

    @property
    def worth(self) -> bool:
        """Whether to climb."""
        return self.gain > self.least

    @property
    def words(self) -> str:
        """The two numbers and which is larger."""
        than = "more" if self.worth else "no more"
        return (
            f"expected gain {100 * self.gain:.1f} points, {than} than the {100 * self.least:.1f} points {self.unless} "
            f"({self.because})"
        )


def of_specs(error: float, seconds: float) -> ExpectedGain:
    """The grid of specs: how much of the errors left another spec mends, on average."""
    return ExpectedGain(
        GRID_SHARE * error,
        _price(seconds),
        f"{GRID_SHARE:.0%} of the {error:.1%} errors that remain",
        f"that {_duration(seconds)} of computing should bring",
    )


def of_finetuning(
    last: float, error: float, images: int, judges: int, seconds: float, *, again: bool, thing: str = "image"
) -> ExpectedGain:
    """A fine-tuning.

    How far the last features fit these images is told by how many of their errors another spec mends, of earlier
    stages or of a larger input: none, and the network's top suits the images as it is; most, and the top was made for
    other images, which training can mend. How much of that a training reaches grows with the images.

    Args:
        last: Error of a head on the network's last features, 0 to 1.
        error: Of the best way so far.
        images: That it would learn from.
        judges: Images that would judge it.
        seconds: What it would take.
        again: Whether fewer stages were fine-tuned before: half as much is expected then.
        thing: What a row is called.
    """
    mended = max(0.0, 1 - error / last) if last > 0 else 0.0
    grown = images / (images + _LEARNING)
    share = mended * grown / (2 if again else 1)
    noise = math.sqrt(max(error * (1 - error), 0.0) / max(judges, 1))
    price = _price(seconds)
    return ExpectedGain(
        share * error,
        max(price, noise),
        f"{share:.0%} of the {error:.1%} errors that remain; other features corrected {mended:.0%} of the plain "
        f"probe's errors, and there are {images} training {thing}s",
        f"that {_duration(seconds)} of computing should bring"
        if price > noise
        else f"that can be measured on {judges} {thing}s",
    )


def enough_images(last: float, error: float, judges: float, part: float) -> int | None:
    """Training images with which a fine-tuning would be expected to gain what its judges can tell from chance.

    Args:
        last: Error of a head on the network's last features, 0 to 1.
        error: Of the best way so far, 0 to 1.
        judges: Images that judge, for each that is learnt from.
        part: Training images, for each that is learnt from: more than one where some of them judge.

    Returns:
        Two digits of it; None where a million would not do.
    """
    for images in (round(10 ** (power / 20)) for power in range(20, 121)):
        if of_finetuning(last, error, images, max(1, round(judges * images)), 0, again=False).worth:
            training = math.ceil(part * images)
            step = int(10 ** (len(str(training)) - 2))
            return -(-training // step) * step
    return None


def _price(seconds: float) -> float:
    return PRICE * seconds / 60


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"
