"""The rungs of fine-tuning: whether there is time, from where to start, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from topwork._system import available_cores
from topwork.advising import BudgetClock, FeatureSpec, Plan, Prices, Rung, Trial, expected, plans
from topwork.heads import LinearHead
from topwork.tasks._task import Announce
from topwork.tasks.classification.ladder._advice_cache import AdviceCache
from topwork.tasks.classification.ladder._candidates import Trained
from topwork.tasks.classification.ladder._training_features import TrainingFeatures
from topwork.tasks.classification.strategies import INTERRUPTED, Finetuned, finetune, probe_of, validation_share

if TYPE_CHECKING:
    from topwork.tasks.classification.strategies._tunable import Unfreeze

_FEWER = 0.6  # of the stages that are usually trained: the cheaper plans


def set_apart(features: TrainingFeatures) -> tuple[int, int]:
    """Images that a fine-tuning would learn from, and those that would judge it: ``val``, or a share of them."""
    images = len(features.train)
    if _val_judges(features):
        return images, int((features.dataset.splits == "val").sum())
    judges = round(validation_share(images, features.options.finetune.validation) * images)
    return images - judges, judges


def _val_judges(features: TrainingFeatures) -> bool:
    """Whether the part ``val`` tells how good a fine-tuning is, since ``test`` measures the model."""
    return features.dataset.held_out_split == "test" and bool((features.dataset.splits == "val").any())


def prices(features: TrainingFeatures, unfreeze: Unfreeze, head: LinearHead, clock: BudgetClock) -> Prices:
    """What fine-tuning takes here, by a few steps of a real one with each number of stages that may be trained.

    The head reads the network's own pooled features. The share of the cores is that of these steps or of the whole
    climb, whichever is larger: others may be busy for these seconds alone, and a climb waits for more than for cores.

    Raises:
        TopworkError: There are not so many stages, or not enough memory.
    """
    from topwork.tasks.classification.strategies._pricing import seconds_to_train
    from topwork.tasks.classification.strategies._tunable import stages_to_train

    options = features.options.finetune
    usual = stages_to_train(features.backbone, unfreeze)
    counts = {usual, max(1, round(_FEWER * usual))} if unfreeze == "auto" else {usual}
    image = features.timed_image(features.size)
    how: Any = {"gpu": features.on_gpu, "cut": options.views > 0}
    steps = {count: seconds_to_train(features.backbone, head, count, options.config, **how) for count in sorted(counts)}
    every = (image, *steps.values())
    share = sum(each.own for each in every) / max(sum(each.wall for each in every), 1e-9)
    share = max(share, clock.share(available_cores()))
    return Prices(features.size, image.own, {count: each.own for count, each in steps.items()}, share)


def planned(
    features: TrainingFeatures, name: str, found: Prices, sizes: Sequence[int], gain: float, clock: BudgetClock
) -> list[Plan]:
    """All plans of a rung, at sizes up to that at which heads do best."""
    images, _ = set_apart(features)
    epochs, in_all = features.options.finetune.config.epochs, len(features.dataset)
    made = plans(name, found, sizes, epochs=epochs, images=images, in_all=in_all, gain=gain)
    spent = clock.spent * found.share
    return [replace(each, budget=max(clock.budget, spent + each.seconds)) for each in made]


def tuned(
    features: TrainingFeatures,
    plan: Plan,
    start: Trained,
    seconds: float,
    announce: Announce,
    cache: AdviceCache | None,
) -> Finetuned:
    """Fine-tune as planned from a head of that size, with so many seconds for the training itself.

    The schedule is shortened to what there is time for; where there is more than was planned for, it is longer. A
    training that was broken off is gone on with.
    """
    from topwork.train import CheckpointError, remove_checkpoints

    options = features.options.finetune
    config = options.config.model_copy(update={"budget_seconds": max(1.0, seconds)})
    place = cache.training(f"{plan.stages}-{plan.size}") if cache else None
    options = replace(options, config=config, unfreeze=plan.stages, checkpoint=place)
    judged = features.table(start.spec.size)  # images that only measure the model need no features for this
    table = features.whole(start.spec) if _val_judges(features) else judged.keep(start.spec.outputs(judged.backbone))
    probe = probe_of(table, start.fitted, ())
    broken_off = place is not None and any(place.glob("checkpoint-*"))
    try:
        found = finetune(features.dataset, probe, replace(options, resume=broken_off), announce=announce)
    except CheckpointError:  # of another training, or damaged
        if not broken_off or place is None:
            raise
        remove_checkpoints(place)
        found = finetune(features.dataset, probe, options, announce=announce)
    if place is not None and not any(INTERRUPTED in note for note in found.notes):
        remove_checkpoints(place)
    return found


def rung_of(found: Finetuned, spec: FeatureSpec, name: str, seconds: float, milliseconds: float) -> Rung:
    """What a fine-tuning has shown on the images that judged it."""
    both = _compared(found)
    if both is None:
        return Rung(name, "finetune", seconds=seconds, note="no epoch was finished")
    tried = both[1]
    assert tried.accuracy is not None
    return Rung(
        name=name,
        strategy="finetune",
        detail=f"{tried.answer}, {spec.size} px, {spec.crop_mode}",
        accuracy=expected(tried.accuracy, tried.images),
        log_loss=tried.log_loss,
        images=tried.images,
        measured="held out",
        seconds=seconds,
        milliseconds=milliseconds,
        note="" if found.strategy == "finetune" else "not clearly better than the probe on the same images",
    )


def gain(found: Finetuned) -> float | None:
    """Accuracy over that of the probe it started from, on the same images; None where no epoch was finished."""
    both = _compared(found)
    if both is None:
        return None
    before, after = both[0].accuracy, both[1].accuracy
    assert before is not None
    assert after is not None
    return after - before


def _compared(found: Finetuned) -> tuple[Trial, Trial] | None:
    """The trials of the probe and of the fine-tuning; None where no epoch was finished."""
    both = [trial for trial in found.trials if trial.question == "strategy"]
    return (both[0], both[1]) if both else None
