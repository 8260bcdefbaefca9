"""What comes before any rung: read, vet, split, and find the backbones."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from topwork.backbones import Backbone
from topwork.backbones import load as load_backbone
from topwork.checking import Checkup, require_blocking, vet
from topwork.data import ImageDataset, grouped, read, split
from topwork.errors import DataError
from topwork.strategies import Announce


class Prepared(NamedTuple):
    """A data set that may be learnt from.

    Attributes:
        checkup: What the data doctor found.
        dataset: With splits; copies of one picture are of one group.
    """

    checkup: Checkup
    dataset: ImageDataset


def prepared(
    data: str | os.PathLike[str] | ImageDataset,
    *,
    test: float,
    seed: int,
    allow: Collection[str],
    announce: Announce | None,
) -> Prepared:
    """Read and vet a data set, and split it; equal arguments hold the same images out.

    Raises:
        DataError: The data cannot be used to train a classifier, or would make its figures untrue.
    """
    given = data if isinstance(data, ImageDataset) else read(data)
    checkup = vet(given, progress=announce("images") if announce else None)
    _require_sound(checkup, allow)
    return Prepared(checkup, _with_splits(grouped(given, checkup.clusters), test, seed))


def loaded(backbone: str | Backbone | Sequence[str | Backbone]) -> list[Backbone]:
    """One backbone or several, by name or as they are."""
    named = [backbone] if isinstance(backbone, str | Backbone) else backbone
    return [load_backbone(each) if isinstance(each, str) else each for each in named]


def _require_sound(checkup: Checkup, allow: Collection[str]) -> None:
    """Refuse data on which a model's figures would be a lie.

    Raises:
        DataError: There is such a finding that is not allowed, or an allowed name that is none.
    """
    blocking = checkup.blocking(require_blocking(allow))
    if blocking:
        names = " ".join(f"--allow {found.name}" for found in blocking)
        raise DataError(
            f"the model's figures would be untrue: {' '.join(found.what for found in blocking)}",
            hint=f"{blocking[0].advice}; `topwork check` shows which; {names} trains all the same",
        )


def _with_splits(dataset: ImageDataset, test: float, seed: int) -> ImageDataset:
    """The data set with a training split, and a held-out split unless none is wanted."""
    if dataset.held_out_split:
        return dataset
    if test == 0:
        return dataclasses.replace(dataset, splits=np.full(len(dataset), "train"))
    return split(dataset, test=test, seed=seed)
