"""The one pass: read, split, extract, train, evaluate, and write down everything that is needed to repeat it."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import os
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from topwork._version import __version__
from topwork.advising import AdviceOptions, Clock, Fitted, climb
from topwork.backbones import DEFAULT, Backbone
from topwork.checking import ABOUT_FILES, Checkup
from topwork.data import ImageDataset, LeftOut, printable
from topwork.errors import DataError
from topwork.fitting._asked import as_json
from topwork.fitting._held_out import contents
from topwork.fitting._prepare import loaded, prepared
from topwork.heads import BlendHead, LinearHead, MappedHead, TextHead
from topwork.metrics import LEVELS, abstention_thresholds, conformal_thresholds
from topwork.model import (
    DataRecord,
    EngineRecord,
    MappingRecord,
    Model,
    ModelRecord,
    SelectiveRecord,
    TrialRecord,
    WordsRecord,
)
from topwork.strategies import (
    Announce,
    AsIs,
    AsIsOptions,
    Finetuned,
    FinetuneOptions,
    ProbeOptions,
    ZeroShot,
    ZeroShotOptions,
    finetune,
    fit_as_is,
    fit_best_probe,
    fit_zero_shot,
    novelty_of,
    training_rows,
)
from topwork.train import first_alone

Strategy = Literal["auto", "probe", "finetune", "as-is", "zero-shot"]
OwnOptions = ProbeOptions | FinetuneOptions | AsIsOptions | ZeroShotOptions
Options = AdviceOptions | OwnOptions

_NOTED = ("imbalance", *ABOUT_FILES)
_NAMED = 10  # files left out that the notes name
_LIBRARIES = ("numpy", "openvino", "pillow", "simplejpeg", "timm", "torch")


def fit(
    data: str | os.PathLike[str] | ImageDataset,
    *,
    strategy: Strategy = "auto",
    backbone: str | Backbone | Sequence[str | Backbone] = DEFAULT,
    options: Options | None = None,
    test: float = 0.2,
    allow: Collection[str] = (),
    announce: Announce | None = None,
    vetted: Callable[[Checkup], None] | None = None,
) -> Model:
    """Train a classifier on labelled images and measure it on images that it has not seen.

    Args:
        data: A folder of class folders (perhaps under ``train/``, ``val/``, ``test/``), a CSV manifest, or a data set.
        strategy: Which rung of the ladder; ``auto`` climbs it until the next rung is not expected to gain more than it
            costs (``advise``). ``finetune`` trains the top of the backbone too and keeps the probe where that is no
            worse; ``as-is`` and ``zero-shot`` train nothing.
        backbone: A name that ``load_backbone`` takes, or a backbone; or several, of which cross-validation on the
            training split keeps the best.
        options: Of the strategy: ``AdviceOptions`` for ``auto``, ``ProbeOptions`` for ``probe``, ``FinetuneOptions``
            for ``finetune``, ``AsIsOptions`` for ``as-is``, ``ZeroShotOptions`` for ``zero-shot``.
        test: Share of the images to hold out where the data has no ``test`` or ``val`` split; 0 holds none out. Copies
            and near copies of one picture stay on one side, there and in cross-validation.
        allow: Names of findings that would stop the fit, such as ``leakage``, to train in spite of.
        announce: Called with each step's name; may give a progress callback for it.
        vetted: Called with what the data doctor found, before anything is trained.

    Returns:
        The model, not yet saved. ``model.metrics`` tells how it did on the held-out images.

    Raises:
        DataError: The data cannot be used to train a classifier, or would make its figures untrue.
        BackboneError: The backbone is unknown or its weights are not to be had.
    """
    chosen = _options(strategy, options)
    clock = Clock(chosen.budget_seconds) if isinstance(chosen, AdviceOptions) else None
    checkup, dataset = prepared(data, test=test, seed=chosen.seed, allow=allow, announce=announce)
    if vetted is not None:
        vetted(checkup)
    networks = loaded(backbone)
    if isinstance(chosen, AdviceOptions):
        climbed = climb(dataset, networks, chosen, clock=clock, announce=announce)
        fitted, advice = climbed.fitted(), climbed.advice.to_dict()
    else:
        fitted, advice = _fitted(dataset, networks, chosen, announce), None
    held_out = dataset.held_out_split
    asked = {"strategy": strategy, "test": test, "allow": sorted(allow), **as_json(chosen)}
    record = _record(checkup, fitted, held_out, chosen.seed).model_copy(update={"advice": advice, "asked": asked})
    if held_out and not checkup.dataset.held_out_split:
        record = _with_split(record, test, checkup, dataset.split(held_out))
    history = [epoch.model_dump() for epoch in fitted.history] if isinstance(fitted, Finetuned) else []
    novelty = novelty_of(fitted.table, fitted.out_of_fold, chosen.seed)
    model = Model(record, fitted.head, fitted.table.backbone, history, novelty, _trained(fitted))
    return _measured(model, fitted, held_out, chosen.seed) if held_out else model


def _options(strategy: str, options: Options | None) -> Options:
    """The strategy's own options.

    Raises:
        DataError: There is no such strategy, or these are another one's options.
    """
    kinds: dict[str, type[Options]] = {
        "auto": AdviceOptions,
        "probe": ProbeOptions,
        "finetune": FinetuneOptions,
        "as-is": AsIsOptions,
        "zero-shot": ZeroShotOptions,
    }
    if strategy not in kinds:
        raise DataError(f"strategy must be one of {', '.join(kinds)}, not {strategy!r}")
    kind = kinds[strategy]
    if not isinstance(options, kind | None):
        raise DataError(f"strategy {strategy} takes {kind.__name__}, not {type(options).__name__}")
    return options or kind()


def _fitted(
    dataset: ImageDataset,
    networks: Sequence[Backbone],
    options: OwnOptions,
    announce: Announce | None,
) -> Fitted:
    if isinstance(options, ProbeOptions):
        return fit_best_probe(dataset, networks, options, announce=announce)
    if isinstance(options, FinetuneOptions):
        with first_alone():
            probe = fit_best_probe(dataset, networks, options.probe, announce=announce)
        return finetune(dataset, probe, options, announce=announce)
    if len(networks) != 1:
        name = "as-is" if isinstance(options, AsIsOptions) else "zero-shot"
        raise DataError(f"{name} takes one backbone, not {len(networks)}", hint="nothing is trained to compare them by")
    if isinstance(options, ZeroShotOptions):
        return fit_zero_shot(dataset, networks[0], options, announce=announce)
    return fit_as_is(dataset, networks[0], options, announce=announce)


def _measured(model: Model, fitted: Fitted, split: str, seed: int) -> Model:
    """The model with what its held-out images say of it."""
    table = fitted.table.split(split)
    if len(table) == 0:
        raise DataError(
            f"none of the images that are to measure the model ({split}) can be read",
            hint=_left_out(fitted.table.dataset.left_out, 1)[0],
        )
    found = model.measure(table, split=split, seed=seed)
    caution = model.record.caution
    if caution is not None:
        caution = caution.model_copy(update={"kept": tuple(each.to_dict() for each in found.selective)})
    record = model.record.model_copy(update={"metrics": found.evaluation.to_dict(), "caution": caution})
    return Model(record, model.head, model.backbone, model.history, model.novelty, model.trained, found)


def _trained(fitted: Fitted) -> npt.NDArray[np.uint64] | None:
    """Digests of the images that the model has learnt from, validation images that chose its epoch included."""
    rows = training_rows(fitted.table)
    if fitted.out_of_fold is not None and fitted.out_of_fold.source == "validation":
        rows = np.union1d(rows, fitted.out_of_fold.rows)
    digests = fitted.table.digests
    return None if digests is None else np.unique(digests[rows])


def _caution(fitted: Fitted) -> SelectiveRecord | None:
    """From which probability on to answer; None where no images are there to tell."""
    out_of_fold = fitted.out_of_fold
    if out_of_fold is None:
        return None
    labels = fitted.table.dataset.labels[out_of_fold.rows]
    return SelectiveRecord(
        source=out_of_fold.source,
        images=len(labels),
        levels=LEVELS,
        sets=conformal_thresholds(out_of_fold.probabilities, labels),
        answers=abstention_thresholds(out_of_fold.probabilities, labels),
    )


def _left_out(items: Sequence[LeftOut], named: int) -> list[str]:
    """A note on each of the first files that could not be used, and one on how many more there are."""
    notes = [f"left out: {printable(item.path)}: {item.reason}" for item in items[:named]]
    return [*notes, f"left out: {len(items) - named} more"] if len(items) > named else notes


def _found(checkup: Checkup) -> list[str]:
    """A note on each finding that a person should know of; an imbalance and files left out have one already."""
    told = [found for found in checkup.findings if found.severity != "note" and found.name not in _NOTED]
    return [f"{found.name}: {found.what}" for found in told]


def _evidence(fitted: Fitted) -> dict[str, Any]:
    """What a record tells of one strategy and not of the others."""
    if isinstance(fitted, AsIs):
        mapping = MappingRecord(way=fitted.way, covers=fitted.covers)
        return {"strategy": "as-is", "cross_validation": {}, "trials": (), "mapping": mapping}
    scores = {"accuracy": fitted.cv_accuracy, "log_loss": fitted.cv_log_loss}
    return {
        "strategy": fitted.strategy if isinstance(fitted, Finetuned | ZeroShot) else "probe",
        "cross_validation": {name: value for name, value in scores.items() if value is not None},
        "trials": tuple(TrialRecord(**dataclasses.asdict(trial)) for trial in fitted.trials),
        "words": _words(fitted) if isinstance(fitted, ZeroShot) else None,
    }


def _words(fitted: ZeroShot) -> WordsRecord:
    source, revision, sha256 = fitted.source
    return WordsRecord(source=source, revision=revision, sha256=sha256, prompts=fitted.prompts)


def _told(fitted: Fitted) -> Sequence[str]:
    """What the strategy itself has to say."""
    if isinstance(fitted, AsIs):
        return [f"a map was learnt, since {fitted.reason}"] if fitted.reason else []
    if isinstance(fitted, ZeroShot):
        return [fitted.reason] if fitted.reason else []
    return fitted.notes if isinstance(fitted, Finetuned) else ()


def _with_split(record: ModelRecord, share: float, checkup: Checkup, held_out: ImageDataset) -> ModelRecord:
    """The record with what tells the held-out images again when the same data is given (``held_out_again``)."""
    split = {
        "held_out_share": share,
        "held_out_fingerprint": held_out.fingerprint(),
        "held_out_contents": contents(checkup, held_out),
    }
    return record.model_copy(update={"data": record.data.model_copy(update=split)})


def _record(checkup: Checkup, fitted: Fitted, held_out: str, seed: int) -> ModelRecord:
    given, used = checkup.dataset, fitted.table.dataset
    told = _told(fitted)
    return ModelRecord(
        classes=used.classes,
        **_evidence(fitted),
        backbone=fitted.table.backbone.to_dict(),
        outputs=fitted.table.outputs,
        engine=EngineRecord(**dataclasses.asdict(fitted.table.choice)),
        head=fitted.head.kind,
        calibration={"temperature": fitted.head.temperature}
        if isinstance(fitted.head, LinearHead | MappedHead | TextHead | BlendHead)
        else {},
        metrics=None,
        caution=_caution(fitted),
        data=DataRecord(
            fingerprint=given.fingerprint(),
            training=tuple(used.split("train").counts().tolist()),
            held_out=len(used.split(held_out)) if held_out else 0,
            held_out_split=held_out,
            left_out=len(used.left_out),
            notes=(*given.notes, *told, *_found(checkup), *_left_out(used.left_out, _NAMED)),
        ),
        seed=seed,
        versions=versions(),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def versions() -> dict[str, str]:
    """Of topwork and of the libraries that a model's figures depend on."""
    return {"topwork": __version__, **{name: importlib.metadata.version(name) for name in _LIBRARIES}}
