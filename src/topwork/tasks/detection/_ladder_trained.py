"""The ladder of a detector that is trained already: its own classes or words, a class layer to train, then all."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from topwork._arrays import IntpArray
from topwork.advising import LEAST_EPOCHS, OPENING, BudgetClock, Rung, RungStrategy
from topwork.backbones import DetectorNetwork
from topwork.data import BoxDataset
from topwork.errors import BackboneError, DataError
from topwork.features import FeatureTable
from topwork.tasks._classes._finetuned import halves_of
from topwork.tasks._classes._prompts import prompts
from topwork.tasks._task import Announce, Climb
from topwork.tasks.detection._rungs import Climbed, advice_of, rung_of, with_trials
from topwork.tasks.detection.strategies import FinetuneOptions, Fitted, ProbeOptions, detector, judged, words_head
from topwork.tasks.detection.strategies._finetune import probe_options
from topwork.tasks.detection.strategies._ready import require_objects
from topwork.tasks.detection.strategies._untrained import answering, can_be_whole, candidates, own_head

_USED = 0.9  # of the time that is left, for a training; the rest is for measuring it

_Way = tuple[RungStrategy, str, Callable[[], Fitted]]


def climb_trained(
    dataset: BoxDataset,
    network: DetectorNetwork,
    finetune: FinetuneOptions,
    clock: BudgetClock,
    say: Announce,
    climbed: Climb | None = None,
) -> Climbed:
    """Climb on candidates that are looked for once; the same images judge every rung, and AP decides.

    Raises:
        DataError: No training image has an object, or too few images to set any aside.
        BackboneError: The weights do not fit or are random, or no rung can be climbed.
    """
    network, options = detector("auto", network), probe_options(finetune)
    require_objects(dataset)
    table = candidates(dataset, network, options, say)
    require_objects(table.dataset)
    check = halves_of(table.dataset, options.validation, options.seed).check
    rungs: list[Rung] = []
    best: tuple[float, Fitted] | None = None
    for strategy, detail, way in _ways(table, network, options, clock, say):
        rung, fitted = _tried(strategy, detail, way, check, clock)
        rungs.append(rung)
        if climbed is not None:
            climbed(rung)
        ap = rung.deciding or 0.0
        if fitted is not None and (best is None or ap > best[0]):
            best = ap, fitted
        if strategy == "probe" and fitted is not None and can_be_whole(network):
            rung, fitted = _whole(table, fitted, finetune, clock, say)
            rungs.append(rung)
            if climbed is not None:
                climbed(rung)
            if best is None or (rung.deciding or 0.0) > best[0]:
                best = rung.deciding or 0.0, fitted
    if best is None:
        raise BackboneError(f"no strategy suits {network.name}: {rungs[0].note}", hint="take another backbone")
    told = tuple(rungs)
    advice = advice_of(told, best[1], clock, stopped="there are no more strategies to try")
    return Climbed(advice, with_trials(told, best[1]))


def _ways(
    table: FeatureTable, network: DetectorNetwork, options: ProbeOptions, clock: BudgetClock, say: Announce
) -> Iterator[_Way]:
    """What can be made of the network, from cheap to dear."""
    classes = table.dataset.classes

    def named() -> Fitted:
        head, notes = own_head(network, classes)
        return answering(table, head, "as-is", notes)

    def layer() -> Fitted:
        from topwork.tasks.detection.strategies._candidates import fit_layer

        budget = {"budget_seconds": max(1.0, _USED * clock.left)}
        how = dataclasses.replace(options, config=options.config.model_copy(update=budget))
        return fit_layer(table, network, how, say)

    if network.classes:
        yield "as-is", "its own classes", named
    else:
        yield (
            "zero-shot",
            "names of the classes",
            lambda: answering(table, words_head(network, prompts(classes)), "zero-shot"),
        )
    if network.library == "transformers":
        yield "probe", "a class layer on its candidates", layer


def _tried(
    strategy: RungStrategy, detail: str, way: Callable[[], Fitted], check: IntpArray, clock: BudgetClock
) -> tuple[Rung, Fitted | None]:
    """A rung and its detector; where the classes do not let it be climbed, why."""
    try:
        fitted = way()
    except DataError as error:
        return Rung(strategy, strategy, seconds=clock.lap(), note=str(error)), None
    return rung_of(strategy, strategy, detail, judged(fitted.head, fitted.table, check), clock), fitted


def _whole(
    table: FeatureTable, probe: Fitted, options: FinetuneOptions, clock: BudgetClock, say: Announce
) -> tuple[Rung, Fitted]:
    """The whole network, trained on from its own start where a few epochs of that fit the time."""
    from topwork.tasks.detection.strategies._whole import fit_whole, seconds_an_image

    learn = len(halves_of(table.dataset, options.probe.validation, options.probe.seed).learn)
    price = seconds_an_image(table)
    least = OPENING + (LEAST_EPOCHS * learn + len(table)) * price
    if least > clock.left:
        why = f"the shortest one that pays takes {least:.0f} seconds, and {clock.left:.0f} are left"
        return Rung("fine-tuning", "finetune", seconds=clock.lap(), note=why), probe
    budget = {"budget_seconds": max(1.0, clock.left - OPENING - len(table) * price)}
    how = dataclasses.replace(options, config=options.config.model_copy(update=budget))
    fitted = fit_whole(table, probe, how, say)
    if fitted.strategy == "probe":
        return Rung("fine-tuning", "finetune", "the whole detector", seconds=clock.lap(), note=fitted.notes[-1]), fitted
    return rung_of("fine-tuning", "finetune", "the whole detector", fitted.validation, clock), fitted
