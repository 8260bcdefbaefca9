"""The grader of lesson 9: what a model is worth on images that its maker has not seen.

    python grade.py MODEL TEST

TEST is a folder of class folders. 100 points: 60 for the accuracy between guessing and a perfect score, 20 where no class
is forgotten, 20 where probabilities mean what they say. Nothing where the model was trained on the test.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import topwork

FORGOTTEN = 0.5  # recall below which a class counts as forgotten
CALIBRATED = 0.10  # calibration error up to which probabilities mean what they say


@dataclass(frozen=True)
class Mark:
    """One line of the grade: what was asked, what was found, and the points of those possible."""

    asked: str
    found: str
    points: float
    possible: int


def marks(model: str, test: str) -> list[Mark]:
    """The lines of the grade."""
    evaluated = topwork.load(model).evaluate(topwork.read(test))
    evaluation = evaluated.evaluation
    if evaluated.seen_in_training:
        return [Mark("trained on other images than the test's", "the model has seen the test", 0, 100)]
    chance = evaluation.confusion.sum(axis=1).max() / evaluation.n
    above = max(0.0, (evaluation.accuracy.value - chance) / (1 - chance))
    forgotten = [report.name for report in evaluation.per_class if report.recall and report.recall.value < FORGOTTEN]
    calibrated = evaluation.ece.value <= CALIBRATED
    return [
        Mark("accuracy", f"{evaluation.accuracy.value:.1%}, guessing gives {chance:.1%}", round(60 * above, 1), 60),
        Mark("no class is forgotten", ", ".join(forgotten) or "none is", 0 if forgotten else 20, 20),
        Mark("calibrated", f"calibration error {evaluation.ece.value:.1%}", 20 if calibrated else 0, 20),
    ]


def main(model: str, test: str) -> float:
    """Print the grade and give its points."""
    found = marks(model, test)
    for mark in found:
        print(f"{mark.points:5.1f} of {mark.possible:3}  {mark.asked}: {mark.found}")
    total = sum(mark.points for mark in found)
    print(f"{total:5.1f} of 100")
    return total


if __name__ == "__main__":
    main(*sys.argv[1:3])
