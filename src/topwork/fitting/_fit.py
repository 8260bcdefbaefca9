"""The one pass: read, split, extract, train, evaluate, and write down everything that is needed to repeat it."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import os
from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np

from topwork._version import __version__
from topwork.backbones import DEFAULT, Backbone
from topwork.backbones import load as load_backbone
from topwork.checking import BLOCKING, Checkup, vet
from topwork.data import ImageDataset, LeftOut, grouped, printable, read, split
from topwork.errors import DataError
from topwork.evaluate import Evaluation, evaluate
from topwork.heads import LinearHead
from topwork.model import DataRecord, EngineRecord, Model, ModelRecord, TrialRecord
from topwork.strategies import Announce, Probe, ProbeOptions, fit_best_probe

Strategy = Literal["auto", "probe"]

_NAMED = 10  # files left out that the notes name
_LIBRARIES = ("numpy", "openvino", "pillow", "simplejpeg", "timm", "torch")


def fit(
    data: str | os.PathLike[str] | ImageDataset,
    *,
    strategy: Strategy = "auto",
    backbone: str | Backbone | Sequence[str | Backbone] = DEFAULT,
    options: ProbeOptions | None = None,
    test: float = 0.2,
    allow: Collection[str] = (),
    announce: Announce | None = None,
) -> Model:
    """Train a classifier on labelled images and measure it on images that it has not seen.

    Args:
        data: A folder of class folders (perhaps under ``train/``, ``val/``, ``test/``), a CSV manifest, or a data set.
        strategy: Which rung of the ladder; ``auto`` is a probe until advice is built.
        backbone: A name that ``load_backbone`` takes, or a backbone; or several, of which cross-validation on the
            training part keeps the best.
        options: Of the probe.
        test: Share of the images to hold out where the data has no ``test`` or ``val`` part; 0 holds none out. Copies
            and near copies of one picture stay on one side, there and in cross-validation.
        allow: Names of findings that would stop the fit, such as ``leakage``, to train in spite of.
        announce: Called with each step's name; may give a progress callback for it.

    Returns:
        The model, not yet saved. ``model.metrics`` tells how it did on the held-out images.

    Raises:
        DataError: The data cannot be used to train a classifier, or would make its figures untrue.
        BackboneError: The backbone is unknown or its weights are not to be had.
    """
    if strategy not in ("auto", "probe"):
        raise DataError(f"strategy must be auto or probe, not {strategy!r}")
    chosen = options or ProbeOptions()
    given = data if isinstance(data, ImageDataset) else read(data)
    checkup = vet(given, progress=announce("images") if announce else None)
    _require_sound(checkup, allow)
    dataset = _with_parts(grouped(given, checkup.clusters), test, chosen.seed)
    named = [backbone] if isinstance(backbone, str | Backbone) else backbone
    networks = [load_backbone(each) if isinstance(each, str) else each for each in named]
    probe = fit_best_probe(dataset, networks, chosen, announce=announce)
    held_out = dataset.held_out_part
    evaluation = _evaluation(probe, held_out, chosen.seed)
    record = _record(checkup, probe, held_out, evaluation, chosen.seed)
    return Model(record, probe.head, probe.table.backbone)


def _require_sound(checkup: Checkup, allow: Collection[str]) -> None:
    """Refuse data on which a model's figures would be a lie.

    Raises:
        DataError: There is such a finding that is not allowed, or an allowed name that is none.
    """
    for name in allow:
        if name not in BLOCKING:
            raise DataError(f"no finding that stops a fit is called {name!r}", hint=f"there are {', '.join(BLOCKING)}")
    blocking = checkup.blocking(allow)
    if blocking:
        names = " ".join(f"--allow {found.name}" for found in blocking)
        raise DataError(
            f"the model's figures would be untrue: {' '.join(found.what for found in blocking)}",
            hint=f"{blocking[0].advice}; `topwork check` shows which; {names} trains all the same",
        )


def _with_parts(dataset: ImageDataset, test: float, seed: int) -> ImageDataset:
    """The data set with a training part, and a held-out part unless none is wanted."""
    if dataset.held_out_part:
        return dataset
    if test == 0:
        return dataclasses.replace(dataset, parts=np.full(len(dataset), "train"))
    return split(dataset, test=test, seed=seed)


def _evaluation(probe: Probe, part: str, seed: int) -> Evaluation | None:
    if not part:
        return None
    table = probe.table.part(part)
    if len(table) == 0:
        raise DataError(
            f"none of the images that are to measure the model ({part}) can be read",
            hint=_left_out(probe.table.dataset.left_out, 1)[0],
        )
    probabilities = probe.head.probabilities(table.values)
    return evaluate(probabilities, table.dataset.labels, table.dataset.classes, seed=seed)


def _left_out(items: Sequence[LeftOut], named: int) -> list[str]:
    """A note on each of the first files that could not be used, and one on how many more there are."""
    notes = [f"left out: {printable(item.path)}: {item.reason}" for item in items[:named]]
    return [*notes, f"left out: {len(items) - named} more"] if len(items) > named else notes


def _found(checkup: Checkup) -> list[str]:
    """A note on each finding that a person should know of; the reader has noted an imbalance itself."""
    told = [found for found in checkup.findings if found.severity != "note" and found.name != "imbalance"]
    return [f"{found.name}: {found.what}" for found in told]


def _record(checkup: Checkup, probe: Probe, held_out: str, evaluation: Evaluation | None, seed: int) -> ModelRecord:
    given, used = checkup.dataset, probe.table.dataset
    cross_validation = {"accuracy": probe.cv_accuracy, "log_loss": probe.cv_log_loss}
    return ModelRecord(
        classes=used.classes,
        strategy="probe",
        backbone=probe.table.backbone.to_dict(),
        outputs=probe.table.outputs,
        engine=EngineRecord(**dataclasses.asdict(probe.table.choice)),
        head=probe.head.kind,
        calibration={"temperature": probe.head.temperature} if isinstance(probe.head, LinearHead) else {},
        cross_validation={name: value for name, value in cross_validation.items() if value is not None},
        trials=tuple(TrialRecord(**dataclasses.asdict(trial)) for trial in probe.trials),
        metrics=evaluation.to_dict() if evaluation else None,
        data=DataRecord(
            fingerprint=given.fingerprint(),
            training=tuple(used.part("train").counts().tolist()),
            held_out=len(used.part(held_out)) if held_out else 0,
            held_out_part=held_out,
            left_out=len(used.left_out),
            notes=(*given.notes, *_found(checkup), *_left_out(used.left_out, _NAMED)),
        ),
        seed=seed,
        versions={"topwork": __version__, **{name: importlib.metadata.version(name) for name in _LIBRARIES}},
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
