"""The ladder of segmenters: pixels of frozen maps, a decoder on them, then the backbone too, while that pays."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np

from topwork._options import Option
from topwork._system import available_cores
from topwork.advising import (
    PRICE,
    SPARE,
    Advice,
    BudgetClock,
    Description,
    Plan,
    Prices,
    Rung,
    RungStrategy,
    Trial,
    best_that_fits,
    plans,
    worthwhile,
)
from topwork.backbones import Backbone
from topwork.data import MaskDataset
from topwork.errors import MissingExtraError
from topwork.tasks._classes._budgeted import Budgeted
from topwork.tasks._task import Announce, Climb
from topwork.tasks.segmentation._seen import Seen
from topwork.tasks.segmentation.decoder import require_decoders
from topwork.tasks.segmentation.decoder._options import DecodingOptions, FinetuneOptions
from topwork.tasks.segmentation.decoder._ready import Ready, ready
from topwork.tasks.segmentation.strategies import Fitted, Judged, ProbeOptions, fit_probe

if TYPE_CHECKING:
    from topwork.tasks.segmentation.decoder._frozen import Trained

PROBE, DECODER, FINETUNING = "probe", "decoder", "fine-tuning"
_RUNGS = (PROBE, DECODER, FINETUNING)
_LEAST_EPOCHS = 4
_OPENING = 3.0  # seconds: torch is imported, squares are made
_SHARE = 0.6  # of the time that is left, at most, for the decoder, where the backbone may be trained after it
_MENDED = {DECODER: 0.3, FINETUNING: 0.15}  # of what is lacking to an IoU of 1, with very many images
_LEARNING = {DECODER: 15.0, FINETUNING: 60.0}  # training images at which half of that is mended


@dataclass(frozen=True)
class AdviceOptions(Budgeted):
    """How far to climb, and how. A rung that has begun is finished, in the time that is left."""

    finetune: Annotated[FinetuneOptions, Option("Settings of the decoder and of fine-tuning.")] = field(
        default_factory=FinetuneOptions
    )

    @property
    def probe(self) -> DecodingOptions:
        """What all rungs share."""
        return self.finetune.frozen

    @property
    def seed(self) -> int:
        """Of everything that is drawn."""
        return self.probe.seed


class Climbed(NamedTuple):
    """Advice, and the segmenter on the chosen rung."""

    advice: Advice
    fitted: Fitted


@dataclass
class _Tried:
    """The rungs so far, what stands on the best, and why the climb ended."""

    fitted: Fitted
    rungs: list[Rung]
    stopped: str = "there are no more strategies to try"
    plans: list[Plan] = field(default_factory=list)
    cut_short: bool = False

    def skip(self, name: str, strategy: RungStrategy, why: str, clock: BudgetClock) -> None:
        """Say of a rung that it is not tried, which ends the climb."""
        self.rungs.append(Rung(name, strategy, seconds=clock.lap(), note=why))
        self.stopped = f"{name}: {why}"


def climb(
    dataset: MaskDataset,
    backbone: Backbone,
    options: AdviceOptions,
    *,
    clock: BudgetClock | None = None,
    announce: Announce | None = None,
    climbed: Climb | None = None,
) -> Climbed:
    """Climb the ladder; ``climbed`` hears of each rung. Nothing is learnt of the held-out splits.

    Raises:
        DataError: The training images show fewer than two classes.
        BackboneError: The network has no maps that serve, or not so many stages.
    """
    clock, say = clock or BudgetClock(options.budget_seconds), announce or (lambda text: None)
    shared = {name: getattr(options.probe, name) for name in ("crop_mode", "validation", "engine", "cache", "seed")}
    probe = fit_probe(dataset, backbone, ProbeOptions(**shared), announce=_named(PROBE, say))
    tried = _Tried(probe, [_rung(PROBE, "probe", _read(probe), probe.validation, clock)])
    if climbed is not None:
        climbed(tried.rungs[0])
    if probe.validation is None:
        tried.skip(DECODER, "decoder", "there are too few images to set any aside that would judge it", clock)
    else:
        _climb_on(dataset, backbone, tried, options, clock, say)
    for rung in tried.rungs[1:] if climbed is not None else ():
        assert climbed is not None
        climbed(rung)
    return Climbed(_advice(tried, clock), _with_trials(tried))


def _named(rung: str, say: Announce) -> Announce:
    return lambda text: say(f"{_RUNGS.index(rung) + 1} of {len(_RUNGS)}: {rung}: {text}")


def _climb_on(
    dataset: MaskDataset, backbone: Backbone, tried: _Tried, options: AdviceOptions, clock: BudgetClock, say: Announce
) -> None:
    """A decoder, and then the backbone too, where there is time and they are expected to pay."""
    try:
        require_decoders()
    except MissingExtraError as error:
        return tried.skip(DECODER, "decoder", f"{error.message}: {error.hint}", clock)
    least = PRICE * _OPENING / 60
    if _gain(DECODER, tried, len(tried.fitted.table)) <= least or clock.left < _OPENING:
        return tried.skip(DECODER, "decoder", f"it has no time, or nothing to gain: {clock.left:.0f} s are left", clock)
    with ready(dataset, backbone, options.probe, _named(DECODER, say)) as given:
        stages = given.stages_to_train(options.finetune.unfreeze)
        start = _decoder(given, tried, options, clock, _named(DECODER, say))
        if start is not None:
            _finetuning(given, start, stages, tried, options.finetune, clock, _named(FINETUNING, say))


def _decoder(given: Ready, tried: _Tried, options: AdviceOptions, clock: BudgetClock, say: Announce) -> Trained | None:
    """The second rung; None where it is not tried."""
    from topwork.tasks.segmentation.decoder._finetune import frozen_options
    from topwork.tasks.segmentation.decoder._frozen import trained
    from topwork.tasks.segmentation.decoder._pricing import decoder_price

    how, price, learn = frozen_options(options.finetune), decoder_price(given), len(given.halves.learn)
    epochs, gain = how.config.epochs, _gain(DECODER, tried, learn)
    views = min(how.views, epochs)
    made = [
        Plan(DECODER, 0, price.size, n, gain * (1 - 0.5**n), _seconds(price, views, n, learn))
        for n in range(min(_LEAST_EPOCHS, epochs), epochs + 1)
    ]
    plan = _planned(made, tried, "decoder", price.share, clock)
    if plan is None:
        return None
    share = _SHARE if plan.seconds < _SHARE * clock.left else 1.0
    config = how.config.model_copy(update={"budget_seconds": max(1.0, share * clock.left)})
    start = trained(given, dataclasses.replace(how, config=config), say)
    _take(tried, DECODER, "decoder", f"{given.spec.design}, {given.spec.size} px", start.fitted, clock)
    return start


def _finetuning(
    given: Ready,
    start: Trained,
    stages: int,
    tried: _Tried,
    options: FinetuneOptions,
    clock: BudgetClock,
    say: Announce,
) -> None:
    """The third rung."""
    from topwork.tasks.segmentation.decoder._finetune import tuned
    from topwork.tasks.segmentation.decoder._pricing import finetune_price

    prices, learn = finetune_price(given, start, stages, clock.share(available_cores())), len(given.halves.learn)
    size, gain, images = prices.size, _gain(FINETUNING, tried, learn), len(given.seen)
    made = plans(FINETUNING, prices, [size], epochs=options.config.epochs, images=learn, in_all=images, gain=gain)
    if _planned(made, tried, "finetune", prices.share, clock) is None:
        return
    left = clock.left - prices.beside(size, learn, images) / prices.share
    config = options.config.model_copy(update={"budget_seconds": max(1.0, left)})
    found = tuned(given, start, dataclasses.replace(options, config=config), say)
    detail = f"{stages} stages and the decoder"
    if found.strategy == "finetune":
        _take(tried, FINETUNING, "finetune", detail, found, clock)
    else:
        tried.rungs.append(Rung(FINETUNING, "finetune", detail, seconds=clock.lap(), note=found.notes[-1]))


def _gain(rung: str, tried: _Tried, images: int) -> float:
    """What a rung is expected to add to the IoU of the best so far."""
    assert tried.fitted.validation is not None
    return _MENDED[rung] * (1 - tried.fitted.validation.iou) * images / (images + _LEARNING[rung])


def _seconds(price: Prices, views: int, epochs: int, images: int) -> float:
    return (_OPENING + images * (views * price.image + epochs * price.training[0])) / (1 - SPARE)


def _planned(made: list[Plan], tried: _Tried, strategy: RungStrategy, share: float, clock: BudgetClock) -> Plan | None:
    """The plan to follow; None where none pays or fits, which is said."""
    worth = worthwhile(
        dataclasses.replace(each, budget=max(clock.budget, clock.spent * share + each.seconds)) for each in made
    )
    plan = best_that_fits(worth, clock.left, share)
    if plan is not None:
        tried.plans.append(dataclasses.replace(plan, tried=True))
        return plan
    tried.plans += worth[:1]
    tried.cut_short = bool(worth)
    if worth:
        why = f"the shortest one that pays takes {worth[0].seconds:.0f} seconds, and {clock.left:.0f} are left"
    else:
        best = max(made, key=lambda each: each.gain)
        why = (
            f"expected gain {100 * best.gain:.1f} points of IoU, no more than the "
            f"{100 * PRICE * best.seconds / 60:.1f} points that {best.seconds:.0f} seconds of computing should bring"
        )
    tried.skip(made[0].rung, strategy, why, clock)
    return None


def _take(tried: _Tried, name: str, strategy: RungStrategy, detail: str, found: Fitted, clock: BudgetClock) -> None:
    """Stand on what was found where it is better on the same images."""
    tried.rungs.append(_rung(name, strategy, detail, found.validation, clock))
    before, after = tried.fitted.validation, found.validation
    assert before is not None
    assert after is not None
    if after.iou > before.iou:
        tried.fitted = found


def _read(probe: Fitted) -> str:
    spec = probe.head.spec
    return f"{spec.stages[0]} to {spec.stages[-1]}, {spec.size} px, {probe.table.backbone.preprocessing.crop_mode}"


def _rung(name: str, strategy: RungStrategy, detail: str, judged: Judged | None, clock: BudgetClock) -> Rung:
    if judged is None:
        return Rung(name, strategy, detail, seconds=clock.lap())
    return Rung(name, strategy, detail, judged.report.iou, None, len(judged.counts), "held out", clock.lap())


def _with_trials(tried: _Tried) -> Fitted:
    """The segmenter, with every rung among its trials."""
    trials = tuple(
        Trial("rung", rung.name, rung.images, rung.accuracy.value, None, chosen=rung.strategy == tried.fitted.strategy)
        for rung in tried.rungs
        if rung.accuracy is not None
    )
    return dataclasses.replace(tried.fitted, trials=(*trials, *tried.fitted.trials))


def _advice(tried: _Tried, clock: BudgetClock) -> Advice:
    place = next(i for i, rung in enumerate(tried.rungs) if rung.strategy == tried.fitted.strategy)
    others = [
        (each.accuracy.value, i) for i, each in enumerate(tried.rungs) if i != place and each.accuracy is not None
    ]
    runner_up = max(others)[1] if others else None
    seen, judged = tried.fitted.table, tried.fitted.validation
    iou = judged.report.iou if judged else None
    return Advice(
        backbone=seen.backbone.name,
        rungs=tuple(tried.rungs),
        choice=place,
        runner_up=runner_up,
        tie=runner_up is not None and _tie(tried.rungs[place], tried.rungs[runner_up]),
        spec=None,
        cut_short=tried.cut_short,
        stopped=tried.stopped,
        enough=None,
        chance=0.0,
        learnable=iou is not None and iou.low > 0,
        description=_described(seen),
        forecast=None,
        shortlist=(),
        changes=tuple(plan.words for plan in tried.plans if not plan.tried)[:1],
        budget=clock.budget,
        seconds=clock.spent,
        plans=tuple(tried.plans),
    )


def _tie(first: Rung, second: Rung) -> bool:
    """Whether each one's figure lies within the other's interval."""
    a, b = first.accuracy, second.accuracy
    return a is not None and b is not None and a.low <= b.value and b.high >= a.value


def _described(seen: Seen) -> Description:
    """The training images; of a class, the images that show it are counted."""
    train: MaskDataset = seen.dataset.split("train")
    counts = train.class_counts()[int(train.has_background) :]
    present = counts[counts > 0] if (counts > 0).any() else np.zeros(1, np.int64)
    height, width = np.median(train.sizes, axis=0).astype(int).tolist()
    return Description(len(train), len(counts), int(present.min()), int(present.max()), width, height)
