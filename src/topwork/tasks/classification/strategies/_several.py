"""Several backbones: a probe on each, and the one whose cross-validation is best."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from topwork.advising import Trial
from topwork.backbones import Backbone
from topwork.data import ImageDataset
from topwork.errors import DataError
from topwork.tasks._task import Announce
from topwork.tasks.classification.strategies._probe import Probe, ProbeOptions, fit_probe


def fit_best_probe(
    dataset: ImageDataset, backbones: Sequence[Backbone], options: ProbeOptions, *, announce: Announce | None = None
) -> Probe:
    """Fit a probe on every backbone and keep the one with the lowest out-of-fold log loss.

    Only the best probe so far is held, so memory does not grow with their number. Its trials tell of all backbones.

    Args:
        dataset: With a split ``train``.
        backbones: One or more; one is not compared with anything.
        options: For each of them.
        announce: As for ``fit_probe``; what it is told names the backbone where there are several.

    Raises:
        DataError: A backbone comes twice, or there is no cross-validation to compare several by: the head is kNN, or
            the images are too few.
    """
    if len(backbones) == 1:
        return fit_probe(dataset, backbones[0], options, announce=announce)
    _require_comparable(backbones, options)
    best: Probe | None = None
    trials: list[Trial] = []
    for backbone in backbones:
        probe = fit_probe(dataset, backbone, options, announce=_naming(backbone, announce))
        images = len(probe.table.split("train"))
        trials.append(Trial("backbone", backbone.name, images, probe.cv_accuracy, probe.cv_log_loss, chosen=False))
        if best is None or _loss(probe) < _loss(best):
            best = probe
        del probe
    assert best is not None
    name = best.table.backbone.name
    told = tuple(dataclasses.replace(trial, chosen=trial.answer == name) for trial in trials)
    return dataclasses.replace(best, trials=(*told, *best.trials))


def _require_comparable(backbones: Sequence[Backbone], options: ProbeOptions) -> None:
    names = [backbone.name for backbone in backbones]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        raise DataError(f"backbone {twice[0]} comes twice" if twice else "no backbone was named")
    if options.head == "knn":
        raise DataError("several backbones are compared by cross-validation, which kNN does without", hint="name one")


def _loss(probe: Probe) -> float:
    if probe.cv_log_loss is None:
        raise DataError("too few training images to compare backbones by cross-validation", hint="name one backbone")
    return probe.cv_log_loss


def _naming(backbone: Backbone, announce: Announce | None) -> Announce | None:
    return None if announce is None else lambda text: announce(f"{backbone.name}: {text}")
