"""From what the strategy gave to a measured recogniser: one record, one model."""

from __future__ import annotations

import dataclasses
from typing import Any

from topwork.errors import DataError
from topwork.model import ModelRecord
from topwork.tasks._task import RecordOf
from topwork.tasks.recognition._fit import Recognised, sound_rows
from topwork.tasks.recognition._measured import Judged, measured
from topwork.tasks.recognition._model import Recognizer
from topwork.tasks.recognition._record import PromiseRecord, RecognitionRecord


def model_of(fitted: Recognised, record_of: RecordOf, split: str, seed: int) -> Recognizer:
    """A recogniser with what identities that were held out say of it; ``Task.model_of`` tells the arguments.

    Raises:
        DataError: The held-out identities make no pair, or a name cannot be one in the gallery.
    """
    judged = _judged(fitted, split, seed) if split else None
    train = fitted.table.split("train")
    block = RecognitionRecord(
        name="recognition",
        identities=int((train.dataset.counts() > 0).sum()),
        weights=fitted.table.backbone.weights.sha256,
        finder=fitted.finder.facts() if fitted.finder else None,
        promise=PromiseRecord(**dataclasses.asdict(fitted.promise)),
        metrics=judged.evaluation.to_dict() if judged else None,
    )
    record = _without_names(record_of(block), fitted.notes)
    model = Recognizer(record, fitted.projection, fitted.table.backbone, finder=fitted.finder, held_out=judged)
    if fitted.enroll:
        dataset, sound = fitted.table.dataset, sound_rows(fitted.table)
        names = [dataset.classes[label] for label in dataset.labels[sound].tolist()]
        model.gallery.add_all(names, fitted.projection.embed(fitted.table.values[sound]))
    return model


def _judged(fitted: Recognised, split: str, seed: int) -> Judged:
    table = fitted.table.split(split)
    if not len(table):
        raise DataError(f"none of the test images ({split}) can be read")
    embeddings = fitted.projection.embed(table.values)
    figures, _ = measured(table, embeddings, fitted.promise.threshold, own=fitted.own.split(split), seed=seed)
    return Judged(figures)  # without the images: the page of a fit shows nobody


def _without_names(record: ModelRecord[Any], notes: tuple[str, ...]) -> ModelRecord[Any]:
    """The record with the strategy's notes alone: those on the data name identities, and files that are called like
    them.
    """
    data = record.data
    return record.model_copy(update={"data": data.model_copy(update={"notes": notes})})
