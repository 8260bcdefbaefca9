"""When to abstain: three rules for a promised accuracy of the answers, on draws where the truth is known.

Right answers are drawn with a chance that confidence orders well, weakly, or not at all. Each draw makes a promise by n
calibration images and tries it on 4,000 others. The plain way takes the longest prefix of the surest answers in which
(wrong + 1) / (answered + 1) is within the error allowed. Ours does so only where confidence is shown to order the
answers. The strict way lengthens the prefix for as long as a binomial test at 10 % proves the accuracy: a bound with
high probability (fixed-sequence testing; Angelopoulos et al. 2021, "Learn then Test").

    python bench/abstain.py [--draws 1000]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from _report import header, table
from topwork.metrics import abstention_thresholds

CASES = ("not at all", 0.85), ("not at all", 0.9), ("weakly", 0.9), ("well", 0.9), ("well", 0.96)
SHARPNESS = {"weakly": 6.0, "well": 1.2}  # a + b of the beta law of the chance to be right
LEVELS = {0.85: (0.9,), 0.9: (0.95, 0.99), 0.96: (0.99,)}
RISK = 0.1  # of the strict way
Draw = tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]
Rule = Callable[[npt.NDArray[np.float64], npt.NDArray[np.bool_], float], float | None]


def draw(rng: np.random.Generator, order: str, accuracy: float, count: int) -> Draw:
    """Confidence, 0.5 to 1, and whether the answer is right."""
    if order == "not at all":
        return rng.uniform(0.5, 1, count), rng.random(count) < accuracy
    chance = rng.beta(SHARPNESS[order] * accuracy, SHARPNESS[order] * (1 - accuracy), count)
    return 0.5 + chance / 2, rng.random(count) < chance


def ours(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], level: float) -> float | None:
    said = np.stack([confidence, 1 - confidence], axis=1)
    found = abstention_thresholds(said, (~right).astype(int), [level])
    return found[0] if found else None


def longest(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], level: float) -> float | None:
    order = np.argsort(-confidence)
    error = (np.cumsum(~right[order]) + 1) / (np.arange(len(order)) + 2)
    within = np.flatnonzero(error <= 1 - level + 1e-12)
    return float(confidence[order][within[-1]]) if len(within) else None


def strict(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], level: float) -> float | None:
    order = np.argsort(-confidence)
    wrong = np.cumsum(~right[order])
    last = None
    for answered in range(math.ceil(math.log(RISK) / math.log(level)), len(order) + 1):
        if _at_most(int(wrong[answered - 1]), answered, 1 - level) > RISK:
            break
        last = float(confidence[order][answered - 1])
    return last


def _at_most(count: int, total: int, chance: float) -> float:
    """P(K <= count) of the binomial law."""
    return sum(math.comb(total, k) * chance**k * (1 - chance) ** (total - k) for k in range(count + 1))


def figures(rule: Rule, order: str, accuracy: float, n: int, level: float, draws: int) -> list[str]:
    """Draws that promise; of those the share answered, and how many of the answers are right."""
    came = []
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        threshold = rule(*draw(rng, order, accuracy, n), level)
        if threshold is not None:
            confidence, right = draw(rng, order, accuracy, 4000)
            said = confidence >= threshold
            came.append((said.mean(), right[said].mean() if said.any() else np.nan))
    means = np.nanmean(came, axis=0) if came else (np.nan, np.nan)
    return [f"{100 * len(came) / draws:.0f}", *("–" if np.isnan(each) else f"{100 * each:.1f}" for each in means)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=1000)
    draws = parser.parse_args().draws
    rows = [
        [order, f"{100 * accuracy:.0f}", str(n), f"{100 * level:.0f}"]
        + [" / ".join(figures(rule, order, accuracy, n, level, draws)) for rule in (longest, ours, strict)]
        for order, accuracy in CASES
        for n in (100, 300)
        for level in LEVELS[accuracy]
    ]
    print(header(f"Abstention, {draws} draws: % of draws that promise / % answered / % of the answers right"))
    head = ["confidence orders", "right %", "images", "promised %", "longest prefix", "ours", "binomial test at 10 %"]
    print(table(head, rows))


if __name__ == "__main__":
    main()
