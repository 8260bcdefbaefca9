"""What every ladder of detectors says: a rung with its figures, and advice. AP decides; AP50 is told beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from topwork.advising import Advice, BudgetClock, Description, Forecast, Plan, Rung, RungStrategy, Trial
from topwork.data import BoxDataset
from topwork.tasks.detection.strategies import Fitted, Judged


class Climbed(NamedTuple):
    """Advice, and the detector on the chosen rung."""

    advice: Advice
    fitted: Fitted


def rung_of(name: str, strategy: RungStrategy, detail: str, judged: Judged, clock: BudgetClock, note: str = "") -> Rung:
    """A rung whose detector was measured; its time is that since the clock's latest lap."""
    images, report = len(judged.found), judged.report
    ap = None if report.ap is None else report.ap.value
    return Rung(name, strategy, detail, report.ap50, None, images, "held out", clock.lap(), note=note, deciding=ap)


def with_trials(rungs: Sequence[Rung], fitted: Fitted) -> Fitted:
    """The detector, with every rung among its trials."""
    trials = tuple(
        Trial("rung", rung.name, rung.images, rung.accuracy.value, None, chosen=rung.strategy == fitted.strategy)
        for rung in rungs
        if rung.accuracy is not None
    )
    return dataclasses.replace(fitted, trials=(*trials, *fitted.trials))


def advice_of(
    rungs: tuple[Rung, ...],
    fitted: Fitted,
    clock: BudgetClock,
    *,
    stopped: str,
    plans: tuple[Plan, ...] = (),
    cut_short: bool = False,
    forecast: Forecast | None = None,
) -> Advice:
    """Advice to stand on the rung of a detector; where a strategy has several rungs, one of them was measured."""
    measured = [place for place, rung in enumerate(rungs) if rung.accuracy is not None]
    own = [place for place, rung in enumerate(rungs) if rung.strategy == fitted.strategy]
    choice = next((place for place in own if place in measured), own[0])
    others = [place for place in measured if place != choice]
    other = max(others, key=lambda place: rungs[place].deciding or 0.0, default=None)
    low = rungs[choice].accuracy
    return Advice(
        backbone=fitted.table.backbone.name,
        rungs=rungs,
        choice=choice,
        runner_up=other,
        tie=other is not None and _tie(rungs[choice], rungs[other]),
        spec=None,
        cut_short=cut_short,
        stopped=stopped,
        enough=None,
        chance=0.0,
        learnable=low is not None and low.low > 0,
        description=_described(fitted.table.dataset),
        forecast=forecast,
        shortlist=(),
        changes=tuple(plan.words for plan in plans if not plan.tried)[:1],
        budget=clock.budget,
        seconds=clock.spent,
        plans=plans,
    )


def _tie(first: Rung, second: Rung) -> bool:
    """Whether each one's figure lies within the other's interval."""
    a, b = first.accuracy, second.accuracy
    return a is not None and b is not None and a.low <= b.value and b.high >= a.value


def _described(dataset: BoxDataset) -> Description:
    """The training images; of a class, its boxes are counted."""
    train: BoxDataset = dataset.split("train")
    counts = train.class_counts()
    present = counts[counts > 0]
    height, width = np.median(train.sizes, axis=0).astype(int).tolist()
    return Description(len(train), len(train.classes), int(present.min()), int(present.max()), width, height)
