"""Fine-tuning: the head and stages of the backbone, gently, from where the probe stands (LP-FT)."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from topwork._system import freed_memory_kept
from topwork.advising import Trial
from topwork.backbones import Backbone, DetectorNetwork
from topwork.data import BoxDataset
from topwork.errors import BackboneError
from topwork.features import FeatureTable, Progress, extract
from topwork.tasks._classes._finetuned import notes_of, shown
from topwork.tasks._maps._settings import Orient
from topwork.tasks._maps._training import chosen_orient, stages_said, strategy_trials
from topwork.tasks._task import Announce
from topwork.tasks.detection.network import DetectorHead
from topwork.tasks.detection.strategies._fitted import Fitted, Judged, judged
from topwork.tasks.detection.strategies._options import FinetuneOptions, ProbeOptions, probe_config
from topwork.tasks.detection.strategies._probe import Probed, probed
from topwork.tasks.detection.strategies._ready import Ready, ready
from topwork.tasks.detection.strategies._upright import orient_trials
from topwork.train import first_alone

if TYPE_CHECKING:
    from topwork.tasks.detection.strategies._detector import Detector
    from topwork.train import TrainResult


@freed_memory_kept()
def fit_finetuned(
    dataset: BoxDataset, backbone: Backbone, options: FinetuneOptions, *, announce: Announce | None = None
) -> Fitted:
    """A probe, and then its backbone too; the better of both on the validation images is kept.

    Raises:
        DataError: No training image has an object, or too few images to set any aside.
        BackboneError: The network has no maps that serve, or not so many stages.
        TrainError: The training cannot be made, or not resumed.
    """
    say = announce or (lambda text: None)
    if isinstance(backbone, DetectorNetwork):
        from topwork.tasks.detection.strategies._candidates import fit_candidates
        from topwork.tasks.detection.strategies._whole import fit_whole, require_whole

        require_whole(backbone, options)
        layer = fit_candidates(dataset, backbone, probe_options(options), say)
        return fit_whole(layer.table, layer, options, say)
    with ready(dataset, backbone, options.probe, say) as given:
        given.stages_to_train(options.unfreeze)
        with contextlib.ExitStack() as maps:
            probe = probed(given, probe_options(options), say, maps)
        return tuned(given, probe, options, say).fitted


def probe_options(options: FinetuneOptions) -> ProbeOptions:
    """Of the probe that a fine-tuning starts from."""
    shared = {each.name: getattr(options.probe, each.name) for each in dataclasses.fields(options.probe)}
    return ProbeOptions(**shared, config=probe_config(precision=options.config.precision))


class Tuned(NamedTuple):
    """What is kept, and what the tuned detector says of the validation images; None where no epoch beat the start."""

    fitted: Fitted
    validation: Judged | None


def tuned(given: Ready, probe: Probed, options: FinetuneOptions, say: Announce) -> Tuned:
    """Train stages from a probe on, and keep the probe where that is no better."""
    from topwork.tasks.detection.strategies._detector import Detector

    count = given.stages_to_train(options.unfreeze)
    turned = orient_trials(given, probe)
    detector = Detector(given.backbone, probe.head)
    result = _trained(detector, given, count, chosen_orient(turned), options, say)
    kept = dataclasses.replace(probe.fitted, trials=(*turned, *probe.fitted.trials))
    notes = notes_of(result)
    name = f"finetune {stages_said(count)}"
    if result.best_epoch == 0:
        return _kept(kept, None, name, result, notes, f"no epoch of fine-tuning {stages_said(count)} beat its start")
    with_weights = given.backbone.with_weights(detector.kept_weights(given.backbone))
    head = DetectorHead.from_module(detector.head.cpu())
    found = _judged(head, given, with_weights)
    if not found.beats(probe.fitted.validation):
        return _kept(kept, found, name, result, notes, f"fine-tuning {stages_said(count)} was no better in AP")
    table = _extracted(given, with_weights, given.table.dataset, say("maps of the tuned network"))
    trials = (*_trials(probe.fitted, found, name, better=True), *kept.trials)
    validation = dataclasses.replace(found, rows=given.halves.check)
    return Tuned(
        Fitted(head, table, validation, "finetune", trials, result.history, (*given.notes, *notes)), validation
    )


def _trained(
    detector: Detector, given: Ready, count: int, orient: Orient, options: FinetuneOptions, say: Announce
) -> TrainResult:
    from topwork.tasks.detection.strategies._loss import DetectionLoss
    from topwork.train import train

    detector.to(given.device)
    config = given.config(options.config)
    progress = say(f"training {stages_said(count)} and the head")
    return train(
        detector,
        given.samples(given.halves.learn, given.augmentation(orient)),
        given.samples(given.halves.check),
        config,
        layers=detector.layers(given.backbone, count),
        loss=DetectionLoss(given.spec),
        checkpoint=options.checkpoint,
        resume=options.resume,
        progress=shown(progress, config, measure="AP of an image") if progress else None,
    )


def _extracted(given: Ready, backbone: Backbone, dataset: BoxDataset, progress: Progress | None) -> FeatureTable:
    table = given.table
    with first_alone():
        return extract(
            dataset, backbone, outputs=table.outputs, choice=table.choice, cache=given.options.cache, progress=progress
        )


def _judged(head: DetectorHead, given: Ready, backbone: Backbone) -> Judged:
    """What the tuned detector says of the validation images, in the engine that will run it."""
    check = _extracted(given, backbone, given.table.dataset.select(given.halves.check), None)
    if len(check) < len(given.halves.check):
        raise BackboneError("the tuned network gives NaN or infinity", hint="try a lower learning rate")
    return judged(head, check, np.arange(len(check)))


def _kept(
    probe: Fitted, found: Judged | None, name: str, result: TrainResult, notes: tuple[str, ...], why: str
) -> Tuned:
    trials = () if found is None else _trials(probe, found, name, better=False)
    note = f"{why} on {len(probe.validation.found)} validation images, so the probe is kept"
    kept = dataclasses.replace(
        probe, trials=(*trials, *probe.trials), history=result.history, notes=(*probe.notes, *notes, note)
    )
    return Tuned(kept, found)


def _trials(probe: Fitted, tuned: Judged, name: str, *, better: bool) -> tuple[Trial, ...]:
    before = probe.validation
    return strategy_trials(len(before.found), ("probe", before.ap50), (name, tuned.ap50), better=better)
