"""Advice from end to end: climb, choose, and say what would change the choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from topwork.advising import Advice, BudgetClock, Rung, Shortlisted, Trial, expected, forecast
from topwork.backbones import Backbone
from topwork.data import ImageDataset
from topwork.metrics import mcnemar
from topwork.tasks._task import Announce, Climb
from topwork.tasks.classification.ladder._advice_cache import AdviceCache
from topwork.tasks.classification.ladder._candidates import Trained, chosen_features, train
from topwork.tasks.classification.ladder._describe import compared_with_source, describe
from topwork.tasks.classification.ladder._ladder import BY_NAME, ORDER, Ladder, RungAnnouncer
from topwork.tasks.classification.ladder._training_features import AdviceOptions, TrainingFeatures
from topwork.tasks.classification.strategies import (
    Finetuned,
    Fitted,
    ZeroShotOptions,
    as_is_of,
    probe_of,
    zero_shot_of,
)


class Climbed(NamedTuple):
    """Advice, and what makes the model on the chosen rung for the whole data set.

    No rung is measured again; of advice that was kept by an earlier process, the chosen head is fitted again on
    features from the cache.
    """

    advice: Advice
    fitted: Callable[[], Fitted]


def climb(
    dataset: ImageDataset,
    backbones: Sequence[Backbone],
    options: AdviceOptions,
    *,
    clock: BudgetClock | None = None,
    announce: Announce | None = None,
    climbed: Climb | None = None,
) -> Climbed:
    """Climb the ladder until the next rung is not expected to gain more than it costs, or the budget is spent.

    Nothing is learnt of the held-out splits. A clock is of a budget that has begun already; ``climbed``
    hears of each rung.

    Raises:
        DataError: Fewer than two classes have a readable training image.
    """
    clock = clock or BudgetClock(options.budget_seconds)
    say = RungAnnouncer(announce or (lambda text: None))
    features, shortlist = chosen_features(dataset, backbones, options, clock, say)
    cache = AdviceCache(features) if options.probe.cache else None
    kept = cache.read() if cache else None
    ladder = None
    if kept is not None and (not kept[0].cut_short or options.budget_seconds < kept[0].budget):
        found, tuned, trained = replace(kept[0], shortlist=shortlist), kept[1], None
        list(map(climbed or (lambda rung: None), found.rungs))
    else:  # an answer that time has cut short is gone on from
        ladder = Ladder(features, clock, say, cache, kept, climbed)
        ladder.climb()
        say.end()
        found, tuned, trained = _advice(ladder, shortlist), ladder.tuned, ladder.leader.trained
        if kept is not None and _measured(found) < _measured(kept[0]):  # there was less time than before
            found, tuned, trained = replace(kept[0], shortlist=shortlist), kept[1], None
    say("describing the images")
    advice = _described(found, features, clock)
    if cache is not None and (ladder is not None or advice is not found):
        cache.write(advice, tuned)
    return Climbed(advice, lambda: fitted(advice, features, tuned, trained, say))


def _measured(advice: Advice) -> int:
    """How many rungs have an accuracy."""
    return sum(rung.accuracy is not None for rung in advice.rungs)


def _described(advice: Advice, features: TrainingFeatures, clock: BudgetClock) -> Advice:
    """The same with what the choice does not need, where that is wanted, not there yet, and there is time."""
    options, begun = features.options, clock.spent
    if not options.describe or clock.left == 0:
        return advice
    found: dict[str, Any] = {}
    if advice.description.distance is None and advice.description.entropy is None:
        found["description"] = compared_with_source(advice.description, features)
    if advice.forecast is None and advice.chosen.strategy == "probe":  # a curve of trained networks is too dear
        spec = advice.spec or features.own
        table = features.table(spec.size)
        read = table.keep(spec.outputs(table.backbone))
        told = advice.chosen.accuracy
        found["forecast"] = forecast(
            read, options.probe.class_weight, options.seed, clock, now=told.value if told is not None else 0.0
        )
    if all(getattr(advice, name) == value for name, value in found.items()):
        return advice
    return replace(advice, seconds=advice.seconds + clock.spent - begun, **found)


def _advice(ladder: Ladder, shortlist: tuple[Shortlisted, ...]) -> Advice:
    features, leader = ladder.features, ladder.leader
    chosen = ladder.tuned_rung or leader.rung
    ordered = sorted(ladder.rungs, key=lambda rung: ORDER.index(rung.name))
    rungs = tuple(_compared(_corrected(rung, ladder), ladder) for rung in ordered)
    place = next(i for i, rung in enumerate(rungs) if rung.name == chosen)
    second = _runner_up(rungs, place)
    trained = (leader.trained or ladder.contenders[0].trained) if ladder.tuned is None else ladder.contenders[0].trained
    assert trained is not None
    advice = Advice(
        backbone=features.backbone.name,
        rungs=rungs,
        choice=place,
        runner_up=second,
        tie=second is not None and _tie(rungs[place], rungs[second]),
        spec=trained.spec,
        cut_short=ladder.cut_short,
        stopped=ladder.stopped or "there are no more strategies to try",
        enough=ladder.enough,
        chance=ladder.chance,
        learnable=ladder.learnable(),
        description=describe(features),
        forecast=None,
        shortlist=shortlist,
        changes=(),
        budget=ladder.clock.budget,
        seconds=ladder.clock.spent,
        plans=tuple(sorted(ladder.plans, key=lambda plan: (not plan.tried, plan.seconds))),
    )
    return replace(advice, changes=changes(advice))


def _corrected(rung: Rung, ladder: Ladder) -> Rung:
    """The chosen way's rung with its corrected accuracy."""
    if rung.name != ladder.leader.rung or rung.accuracy is None:
        return rung
    return replace(rung, accuracy=expected(ladder.corrected_accuracy(), rung.images))


