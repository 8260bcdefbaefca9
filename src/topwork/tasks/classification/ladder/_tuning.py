"""The rungs of fine-tuning: whether there is time, from where to start, and what came of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from topwork.advising import FeatureSpec, Rung, Trial, expected
from topwork.tasks._task import Announce
from topwork.tasks.classification.ladder._advice_cache import AdviceCache
from topwork.tasks.classification.ladder._candidates import Trained
from topwork.tasks.classification.ladder._training_features import TrainingFeatures
from topwork.tasks.classification.strategies import INTERRUPTED, Finetuned, finetune, probe_of, validation_share

if TYPE_CHECKING:
    from topwork.tasks.classification.strategies._tunable import Unfreeze

# What a training image costs against one that the engine extracts: forward and back through the last stages in float32,
# against one pass (Lite0's last five stages at 320 pixels: 4.2). It only has to be near, since the schedule fits the
# time that there is.
_STEP_COST = 4.5
_PASSES = 3  # over all images beside the training: into the square, settling, the tuned network's features
_OPENING = 15.0  # seconds until a tuned network is converted, proved and compiled
_LEAST = 30.0  # seconds of training, below which none is begun
_LEAST_EPOCHS = 3  # below which none is begun: after two, cloth was named worse (76 %) than by the probe (94 %)
_SPARE = 0.1  # share of the time that is left which is kept for what is slower than measured


class Plan(NamedTuple):
    """A fine-tuning that has not begun; times are in seconds."""

    unfreeze: Unfreeze
    size: int  # side of the network's input in pixels
    images: int  # that it would learn from
    judges: int
    left: float  # of the budget
    seconds: float  # that it would take, as far as there is time
    needed: float  # for the least of it
    beside: float  # for what comes beside the training itself


def set_apart(features: TrainingFeatures) -> tuple[int, int]:
    """Images that a fine-tuning would learn from, and those that would judge it: ``val``, or a share of them."""
    splits, images = features.dataset.splits, len(features.train)
    if features.dataset.held_out_split == "test" and (splits == "val").any():
        return images, int((splits == "val").sum())
    judges = round(validation_share(images, features.options.finetune) * images)
    return images - judges, judges


def plan(features: TrainingFeatures, unfreeze: Unfreeze, sizes: list[int], left: float) -> Plan:
    """Plan a fine-tuning at the largest of several sizes that there is time for.

    A larger input for a few epochs is worth more than a smaller one for many, where heads already do better on it:
    cloth, 1,000 images, three epochs at 320 pixels 100 %, eight at 224 pixels 97.6 %.

    Sizes are sides of the network's input, the smallest first, up to that at which heads do best; ``left`` is what is
    left of the budget, in seconds.
    """
    options = features.options.finetune
    images, judges = set_apart(features)
    plans = []
    for size in sizes:
        each = features.seconds_an_image(size)
        rest = _SPARE * left + _OPENING + _PASSES * len(features.dataset) * each
        epoch = images * each * _STEP_COST
        whole = rest + options.config.epochs * epoch
        needed = min(whole, rest + max(_LEAST, _LEAST_EPOCHS * epoch))
        plans.append(Plan(unfreeze, size, images, judges, left, min(left, whole), needed, rest))
    enough = [one for one in plans if one.needed <= left]
    return enough[-1] if enough else plans[0]


def tuned(
    features: TrainingFeatures,
    planned: Plan,
    start: Trained,
    left: float,
    announce: Announce,
    cache: AdviceCache | None,
) -> Finetuned:
    """Fine-tune as planned from a head of that size, in the seconds that are left now that there is such a head.

    A training that was broken off is gone on with.
    """
    from topwork.train import CheckpointError, remove_checkpoints

    options = features.options.finetune
    config = options.config.model_copy(update={"budget_seconds": max(1.0, left - planned.beside)})
    place = cache.training(f"{planned.unfreeze}-{planned.size}") if cache else None
    options = replace(options, config=config, unfreeze=planned.unfreeze, checkpoint=place)
    probe = probe_of(features.whole(start.spec), start.fitted, ())
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
