"""The one pass: read, vet, split, extract, train, evaluate, and write down all that is needed to repeat it."""

from __future__ import annotations

import dataclasses
import datetime
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from topwork._text import first_of
from topwork.advising import Advice
from topwork.backbones import AnyBackbone
from topwork.checking import ABOUT_FILES, Checkup
from topwork.data import ImageDataset, LeftOut, printable
from topwork.errors import DataError
from topwork.fitting._folds import dealt, measured_on_folds
from topwork.fitting._prepare import contents, loaded, prepared
from topwork.model import (
    Classifier,
    DataRecord,
    EngineRecord,
    Model,
    ModelRecord,
    TaskRecord,
    TrialRecord,
    neighbours_of,
    versions,
)
from topwork.tasks import Announce, Climb, Fitted, Run, Task, caches, told_by
from topwork.tasks import task as find_task

_NOTED = ("imbalance", *ABOUT_FILES)
_NAMED = 10  # files left out that the notes name
_TEST = 0.2  # share of the images that is held out
_OF_ONE_RUN = {"checkpoint", "resume", "offline", "describe"}  # they change nothing in the model that comes out


def fit(
    data: str | os.PathLike[str] | ImageDataset,
    *,
    task: str | Task | None = None,
    strategy: str = "auto",
    backbone: str | AnyBackbone | Sequence[str | AnyBackbone] | None = None,
    options: Any = None,
    test: float = _TEST,
    allow: Collection[str] = (),
    cv: int | None = None,
    thumbnails: bool = False,
    announce: Announce | None = None,
    vetted: Callable[[Checkup], None] | None = None,
    climbed: Climb | None = None,
    **decision: Any,
) -> Model:
    """Train a model on labelled data and measure it on data that it has not seen.

    Args:
        data: A folder of class folders (perhaps under ``train/``, ``val/``, ``test/``), a CSV manifest, or a data set;
            for objects what ``topwork.read_boxes`` takes: COCO JSON, Pascal VOC, YOLO, a table.
        task: What is to be learnt; told by the data when None: texts are of the task ``text``, boxes of ``detection``.
        strategy: Which rung of the ladder; ``auto`` climbs it until the next rung is not expected to gain more than it
            costs (``advise``). ``finetune`` trains the top of the backbone too and keeps the probe where that is no
            worse; ``scratch`` trains the same network from random weights; ``as-is`` and ``zero-shot`` train nothing.
        backbone: A name that the task's ``load`` takes, or a backbone; the task's default when None; or several, of
            which cross-validation on the training split keeps the best.
        options: Of the strategy: ``AdviceOptions`` for ``auto``, ``ProbeOptions`` for ``probe``, ``FinetuneOptions``
            for ``finetune``, ``ScratchOptions`` for ``scratch``, ``AsIsOptions`` for ``as-is``, ``ZeroShotOptions`` for
            ``zero-shot``.
        test: Share of the images to hold out where the data has no ``test`` or ``val`` split; 0 holds none out. Copies
            and near copies of one picture stay on one side, there and in cross-validation.
        allow: Names of findings that would stop the fit, such as ``leakage``, to train in spite of.
        cv: Number of folds on which the whole fit is done again to measure it; None does without. Its figures are the
            recipe's, since each fold chooses for itself; the model is fitted as without. It takes ``cv`` times as long
            again, but for features, which come from the cache.
        thumbnails: Whether small pictures of training images are kept with the model, so that ``model.nearest`` finds
            those that are most like a new image. Whoever gets the model sees them.
        announce: Called with each step's name; may give a progress callback for it.
        vetted: Called with what the data doctor found, before anything is trained.
        climbed: Called with each rung of the ladder, measured or not, as soon as it is known.
        **decision: How the model decides on an answer, whatever the strategy: the fields of ``Task.decision``. Of
            classification ``min_recall={"defect": 0.99}``, ``min_precision`` or ``cost={("defect", "ok"): 10}``
            (``DecisionOptions``); of detection ``recall=0.95`` (``ThresholdOptions``).

    Returns:
        The model, not yet saved: a ``Classifier``, or of boxes a ``tasks.detection.Detector``; its ``metrics`` tell how
        it did on the held-out images.

    Raises:
        DataError: The data cannot be used to train a model, or would make its figures untrue.
        BackboneError: The backbone is unknown or its weights are not available.
    """
    run, room = Run(announce, climbed=climbed), find_task(task or told_by(data))
    if thumbnails and not issubclass(room.model, Classifier):
        raise DataError(f"models of the task {room.name} keep no thumbnails", hint="leave out --thumbnails")
    rung = room.strategy(strategy)
    chosen, decided = rung.checked(options), room.decided(decision)
    checkup, dataset = prepared(
        data, room, test=test, seed=chosen.seed, allow=allow, cache=caches(chosen), announce=announce
    )
    for each in decided:
        each.require(dataset)
    folds = None if cv is None else dealt(checkup, dataset, room, cv, chosen.seed)
    if vetted is not None:
        vetted(checkup)
    networks = loaded(backbone, room)
    wanted = {"cv": cv, "thumbnails": thumbnails or None}
    asked = {"strategy": strategy, "test": test, "allow": sorted(allow)}
    asked |= {name: value for name, value in wanted.items() if value is not None}
    rules = {name: as_json(value) for each in decided for name, value in vars(each).items() if value}

    def fit_one(parted: ImageDataset, options: Any, run: Run, *, thumbnails: bool = False) -> Model:
        fitted: Fitted = rung.fit(parted, networks, options, run)
        if run.announce is not None:
            run.announce("measuring the model")
        split = parted.held_out_split
        facts: dict[str, Any] = {
            "data": _data(checkup, fitted, split, parted, test),
            "seed": options.seed,
            "options": {**asked, **as_json(options), **rules},
        }
        model: Model = room.model_of(fitted, lambda block: _record(block, fitted, facts), split, options.seed, *decided)
        if thumbnails:
            _keep_thumbnails(model, fitted, run, options.seed)
        return model

    model = fit_one(dataset, chosen, run, thumbnails=thumbnails)
    if folds is not None and rung.was_broken_off(model.record):
        model.record = _with(model.record, {}, ("training was interrupted, so there was no cross-validation",))
    elif folds is not None:
        took = time.perf_counter() - run.began
        found, notes = measured_on_folds(folds, room, rung, fit_one, chosen, announce, took)
        model.record = _with(model.record, found, notes)
    return model


