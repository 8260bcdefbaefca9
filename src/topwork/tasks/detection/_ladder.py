"""The ladder of detectors: a head on the frozen backbone, then the backbone too where that is worth its time."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

import numpy as np

from topwork._options import Option
from topwork._system import available_cores
from topwork.advising import (
    PRICE,
    Advice,
    BudgetClock,
    Description,
    Plan,
    Rung,
    RungStrategy,
    Trial,
    best_that_fits,
    plans,
    worthwhile,
)
from topwork.backbones import Backbone
from topwork.data import BoxDataset
from topwork.tasks._classes._budgeted import Budgeted
from topwork.tasks._task import Announce, Climb
from topwork.tasks.detection.strategies import FinetuneOptions, Fitted, HeadOptions, Judged
from topwork.tasks.detection.strategies._finetune import probe_options, stages_to_train, tuned
from topwork.tasks.detection.strategies._probe import Probed, probed
from topwork.tasks.detection.strategies._ready import Ready, ready

PROBE, FINETUNING = "probe", "fine-tuning"
_PROBE_SHARE = 0.5  # of the time that is left, at most, for the head on the frozen backbone
_SHORT = 150.0  # seconds: with fewer, no more than a probe can pay, and it gets
_SHARE_ALONE = 0.7  # of them: what judges it takes the rest
_MENDED = 0.4  # of what the probe lacks to an AP50 of 1, what training the backbone mends with very many images
_LEARNING = 100.0  # training images at which it mends half of that


@dataclass(frozen=True)
class AdviceOptions(Budgeted):
    """How far to climb, and how. A rung that has begun is finished, in the time that is left."""

    finetune: Annotated[FinetuneOptions, Option("Settings of fine-tuning.")] = field(default_factory=FinetuneOptions)

    @property
    def probe(self) -> HeadOptions:
        """What all rungs share."""
        return self.finetune.probe

    @property
    def seed(self) -> int:
        """Of everything that is drawn."""
        return self.probe.seed


class Climbed(NamedTuple):
    """Advice, and the detector on the chosen rung."""

    advice: Advice
    fitted: Fitted


class _Tried(NamedTuple):
    """The rungs, what stands on the best, and why the climb ended."""

    rungs: tuple[Rung, ...]
    fitted: Fitted
    stopped: str
    plans: tuple[Plan, ...] = ()
    cut_short: bool = False


def climb(
    dataset: BoxDataset,
    backbone: Backbone,
    options: AdviceOptions,
    *,
    clock: BudgetClock | None = None,
    announce: Announce | None = None,
    climbed: Climb | None = None,
) -> Climbed:
    """Climb the ladder; ``climbed`` hears of each rung. Nothing is learnt of the held-out splits.

    Raises:
        DataError: No training image has an object, or too few images to set any aside.
        BackboneError: The network has no maps that serve, or not so many stages.
    """
    clock, say = clock or BudgetClock(options.budget_seconds), announce or (lambda text: None)
    with ready(dataset, backbone, options.probe, _named(PROBE, 1, say)) as given:
        stages_to_train(given, options.finetune.unfreeze)
        how = probe_options(options.finetune)
        share = _PROBE_SHARE if clock.left > _SHORT else _SHARE_ALONE
        config = how.config.model_copy(update={"budget_seconds": max(1.0, share * clock.left)})
        probe = probed(given, dataclasses.replace(how, config=config), _named(PROBE, 1, say))
        first = _rung(PROBE, "probe", _read(given), probe.fitted.validation, clock)
        _tell(climbed, first)
        tried = _climb_on(given, probe, first, options, clock, _named(FINETUNING, 2, say))
        _tell(climbed, tried.rungs[1])
        return Climbed(_advice(given, tried, clock), _with_trials(tried))


def _named(rung: str, place: int, say: Announce) -> Announce:
    return lambda text: say(f"{place} of 2: {rung}: {text}")


def _tell(climbed: Climb | None, rung: Rung) -> None:
    if climbed is not None:
        climbed(rung)


def _climb_on(
    given: Ready, probe: Probed, first: Rung, options: AdviceOptions, clock: BudgetClock, say: Announce
) -> _Tried:
    """Train the backbone too, where there is time and that is expected to pay."""
    from topwork.tasks.detection.strategies._pricing import prices

    finetune, stages = options.finetune, stages_to_train(given, options.finetune.unfreeze)
    learn, size = len(given.halves.learn), given.backbone.preprocessing.size
    found = prices(given, probe, stages, clock.share(available_cores()))
    gain = _MENDED * (1 - probe.fitted.validation.ap50) * learn / (learn + _LEARNING)
    epochs = finetune.config.epochs
    made = plans(FINETUNING, found, [size], epochs=epochs, images=learn, in_all=len(given.table), gain=gain)
    spent = clock.spent * found.share
    worth = worthwhile(dataclasses.replace(each, budget=max(clock.budget, spent + each.seconds)) for each in made)
    plan = best_that_fits(worth, clock.left, found.share)
    if plan is None:
        why = _why_not(made, worth, clock)
        skipped = Rung(FINETUNING, "finetune", seconds=clock.lap(), note=why)
        return _Tried((first, skipped), probe.fitted, f"{FINETUNING}: {why}", tuple(worth), cut_short=bool(worth))
    beside = found.beside(size, learn, len(given.table)) / found.share
    changes = {"budget_seconds": max(1.0, clock.left - beside)}
    how = dataclasses.replace(finetune, config=finetune.config.model_copy(update=changes))
    fitted, judged = tuned(given, probe, how, say)
    second = _second(fitted, judged, stages, clock)
    done = dataclasses.replace(plan, tried=True)
    return _Tried((first, second), fitted, "there are no more strategies to try", (done,))


def _why_not(made: list[Plan], worth: list[Plan], clock: BudgetClock) -> str:
    """Why it is not trained further."""
    if worth:
        return f"the shortest one that pays takes {worth[0].seconds:.0f} seconds, and {clock.left:.0f} are left"
    best = max(made, key=lambda plan: plan.gain)
    return (
        f"expected gain {100 * best.gain:.1f} points of AP50, no more than the "
        f"{100 * PRICE * best.seconds / 60:.1f} points that {best.seconds:.0f} seconds of computing should bring"
    )


def _read(given: Ready) -> str:
    spec = given.spec
    return f"maps of {', '.join(spec.stages)}, {spec.size} px, {given.backbone.preprocessing.crop_mode}"


def _rung(name: str, strategy: RungStrategy, detail: str, judged: Judged, clock: BudgetClock, note: str = "") -> Rung:
    images = len(judged.found)
    return Rung(name, strategy, detail, judged.report.ap50, None, images, "held out", clock.lap(), note=note)


def _second(fitted: Fitted, judged: Judged | None, stages: int, clock: BudgetClock) -> Rung:
    """The rung of the fine-tuning, also where the probe was kept."""
    detail = f"{stages} stages and the head"
    note = "" if fitted.strategy == "finetune" else fitted.notes[-1]
    if judged is None:
        return Rung(FINETUNING, "finetune", detail, seconds=clock.lap(), note=note)
    return _rung(FINETUNING, "finetune", detail, judged, clock, note)


def _with_trials(tried: _Tried) -> Fitted:
    """The detector, with every rung among its trials."""
    trials = tuple(
        Trial("rung", rung.name, rung.images, rung.accuracy.value, None, chosen=rung.strategy == tried.fitted.strategy)
        for rung in tried.rungs
        if rung.accuracy is not None
    )
    return dataclasses.replace(tried.fitted, trials=(*trials, *tried.fitted.trials))


def _advice(given: Ready, tried: _Tried, clock: BudgetClock) -> Advice:
    place = next(i for i, rung in enumerate(tried.rungs) if rung.strategy == tried.fitted.strategy)
    other = 1 - place
    measured = tried.rungs[other].accuracy is not None
    report = tried.fitted.validation.report
    return Advice(
        backbone=given.backbone.name,
        rungs=tried.rungs,
        choice=place,
        runner_up=other if measured else None,
        tie=measured and _tie(tried.rungs[place], tried.rungs[other]),
        spec=None,
        cut_short=tried.cut_short,
        stopped=tried.stopped,
        enough=None,
        chance=0.0,
        learnable=report.ap50 is not None and report.ap50.low > 0,
        description=_described(given),
        forecast=None,
        shortlist=(),
        changes=tuple(plan.words for plan in tried.plans if not plan.tried)[:1],
        budget=clock.budget,
        seconds=clock.spent,
        plans=tried.plans,
    )


def _tie(first: Rung, second: Rung) -> bool:
    """Whether each one's figure lies within the other's interval."""
    a, b = first.accuracy, second.accuracy
    return a is not None and b is not None and a.low <= b.value and b.high >= a.value


def _described(given: Ready) -> Description:
    """The training images; of a class, its boxes are counted."""
    train: BoxDataset = given.table.dataset.split("train")
    counts = train.class_counts()
    present = counts[counts > 0]
    height, width = np.median(train.sizes, axis=0).astype(int).tolist()
    return Description(len(train), len(train.classes), int(present.min()), int(present.max()), width, height)