def _compared(rung: Rung, ladder: Ladder) -> Rung:
    """A rung with the p-value of its difference from the chosen one, where both were judged on the same images."""
    other, chosen = ladder.scores.get(rung.name), ladder.leader
    if other is None or ladder.tuned is not None or rung.name == chosen.rung:
        return rung
    shared = other.held & chosen.scores.held
    ours, theirs = chosen.scores.hits[shared], other.hits[shared]
    return replace(rung, p_value=mcnemar(int((ours & ~theirs).sum()), int((theirs & ~ours).sum())))


def _runner_up(rungs: Sequence[Rung], chosen: int) -> int | None:
    others = [i for i, rung in enumerate(rungs) if i != chosen and rung.accuracy is not None and rung.strategy != "knn"]
    return max(others, key=lambda i: rungs[i].accuracy.value, default=None)  # type: ignore[union-attr]


def _tie(first: Rung, second: Rung) -> bool:
    """Whether each one's accuracy lies within the other's interval."""
    a, b = first.accuracy, second.accuracy
    return a is not None and b is not None and a.low <= b.value and b.high >= a.value


def fitted(
    advice: Advice, features: TrainingFeatures, tuned: Finetuned | None, trained: Trained | None, say: Announce
) -> Fitted:
    """What stands on the chosen rung, for the whole data set; a head that an earlier process chose is fitted."""
    trials = tuple(
        Trial("rung", rung.name, rung.images, rung.accuracy.value, rung.log_loss, chosen=rung is advice.chosen)
        for rung in advice.rungs
        if rung.accuracy is not None
    )
    if tuned is not None:
        return replace(tuned, trials=(*trials, *tuned.trials))
    strategy = advice.chosen.strategy
    if strategy == "as-is":
        return as_is_of(features.whole(features.own), BY_NAME)
    if strategy == "zero-shot":
        found = zero_shot_of(features.whole(features.own), ZeroShotOptions(), announce=say)
        return replace(found, trials=trials)
    spec = advice.spec or features.own
    head = trained or train(features, spec, features.table(spec.size))
    return probe_of(features.whole(head.spec), head.fitted, trials)


def changes(advice: Advice) -> tuple[str, ...]:
    """One sentence for each thing that would change the choice."""
    found = []
    if not advice.learnable:
        found.append(
            f"Nothing was learnt: {advice.chosen.name} is not significantly better than always predicting the "
            f"largest class ({advice.chance:.1%}). Check the labels."
        )
    chosen, other = advice.chosen, advice.rungs[advice.runner_up] if advice.runner_up is not None else None
    if advice.tie and other is not None and other.accuracy is not None and chosen.accuracy is not None:
        found.append(
            f"{other.name} ({other.accuracy.value:.1%}) and {chosen.name} ({chosen.accuracy.value:.1%}) do not "
            f"differ significantly on {min(other.images, chosen.images)} images. More images might change the choice."
        )
    if not any(rung.note and rung.note in advice.stopped for rung in advice.rungs):
        found.append(f"No further strategy was tried: {advice.stopped}.")
    if advice.enough is not None:
        found.append(
            f"With about {advice.enough:,} training images and the same error rate, fine-tuning would be worth a try."
        )
    found += [plan.words for plan in advice.plans if not plan.tried]
    if advice.cut_short and all(plan.tried for plan in advice.plans):
        found.append("More time (--budget) might change the choice.")
    return tuple(found)
