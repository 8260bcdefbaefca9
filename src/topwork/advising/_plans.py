"""Plans of a fine-tuning: what each takes on this machine and is expected to gain, and the best that there is time for.

Where the numbers come from is told in docs/decisions/advice.md; bench/budget.py tells how they do.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from topwork.advising._budget import PRICE

LEAST_EPOCHS = 3  # below which none is begun: after two, cloth was named worse (76 %) than by the probe (94 %)
_PASSES = 2  # over the images that are learnt from, beside the training: into the square, settling
OPENING = 15.0  # seconds until a tuned network is converted, proved and compiled
HOPED = 0.5  # share of the cores that is hoped for where other programs have more
SPARE = 0.1  # share of the time which is kept for what is slower than measured


class Timed(NamedTuple):
    """How long something took, in seconds: by the clock, and of our own, as on a machine that does nothing else."""

    wall: float
    own: float

    @classmethod
    def of(cls, wall: float, processor: float, cores: int) -> Timed:
        """From the processor time of work that keeps so many cores busy; 0 cores where it tells nothing (a GPU)."""
        return cls(wall, min(wall, processor / cores) if cores else wall)


class Prices(NamedTuple):
    """What was measured on this machine, in seconds of our own.

    Attributes:
        size: Side of the network's input, in pixels, at which it was measured.
        image: Features of an image, from its file.
        training: By the number of stages that are trained: an image once forward and back, the frozen stages left out.
        share: Part of the cores that was ours while this was measured, 0 to 1; other programs had the rest.
    """

    size: int
    image: float
    training: Mapping[int, float]
    share: float = 1.0

    def beside(self, size: int, images: int, in_all: int) -> float:
        """Seconds of what comes beside a training: the tuned network's features are of the whole data set."""
        return OPENING + (_PASSES * images + in_all) * self.image * (size / self.size) ** 2

    def epoch(self, stages: int, size: int, images: int) -> float:
        """Seconds of an epoch; the frozen stages run once for every view, and each epoch may want another."""
        return images * (self.training[stages] + self.image) * (size / self.size) ** 2


@dataclass(frozen=True)
class Plan:
    """A fine-tuning that was tried, or may be.

    Attributes:
        rung: Of which rung it is.
        stages: How many are trained, counted from the last.
        size: Side of the network's input in pixels.
        epochs: Passes over the training images; of one that was tried, those that were finished.
        gain: Expected accuracy gained over the best probe, 0 to 1.
        seconds: What it takes on this machine when nothing else runs.
        budget: Seconds of a whole climb with it, as ``--budget`` takes them.
        tried: Whether it was tried.
    """

    rung: str
    stages: int
    size: int
    epochs: int
    gain: float
    seconds: float
    budget: float = 0.0
    tried: bool = False

    @property
    def budget_words(self) -> str:
        """The budget as ``--budget`` takes it: whole minutes."""
        return f"{math.ceil(self.budget / 60)}m"

    @property
    def words(self) -> str:
        """What it would bring, and the command that has time for it."""
        return (
            f"{self.rung} ({self.stages} stages, {self.size} px, {self.epochs} epochs) is expected to gain "
            f"{100 * self.gain:.1f} points for {self.seconds:.0f} seconds of computing. There is time for it with: "
            f"topwork fit DATA -o MODEL --budget {self.budget_words}"
        )


def reach(stages: float, size: float, epochs: int, of: int) -> float:
    """Share of the gain that a smaller plan is expected to bring.

    Args:
        stages: That are trained, as a share of those of the largest plan.
        size: Side of the input, as a share of that at which heads do best.
        epochs: Passes over the images; each one after the first brings half of what is still to be gained.
        of: Epochs of the largest plan.
    """
    learnt = (1 - 0.5 ** (epochs - 1)) / (1 - 0.5 ** (of - 1)) if of > 1 else 1.0
    return stages**2 * size**2 * learnt


def plans(
    rung: str, prices: Prices, sizes: Sequence[int], *, epochs: int, images: int, in_all: int, gain: float
) -> list[Plan]:
    """Every number of stages that has a price, at every size, with every number of epochs.

    Args:
        rung: Whose plans they are.
        prices: Of this machine.
        sizes: Sides of the network's input in pixels; heads do best at the largest.
        epochs: The most.
        images: That would be learnt from.
        in_all: Images of the data set.
        gain: Expected of the largest plan, 0 to 1.
    """
    most, best, found = max(prices.training), max(sizes), []
    numbers = range(min(LEAST_EPOCHS, epochs), epochs + 1)
    for stages, size, number in itertools.product(prices.training, sizes, numbers):
        training = number * prices.epoch(stages, size, images)
        seconds = (prices.beside(size, images, in_all) + training) / (1 - SPARE)
        found.append(
            Plan(rung, stages, size, number, gain * reach(stages / most, size / best, number, epochs), seconds)
        )
    return found


def worthwhile(given: Iterable[Plan], reached: float = 0.0) -> list[Plan]:
    """The plans whose gain, over what was reached, is more than their price; of two of one gain the cheaper one.

    They are ordered by what they take, so that each gains more than all before it.
    """
    found: list[Plan] = []
    for plan in sorted(given, key=lambda each: (each.seconds, -each.gain)):
        if plan.gain - reached > PRICE * plan.seconds / 60 and (not found or plan.gain > found[-1].gain):
            found.append(plan)
    return found


def best_that_fits(worth: Sequence[Plan], left: float, share: float = 1.0) -> Plan | None:
    """The plan with the most expected gain that fits the time, given as ``worthwhile`` orders them.

    Other programs that have most of the cores may end, and a training whose time is taken is shortened. So the shortest
    plan, and the shortest one that trains all stages, count too if they fit half of the cores: on cloth three epochs of
    five stages gained 4 points, and seven of three stages none. More time never gives a plan of less gain.

    Args:
        worth: Plans, the shortest first.
        left: Seconds of the budget.
        share: Of the cores that is ours, 0 to 1.
    """
    most = max((plan.stages for plan in worth), default=0)
    hoped = [*worth[:1], *[plan for plan in worth if plan.stages == most][:1]]
    fitting = [plan for plan in worth if plan.seconds <= left * share]
    fitting += [plan for plan in hoped if plan.seconds <= left * HOPED]
    return max(fitting, key=lambda plan: plan.gain, default=None)
