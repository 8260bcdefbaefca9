"""What comes before any strategy: read, vet, split, and find the backbones; and the same split again, later."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from topwork.backbones import AnyBackbone, Backbone, TextBackbone
from topwork.checking import BLOCKING, Checkup, require_blocking, vet
from topwork.data import ImageDataset, grouped
from topwork.errors import DataError
from topwork.model import Model
from topwork.tasks import Announce, Task
from topwork.tasks import task as find_task


class Prepared(NamedTuple):
    """A data set with splits, where copies of one picture are of one group, and what the data doctor found in it."""

    checkup: Checkup
    dataset: ImageDataset


def prepared(
    data: str | os.PathLike[str] | ImageDataset,
    task: Task,
    *,
    test: float,
    seed: int,
    allow: Collection[str],
    cache: bool,
    announce: Announce | None,
) -> Prepared:
    """Read and vet a data set, and split it; equal arguments hold the same images out.

    Raises:
        DataError: The data cannot be used to train a classifier, or would make its figures untrue.
    """
    given = task.read(data)
    examination = task.examination()
    progress = announce(f"first look at each {examination.thing}") if announce else None
    how: Any = {"examination": examination, "progress": progress, "cache": cache}
    checkup = vet(given, checks=task.quick_checks(), **how)
    _require_sound(checkup, allow, BLOCKING if task.blocking is None else task.blocking)
    return Prepared(checkup, _with_splits(grouped(given, checkup.clusters), task, test, seed))


def loaded(backbone: str | AnyBackbone | Sequence[str | AnyBackbone] | None, task: Task) -> list[Any]:
    """One backbone or several, by name or as they are; the task's default when None."""
    named = [backbone or task.backbone] if isinstance(backbone, str | Backbone | TextBackbone | None) else backbone
    return [task.load(each) if isinstance(each, str) else each for each in named]


def _require_sound(checkup: Checkup, allow: Collection[str], known: Sequence[str]) -> None:
    """Refuse data on which a model's figures would be a lie.

    Raises:
        DataError: There is such a finding that is not allowed, or an allowed name that is none.
    """
    blocking = checkup.blocking(require_blocking(allow, known=known))
    if blocking:
        names = " ".join(f"--allow {found.name}" for found in blocking)
        raise DataError(
            f"the measured accuracy would be misleading: {' '.join(found.what for found in blocking)}",
            hint=f"{blocking[0].advice}; `topwork check` shows the {checkup.things}; {names} trains anyway",
        )


def _with_splits(dataset: ImageDataset, task: Task, test: float, seed: int) -> ImageDataset:
    """The data set with a training split, and a held-out split unless none is wanted."""
    if dataset.held_out_split:
        return dataset
    if test == 0:
        return dataclasses.replace(dataset, splits=np.full(len(dataset), "train"))
    found: ImageDataset = task.split(dataset, test, seed)
    return found


def held_out_again(model: Model, dataset: ImageDataset) -> ImageDataset | None:
    """The images that ``fit`` set aside of this very data set, by doing the same split again.

    Args:
        model: Perhaps made from this data.
        dataset: Without splits, or with: then it says itself which images are held out.

    Returns:
        The held-out images; None where the model is not from this data, none were set aside, their files are not the
        same, or an older topwork made the model, which did not write down what they were.
    """
    record = model.record.data
    if not record.held_out_contents or dataset.held_out_split or dataset.fingerprint() != record.fingerprint:
        return None
    task = find_task(model.record.task.name)
    checkup = vet(dataset, checks=task.quick_checks(), examination=task.examination())
    try:
        parted = task.split(grouped(dataset, checkup.clusters), record.held_out_share, model.record.seed)
    except DataError:
        return None
    found = parted.split("test")
    same = found.fingerprint() == record.held_out_fingerprint
    return found if same and contents(checkup, found) == record.held_out_contents else None


def contents(checkup: Checkup, split: ImageDataset) -> str:
    """SHA-256 over the files of some images of a data set that was vetted, in the order of their names."""
    keys = dict(zip(checkup.dataset.paths, checkup.keys.astype("<u8"), strict=True))
    digest = hashlib.sha256()
    for path in sorted(split.paths):
        digest.update(keys[path].tobytes())
    return digest.hexdigest()