def advise(
    data: str | os.PathLike[str] | ImageDataset,
    *,
    task: str | Task | None = None,
    backbone: str | AnyBackbone | Sequence[str | AnyBackbone] | None = None,
    options: Any = None,
    test: float = _TEST,
    allow: Collection[str] = (),
    announce: Announce | None = None,
) -> Advice:
    """How much of a pretrained network to keep, measured on the training split alone.

    ``fit`` with the same arguments holds the same images out, and finds in the cache what this has computed.

    Args:
        data: What ``fit`` takes.
        task: What is to be learnt; told by the data when None.
        backbone: One, or several to choose from.
        options: The budget, and what all rungs share: ``AdviceOptions``.
        test: Share to hold out where the data is not split; those images take no part in the advice.
        allow: Names of findings that would stop it, to go on in spite of.
        announce: Called with each step's name; may give a progress callback for it.

    Raises:
        DataError: The data cannot be used to train a model, or would make its figures untrue.
        BackboneError: The backbone is unknown or its weights are not available.

    Example:
        >>> advice = topwork.advise("photos/")  # doctest: +SKIP
        >>> advice.chosen.name, advice.chosen.accuracy  # doctest: +SKIP
    """
    run, room = Run(announce), find_task(task or told_by(data))
    strategy = next((each for each in room.strategies() if each.advise is not None), None)
    if strategy is None or strategy.advise is None:
        raise DataError(f"the task {room.name} does not compare strategies", hint="choose a strategy for fit")
    chosen = strategy.checked(options)
    dataset = prepared(
        data, room, test=test, seed=chosen.seed, allow=allow, cache=caches(chosen), announce=announce
    ).dataset
    return strategy.advise(dataset, loaded(backbone, room), chosen, run)


def _with(record: ModelRecord[Any], found: Mapping[str, Any], notes: Sequence[str]) -> ModelRecord[Any]:
    """The record with more fields of the task's block, as what the folds said, and more notes."""
    data = record.data.model_copy(update={"notes": (*record.data.notes, *notes)})
    return record.model_copy(update={"task": record.task.model_copy(update=dict(found)), "data": data})


