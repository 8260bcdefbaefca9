"""A rung of fine-tuning: by the best plan that there is time for, going on from what an earlier climb has tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from topwork.advising import HOPED, SPARE, ExpectedGain, Plan, best_that_fits, worthwhile
from topwork.tasks.classification.ladder._candidates import Trained, sizes_to_train
from topwork.tasks.classification.ladder._tuning import gain, planned, prices, rung_of, set_apart, tuned
from topwork.tasks.classification.strategies import INTERRUPTED, Finetuned

if TYPE_CHECKING:
    from topwork.tasks.classification.ladder._ladder import Ladder
    from topwork.tasks.classification.strategies._tunable import Unfreeze


def by_plan(ladder: Ladder, name: str, stages: Unfreeze, done: Plan | None, free: ExpectedGain, *, again: bool) -> None:
    """Fine-tune by the best plan that there is time for, then by better ones as long as they fit what is left.

    ``done`` has been tried before.
    """
    plain = ladder.contenders[0].trained
    assert plain is not None
    found = prices(ladder.features, stages, plain.fitted.head, ladder.clock)
    sizes = sizes_to_train(ladder.losses, ladder.features.size, ladder.best_spec.size)
    every = planned(ladder.features, name, found, sizes, free.gain, ladder.clock)
    worth, left = worthwhile(every, done.gain if done else 0.0), ladder.clock.left
    if not worth and done is None:
        return ladder.end(name, ladder.expected_gain(max(each.seconds for each in every), again=again).words)
    share, tried = found.share, done
    plan = best_that_fits(worth, left, share)
    while plan is not None:
        began, start = ladder.clock.spent, ladder.start(plan.size)
        ours = share if plan.seconds <= left * share else HOPED
        beside = found.beside(plan.size, set_apart(ladder.features)[0], len(ladder.features.dataset)) / ours
        tried = _tune(ladder, plan, start, every, (1 - SPARE) * ladder.clock.left - beside, free)
        worth = worthwhile(every, max(plan.gain, tried.gain))
        share = share_of(tried, ladder.clock.spent - began)
        plan = best_that_fits(worth, ladder.clock.left * share)  # what others take is known now: no hope is left
    if tried is None:
        ours = left * max(share, HOPED)
        times = f"it takes at least {worth[0].seconds:.0f} seconds, and {ours:.0f} were left"
        ladder.end(name, f"{free.words}; but {times}")
    ladder.cut_short |= bool(worth)
    ladder.plans += dict.fromkeys(worth[place] for place in (0, len(worth) // 2, -1) if worth)  # few are told
    return None


def share_of(done: Plan, taken: float) -> float:
    """Share of the cores that a training has had: the seconds that it was priced at, of those that it took.

    That corrects the prices of the plans that are left too, whatever made the few steps behind them dear or cheap.
    """
    return min(1.0, (1 - SPARE) * done.seconds / taken)


def _tune(
    ladder: Ladder, plan: Plan, start: Trained, every: Sequence[Plan], seconds: float, free: ExpectedGain
) -> Plan:
    """Fine-tune, with so many seconds for the training itself, and keep it if it is ahead; the plan as done."""
    found = tuned(ladder.features, plan, start, seconds, ladder.say, ladder.cache)
    ladder.cut_short |= INTERRUPTED in " ".join(found.notes)
    epochs = len(found.history)
    same = (each for each in every if (each.stages, each.size, each.epochs) == (plan.stages, plan.size, epochs))
    plan = replace(next(same, replace(plan, gain=0.0)), epochs=epochs, tried=True)
    ladder.plans.append(plan)
    taken, ahead = ladder.clock.lap(), _ahead(ladder, found, start)
    better = found.strategy == "finetune" and ahead > ladder.gained
    if not better and ladder.tuned_rung == plan.rung:
        return plan  # an earlier one on the same rung was
    ladder.add(rung_of(found, start.spec, plan.rung, taken, ladder.features.milliseconds(plan.size)))
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
    ladder.add(rung)
    ladder.plans += tried
    if found is not None and advice.chosen.name == name:
        start = ladder.start(found.table.backbone.preprocessing.size)
        ladder.tuned, ladder.tuned_rung, ladder.gained = found, name, _ahead(ladder, found, start)
    elif advice.stopped.startswith(name):
        ladder.stopped = advice.stopped
    return max(tried, key=lambda each: each.gain)
