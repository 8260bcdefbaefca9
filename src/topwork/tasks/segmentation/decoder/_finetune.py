"""Fine-tuning: the decoder and stages of the backbone, gently, from where the frozen decoder stands (LP-FT)."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

import numpy as np

from topwork._system import freed_memory_kept
from topwork.backbones import Backbone
from topwork.data import MaskDataset
from topwork.errors import BackboneError, DataError
from topwork.tasks._classes._finetuned import notes_of, shown
from topwork.tasks._maps._settings import Orient
from topwork.tasks._maps._training import chosen_orient, stages_said, strategy_trials
from topwork.tasks._task import Announce
from topwork.tasks.segmentation._seen import Seen
from topwork.tasks.segmentation.decoder import DecoderHead
from topwork.tasks.segmentation.decoder._frozen import MEASURE, Trained, loss_of, trained
from topwork.tasks.segmentation.decoder._options import DecoderOptions, FinetuneOptions, decoder_config
from topwork.tasks.segmentation.decoder._ready import Ready, ready
from topwork.tasks.segmentation.decoder._upright import orient_trials
from topwork.tasks.segmentation.strategies._fitted import Fitted, Judged, judged
from topwork.tasks.segmentation.strategies._probe import decide_by

if TYPE_CHECKING:
    from topwork.tasks.segmentation.decoder._network import Network
    from topwork.train import TrainResult

_FIRST = 0.3  # of the time, at most, for the frozen decoder


@freed_memory_kept()
def fit_finetuned(
    dataset: MaskDataset, backbone: Backbone, options: FinetuneOptions, *, announce: Announce | None = None
) -> Fitted:
    """A decoder on the frozen backbone, then the backbone too; the better of both on the validation images is kept.

    Raises:
        DataError: The training images show fewer than two classes, or are too few to set any aside.
        BackboneError: The network has no maps that serve, or not so many stages.
        TrainError: The training cannot be made, or not resumed.
    """
    say = announce or (lambda text: None)
    with ready(dataset, backbone, options.frozen, say) as given:
        given.stages_to_train(options.unfreeze)
        began, budget = time.monotonic(), options.config.budget_seconds
        start = trained(given, frozen_options(options), say)
        if budget is not None:
            left = max(1.0, budget - (time.monotonic() - began))
            options = dataclasses.replace(options, config=options.config.model_copy(update={"budget_seconds": left}))
        return tuned(given, start, options, say)


def frozen_options(options: FinetuneOptions) -> DecoderOptions:
    """Of the training that a fine-tuning starts from; of a budget for both it has a part."""
    shared = {each.name: getattr(options.frozen, each.name) for each in dataclasses.fields(options.frozen)}
    budget = options.config.budget_seconds
    config = decoder_config(
        precision=options.config.precision, budget_seconds=None if budget is None else _FIRST * budget
    )
    return DecoderOptions(**shared, config=config)


def tuned(given: Ready, start: Trained, options: FinetuneOptions, say: Announce) -> Fitted:
    """The backbone too; the decoder on the frozen one where that is no better on the validation images."""
    from topwork.tasks.segmentation.decoder._network import Network

    count = given.stages_to_train(options.unfreeze)
    turned = orient_trials(given, DecoderHead.from_module(start.decoder))
    network = Network(given.learner, start.decoder)
    result = _trained(network, given, count, chosen_orient(turned), options, say)
    before = start.fitted.validation
    assert before is not None
    kept = dataclasses.replace(start.fitted, trials=(*turned, *start.fitted.trials), history=result.history)
    notes = (*start.fitted.notes, *notes_of(result))
    name = f"finetune {stages_said(count)}"
    if result.best_epoch == 0:
        return dataclasses.replace(
            kept, notes=(*notes, _why(f"no epoch of fine-tuning {stages_said(count)} beat its start", before))
        )
    head = given.head(network.decoder)
    seen = dataclasses.replace(given.seen, backbone=given.backbone.with_weights(network.kept_weights(given.backbone)))
    say("measuring on validation images")
    after = _judged(head, seen, given)
    better = _beats(after, before)
    told = strategy_trials(len(before.rows), ("decoder", before.iou), (name, after.iou), better=better)
    trials = (*told, *kept.trials)
    if not better:
        why = _why(f"fine-tuning {stages_said(count)} was no better in IoU", before)
        return dataclasses.replace(kept, trials=trials, notes=(*notes, why))
    deciding = decide_by(head, seen, after, options.seed)
    return Fitted(head, seen, after, deciding, "finetune", trials, result.history, notes)


def _trained(
    network: Network, given: Ready, count: int, orient: Orient, options: FinetuneOptions, say: Announce
) -> TrainResult:
    from topwork.train import train

    network.to(given.device)
    config = given.config(options.config)
    progress = say(f"training {stages_said(count)} and the decoder")
    return train(
        network,
        given.samples(given.halves.learn, given.augmentation(orient)),
        given.samples(given.halves.check),
        config,
        layers=network.layers(given.backbone, count),
        loss=loss_of(given),
        checkpoint=options.checkpoint,
        resume=options.resume,
        progress=shown(progress, config, measure=MEASURE) if progress else None,
    )


def _judged(head: DecoderHead, seen: Seen, given: Ready) -> Judged:
    """What the tuned segmenter says of the validation images, in the engine that will run it."""
    try:
        return judged(head, seen, np.sort(given.halves.check))
    except DataError as error:  # the images were read a moment ago: it is the network that says nothing
        raise BackboneError(f"the tuned network fails: {error.message}", hint="try a lower learning rate") from error


def _beats(one: Judged, other: Judged) -> bool:
    return one.iou > other.iou


def _why(what: str, judged_by: Judged) -> str:
    return f"{what} on {len(judged_by.rows)} validation images, so the frozen backbone is kept"
