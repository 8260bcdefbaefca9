"""k folds: the whole fit again for each of them, so that whatever is chosen is chosen without the images that measure.

What a fold measures is the recipe, not the model that is saved, which is fitted as usual. Its source is the rule that
selection belongs inside the folds: Cawley & Talbot 2010, "On Over-fitting in Model Selection and Subsequent Selection
Bias in Performance Evaluation".
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

from topwork.checking import Checkup
from topwork.data import ImageDataset, k_folds, printable
from topwork.errors import DataError, TopworkError
from topwork.features import Progress
from topwork.model import Model
from topwork.tasks import Announce, Run, Strategy, Task

_OF_ONE_RUN = {"checkpoint": None, "resume": False}  # a fold has neither


class Folds(NamedTuple):
    """What is dealt into folds: the images, the fold of each, and what they are called."""

    dataset: ImageDataset
    fold_of: Any
    split: Literal["all", "train"]

    @property
    def k(self) -> int:
        """How many there are."""
        return int(self.fold_of.max()) + 1

    def parted(self, fold: int) -> ImageDataset:
        """The images, those of one fold in the split ``test`` and all others in ``train``."""
        return dataclasses.replace(self.dataset, splits=np.where(self.fold_of == fold, "test", "train"))


def dealt(checkup: Checkup, dataset: ImageDataset, room: Task, k: int, seed: int) -> Folds:
    """Deal images into stratified folds that keep groups and copies together, before anything is fitted.

    Of data that came with a held-out split, only the others are dealt: that split may be of another kind, such as
    another day. Files that cannot be read are left out.

    Args:
        checkup: Of the data as they were given.
        dataset: The same rows, in splits, with copies as groups.
        room: Their task.
        k: How many folds.
        seed: Of the folds.

    Raises:
        DataError: The task has no figures of folds, k is no number from 2, or a class has too few images.
    """
    if room.folds_of is None:
        raise DataError(f"the task {room.name} has no cross-validation", hint="leave out cv")
    if isinstance(k, bool) or not isinstance(k, int) or k < 2:
        raise DataError(f"cv must be a whole number from 2, not {k!r}", hint="5 and 10 are usual")
    held_out = checkup.dataset.held_out_split
    keep = np.ones(len(dataset), np.bool_)
    keep[list(checkup.unusable)] = False
    if held_out:
        keep &= dataset.splits != held_out
    pool = dataset.select(np.flatnonzero(keep))
    _require_enough(pool, k)
    return Folds(pool, k_folds(pool, k, seed=seed), "train" if held_out else "all")


def _require_enough(pool: ImageDataset, k: int) -> None:
    """Every fold is to measure every class, and every class is to be in two groups, so that it is learnt always."""
    strata = pool.strata()
    counts = np.bincount(strata, minlength=pool.n_strata)
    least = int(counts.argmin())
    named = f"class {printable(pool.classes[least])!r}" if hasattr(pool, "classes") else "the smallest stratum"
    if counts[least] < k:
        few = int(counts[least])
        raise DataError(
            f"cv={k} needs {k} usable {pool.thing}s of every class, but {named} has {few}",
            hint=f"use cv={few}, or add {pool.thing}s" if few > 1 else f"add {pool.thing}s, or leave out cv",
        )
    groups = np.asarray(pool.groups or [""] * len(pool))
    for label in range(pool.n_strata):
        own = groups[strata == label]
        if own[0] and (own == own[0]).all():
            name = printable(pool.classes[label]) if hasattr(pool, "classes") else str(label)
            raise DataError(
                f"all {pool.thing}s of class {name!r} are in one group, so no fold can both learn and measure it",
                hint=f"leave out cv, or give this class {pool.thing}s of another group",
            )


def measured_on_folds(
    folds: Folds,
    room: Task,
    rung: Strategy,
    fit_one: Callable[[ImageDataset, Any, Run], Model],
    options: Any,
    announce: Announce | None,
    took: float,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Fit and measure each fold.

    Args:
        folds: What ``dealt`` gave.
        room: Their task.
        rung: Its strategy.
        fit_one: Data set in splits, options and run to a measured model.
        options: Of the fit; a fold keeps no checkpoint.
        announce: As for ``fit``.
        took: Seconds of the fit that made the model; a fold's features are known by then, so it takes no longer.

    Returns:
        Fields of the task's block, and notes. After Ctrl-C, or where a fold cannot be fitted, there are no figures, and
        a note says so: the model is not lost for that.
    """
    assert room.folds_of is not None
    known = {field.name for field in dataclasses.fields(options)}
    options = dataclasses.replace(options, **{name: no for name, no in _OF_ONE_RUN.items() if name in known})
    models: list[Model] = []
    began = time.perf_counter()
    try:
        for fold in range(folds.k):
            each = (time.perf_counter() - began) / fold if fold else took
            run = Run(_named(announce, f"fold {fold + 1} of {folds.k}, about {each * (folds.k - fold):.0f} s left"))
            model = fit_one(folds.parted(fold), options, run)
            if rung.was_broken_off(model.record):
                raise KeyboardInterrupt
            models.append(model)
    except TopworkError as error:
        note = f"fold {len(models) + 1} of {folds.k} cannot be fitted, so cross-validation has no figures"
        return {}, (f"{note}: {error.message}",)
    except KeyboardInterrupt:
        note = f"cross-validation was interrupted after {len(models)} of {folds.k} folds, so it has no figures"
        return {}, (note,)
    return dict(room.folds_of(models, folds.split, options.seed)), ()


def _named(announce: Announce | None, prefix: str) -> Announce | None:
    if announce is None:
        return None

    def say(text: str) -> Progress | None:
        return announce(f"{prefix}: {text}")

    return say
