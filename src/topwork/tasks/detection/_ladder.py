"""The ladder of detectors: a head on the frozen backbone, then the backbone too where that is worth its time."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

from topwork._options import Option
from topwork._system import available_cores
from topwork.advising import (
    OPENING,
    PRICE,
    BudgetClock,
    Plan,
    Rung,
    best_that_fits,
    plans,
    worthwhile,
)
from topwork.backbones import Backbone, DetectorNetwork
from topwork.data import BoxDataset
from topwork.tasks._classes._budgeted import Budgeted
from topwork.tasks._task import Announce, Climb
from topwork.tasks.detection._affordable import affordable
from topwork.tasks.detection._forecast import forecast
from topwork.tasks.detection._ladder_trained import climb_trained
from topwork.tasks.detection._rungs import Climbed, advice_of, rung_of, with_trials
from topwork.tasks.detection.strategies import FinetuneOptions, Fitted, HeadOptions, Judged
from topwork.tasks.detection.strategies._finetune import probe_options, tuned
from topwork.tasks.detection.strategies._probe import Probed, probed
from topwork.tasks.detection.strategies._ready import Ready, ready

PROBE, TOP, FINETUNING = "probe", "fine-tuning, last stages", "fine-tuning"
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


class _Tried(NamedTuple):
    """The rungs beyond the probe, what stands on the best, and why the climb ended."""

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
    if isinstance(backbone, DetectorNetwork):
        return climb_trained(dataset, backbone, options.finetune, clock, say, climbed)
    backbone = affordable(dataset, backbone, options.probe, clock)
    with ready(dataset, backbone, options.probe, _named(PROBE, 1, say)) as given, contextlib.ExitStack() as maps:
        given.stages_to_train(options.finetune.unfreeze)
        how = probe_options(options.finetune)
        share = _PROBE_SHARE if clock.left > _SHORT else _SHARE_ALONE
        config = how.config.model_copy(update={"budget_seconds": max(1.0, share * clock.left)})
        probe = probed(given, dataclasses.replace(how, config=config), _named(PROBE, 1, say), maps)
        first = rung_of(PROBE, "probe", _read(given), probe.fitted.validation, clock)
        _tell(climbed, first)
        tried = _climb_on(given, probe, options, clock, _named("fine-tuning", 2, say))
        for rung in tried.rungs:
            _tell(climbed, rung)
        told = None
        if tried.fitted.strategy == "probe":  # a curve of trained networks is too dear
            told = forecast(given, probe, how.config, clock, _named(PROBE, 2, say))
        advice = advice_of(
            (first, *tried.rungs),
            tried.fitted,
            clock,
            stopped=tried.stopped,
            plans=tried.plans,
            cut_short=tried.cut_short,
            forecast=told,
        )
        return Climbed(advice, with_trials(advice.rungs, tried.fitted))


def _named(rung: str, place: int, say: Announce) -> Announce:
    return lambda text: say(f"{place} of 2: {rung}: {text}")


def _tell(climbed: Climb | None, rung: Rung) -> None:
    if climbed is not None:
        climbed(rung)


def _climb_on(given: Ready, probe: Probed, options: AdviceOptions, clock: BudgetClock, say: Announce) -> _Tried:
    """Train stages too, the last ones or all, where there is time and that is expected to pay."""
    from topwork.tasks.detection.strategies._pricing import prices

    finetune, names = options.finetune, _rungs(given, options.finetune)
    if clock.left < OPENING:  # pricing itself would take longer
        why = f"{clock.left:.0f} seconds are left, and to open a tuned network takes {OPENING:.0f}"
        return _skipped(names, why, probe, clock, cut_short=True)
    learn, size = len(given.halves.learn), given.backbone.preprocessing.size
    found = prices(given, probe, list(names), clock.share(available_cores()))
    gain = _MENDED * (1 - probe.fitted.validation.ap50) * learn / (learn + _LEARNING)
    made = plans(
        FINETUNING, found, [size], epochs=finetune.config.epochs, images=learn, in_all=len(given.table), gain=gain
    )
    made = [dataclasses.replace(each, rung=names[each.stages]) for each in made]
    spent = clock.spent * found.share
    worth = worthwhile(dataclasses.replace(each, budget=max(clock.budget, spent + each.seconds)) for each in made)
    plan = best_that_fits(worth, clock.left, found.share)
    if plan is None:
        why = _why_not(made, worth, clock)
        return _skipped(names, why, probe, clock, cut_short=bool(worth))._replace(plans=tuple(worth))
    beside = found.beside(size, learn, len(given.table)) / found.share
    changes = {"budget_seconds": max(1.0, clock.left - beside)}
    config = finetune.config.model_copy(update=changes)
    how = dataclasses.replace(finetune, unfreeze=plan.stages, config=config)
    fitted, judged = tuned(given, probe, how, say)
    second = _second(plan.rung, fitted, judged, plan.stages, clock)
    note = f"{plan.rung} was expected to gain more in the time there was"
    rungs = tuple(second if name == plan.rung else Rung(name, "finetune", note=note) for name in names.values())
    done = dataclasses.replace(plan, tried=True)
    return _Tried(rungs, fitted, "there are no more strategies to try", (done,))


def _skipped(names: dict[int, str], why: str, probe: Probed, clock: BudgetClock, *, cut_short: bool) -> _Tried:
    """The probe alone; the first of the rungs that were left out has the time that it took to see that."""
    first, *others = (Rung(name, "finetune", note=why) for name in names.values())
    rungs = (dataclasses.replace(first, seconds=clock.lap()), *others)
    return _Tried(rungs, probe.fitted, f"{FINETUNING}: {why}", cut_short=cut_short)


def _rungs(given: Ready, options: FinetuneOptions) -> dict[int, str]:
    """Numbers of stages that may be trained, and the rung of each; where it is left open, half of them or all."""
    most = given.stages_to_train(options.unfreeze)
    if options.unfreeze == "auto" and most > 1:
        return {most // 2: TOP, most: FINETUNING}
    return {most: FINETUNING}


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


def _second(name: str, fitted: Fitted, judged: Judged | None, stages: int, clock: BudgetClock) -> Rung:
    """The rung of the fine-tuning, also where the probe was kept."""
    detail = f"{stages} stages and the head"
    note = "" if fitted.strategy == "finetune" else fitted.notes[-1]
    if judged is None:
        return Rung(name, "finetune", detail, seconds=clock.lap(), note=note)
    return rung_of(name, "finetune", detail, judged, clock, note)
