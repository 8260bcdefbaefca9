"""A rung of fine-tuning: by the best plan that there is time for, going on from what an earlier climb has tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from topwork.advising import SPARE, ExpectedGain, Plan, best_that_fits, worthwhile
from topwork.tasks.classification.ladder._candidates import Trained, larger
from topwork.tasks.classification.ladder._tuning import gain, planned, prices, rung_of, tuned
from topwork.tasks.classification.strategies import INTERRUPTED, Finetuned

if TYPE_CHECKING:
    from topwork.tasks.classification.ladder._ladder import Ladder
    from topwork.tasks.classification.strategies._tunable import Unfreeze

_HOPED = 0.5  # share of the cores that is hoped for where a plan is begun that would not fit the one there was


def by_plan(ladder: Ladder, name: str, stages: Unfreeze, done: Plan | None, free: ExpectedGain, *, again: bool) -> None:
    """Fine-tune by the best plan that there is time for; ``done`` has been tried before."""
    plain, sizes = ladder.contenders[0].trained, [ladder.features.size, *larger(ladder.features)]
    assert plain is not None
    found = prices(ladder.features, stages, plain.fitted.head)
    sizes = [size for size in sizes if size <= ladder.best_spec.size]
    every = planned(ladder.features, name, found, sizes, free.gain, ladder.clock)
    worth, left = worthwhile(every, done.gain if done else 0.0), ladder.clock.left
    plan = best_that_fits(worth, left, found.share)
    if plan is not None:
        ours = found.share if plan.seconds <= left * found.share else max(found.share, _HOPED)
        beside = found.beside(plan.size, len(ladder.features.dataset)) / ours
        start = ladder.start(plan.size)
        plan = _tune(ladder, plan, start, every, (1 - SPARE) * ladder.clock.left - beside, free)
        worth = worthwhile(every, max(plan.gain, done.gain if done else 0.0))
    elif not worth and done is None:
        return ladder.end(name, ladder.expected_gain(max(each.seconds for each in every), again=again).words)
    elif done is None:
        times = f"it takes at least {worth[0].seconds:.0f} seconds, and {left:.0f} were left"
        ladder.end(name, f"{free.words}; but {times}")
    ladder.cut_short |= bool(worth)
    ladder.plans += dict.fromkeys(worth[place] for place in (0, len(worth) // 2, -1) if worth)  # few are told
    return None


def _tune(
    ladder: Ladder, plan: Plan, start: Trained, every: Sequence[Plan], seconds: float, free: ExpectedGain
) -> Plan:
    """Fine-tune, with so many seconds for the training itself, and keep it if it is ahead; the plan as done."""
    found = tuned(ladder.features, plan, start, seconds, ladder.say, ladder.cache)
    ladder.cut_short |= INTERRUPTED in " ".join(found.notes)
    epochs = len(found.history)
    same = (each.gain for each in every if (each.stages, each.size, each.epochs) == (plan.stages, plan.size, epochs))
    plan = replace(plan, epochs=epochs, gain=next(same, 0.0), tried=True)
    ladder.plans.append(plan)
    taken, ahead = ladder.clock.lap(), _ahead(ladder, found, start)
    better = found.strategy == "finetune" and ahead > ladder.gained
    if not better and ladder.tuned_rung == plan.rung:
        return plan  # an earlier one on the same rung was
    ladder.rungs = [rung for rung in ladder.rungs if rung.name != plan.rung]
    ladder.rungs.append(rung_of(found, start.spec, plan.rung, taken, ladder.features.milliseconds(plan.size)))
    if better:
        ladder.tuned, ladder.tuned_rung, ladder.gained, ladder.stopped = found, plan.rung, ahead, ""
    elif epochs:
        ladder.stopped = f"{plan.rung}: {free.words}; it gained {100 * (ahead - ladder.gained):.1f} points"
    else:
        ladder.stopped = f"{plan.rung}: no epoch was finished"
    return plan


def _ahead(ladder: Ladder, found: Finetuned, start: Trained) -> float:
    """Accuracy of a fine-tuning over that of the best head, by way of the head that it started from."""
    gained = gain(found)
    return -1.0 if gained is None else gained - (ladder.leader.scores.accuracy - start.scores.accuracy)


def taken_over(ladder: Ladder, name: str) -> Plan | None:
    """The largest plan of a rung that an earlier climb has tried, and what came of it, which is not tried again."""
    advice, found = ladder.before or (None, None)
    if advice is None:
        return None
    rung = next((each for each in advice.rungs if each.name == name and each.accuracy is not None), None)
    tried = [each for each in advice.plans if each.rung == name and each.tried]
    if rung is None or not tried:
        return None
    ladder.rungs.append(rung)
    ladder.plans += tried
    if found is not None and advice.chosen.name == name:
        start = ladder.start(found.table.backbone.preprocessing.size)
        ladder.tuned, ladder.tuned_rung, ladder.gained = found, name, _ahead(ladder, found, start)
    elif advice.stopped.startswith(name):
        ladder.stopped = advice.stopped
    return max(tried, key=lambda each: each.gain)