def _keep_thumbnails(model: Model, fitted: Fitted, run: Run, seed: int) -> None:
    assert isinstance(model, Classifier)
    if run.announce is not None:
        run.announce("thumbnails")
    try:
        model.neighbours = found = neighbours_of(fitted.table, seed)
        note = (
            f"thumbnails of {len(found):,} of {model.record.data.training:,} training {model.thing}s are in the "
            f"model's folder ({found.size / 1e6:.1f} MB): whoever gets the model sees them"
        )
    except DataError as error:  # the model is good without
        note = f"no thumbnails: {error.message}"
    model.record = _with(model.record, {}, (note,))


def _record(block: TaskRecord, fitted: Fitted, facts: Mapping[str, Any]) -> ModelRecord[Any]:
    """All that is to be known of a model: the task's block, what the strategy gave, what was asked of which data."""
    kind: Any = ModelRecord[type(block)]  # type: ignore[misc]
    record: ModelRecord[Any] = kind(
        task=block,
        strategy=fitted.strategy,
        backbone=fitted.table.backbone.to_dict(),
        outputs=fitted.table.outputs,
        engine=EngineRecord(**dataclasses.asdict(fitted.table.choice)),
        head=fitted.head_kind,
        cross_validation=dict(fitted.cross_validation),
        trials=tuple(TrialRecord(**dataclasses.asdict(trial)) for trial in fitted.trials),
        advice=fitted.advice.to_dict() if fitted.advice else None,
        versions=versions(),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **facts,
    )
    return record


def _data(checkup: Checkup, fitted: Fitted, split: str, dataset: ImageDataset, share: float) -> DataRecord:
    """What made the model; where images were set aside, with what tells them again (``held_out_again``)."""
    given, used = checkup.dataset, fitted.table.dataset
    set_aside: dict[str, Any] = {}
    if split and not given.held_out_split:
        held_out = dataset.split(split)
        set_aside = {
            "held_out_share": share,
            "held_out_fingerprint": held_out.fingerprint(),
            "held_out_contents": contents(checkup, held_out),
        }
    return DataRecord(
        fingerprint=given.fingerprint(),
        training=len(used.split("train")),
        held_out=len(used.split(split)) if split else 0,
        held_out_split=split,
        left_out=len(used.left_out),
        notes=(*given.notes, *fitted.notes, *_found(checkup), *_left_out(used.left_out)),
        **set_aside,
    )


def _found(checkup: Checkup) -> list[str]:
    """A note on each finding that a person should know of; an imbalance and files left out have one already."""
    told = [found for found in checkup.findings if found.severity != "note" and found.name not in _NOTED]
    return [f"{found.name}: {found.what}" for found in told]


def _left_out(items: Sequence[LeftOut]) -> list[str]:
    """A note on each of the first files that could not be used, and one on how many more there are."""
    notes = [f"left out: {printable(item.path)}: {item.reason}" for item in items]
    return first_of(notes, _NAMED, "left out: {} more")


def default_options(record: ModelRecord[Any]) -> dict[str, Any]:
    """What the record's options would be without a wish of the user's; empty where its strategy is not known here."""
    room = find_task(record.task.name)
    try:
        rung = room.strategy(str(record.options.get("strategy")))
    except DataError:
        return {}
    return {"strategy": room.strategies()[0].name, "test": _TEST, "allow": [], **as_json(rung.options())}


def as_json(options: Any) -> Any:
    """Options as plain JSON, so that a model tells what was asked for; without what is of one run alone."""
    if isinstance(options, BaseModel):
        return options.model_dump(mode="json")
    if dataclasses.is_dataclass(options):
        names = [field.name for field in dataclasses.fields(options) if field.name not in _OF_ONE_RUN]
        return {name: as_json(getattr(options, name)) for name in names}
    if isinstance(options, Mapping):
        return {str(name): as_json(value) for name, value in options.items()}
    if isinstance(options, Sequence) and not isinstance(options, str):
        return [as_json(value) for value in options]
    return options if options is None or isinstance(options, bool | int | float | str) else str(options)
