"""Holding out identities: whoever judges a model of this task was never seen by it, in no image."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from topwork.data import ImageDataset, content_key, name_bytes, read
from topwork.errors import DataError

_LEAST = 2  # identities on either side: fewer make no pair of strangers
_A_FOLD = 4  # identities of a fold, where there are enough: with fewer there are few pairs of strangers


read_identities = functools.partial(read, identities=True)
"""``data.read``, of identities: those who judge need not be those who train."""


def hold_out(dataset: ImageDataset, share: float, seed: int) -> ImageDataset:
    """Give every row the split ``"train"`` or ``"test"``, all of an identity the same one.

    Identities of one image stay in training: they make no pair that could be judged. Who is held out is a pure function
    of the seed and the names.

    Raises:
        DataError: The share is out of range, or there are too few identities of two images.
    """
    if not 0 < share < 1:
        raise DataError(f"test must be above 0 and below 1, not {share}")
    counts = dataset.counts()
    able = np.flatnonzero(counts > 1)
    total = int((counts > 0).sum())
    if len(able) < _LEAST or total < 2 * _LEAST:
        raise DataError(
            f"{total} identities, {len(able)} of them with two images or more, cannot be divided into some that train "
            "and others that judge",
            hint="add identities with two images or more, or divide them into train/ and test/ yourself",
        )
    wanted = min(max(round(share * total), _LEAST), len(able), total - _LEAST)
    held = ranked(dataset, able, seed)[:wanted]
    return replace(dataset, splits=np.where(np.isin(dataset.labels, held), "test", "train"))


def identity_folds(dataset: ImageDataset, folds: int, seed: int) -> npt.NDArray[np.intp]:
    """The fold (N,) of each row, all of an identity the same one; those of two images are spread evenly.

    Args:
        dataset: N rows.
        folds: How many at most, and fewer where they would hold few identities.
        seed: Another seed, other folds.

    Raises:
        DataError: There are not four identities of two images or more.
    """
    counts = dataset.counts()
    able = ranked(dataset, np.flatnonzero(counts > 1), seed)
    if len(able) < 2 * _LEAST:
        raise DataError(
            f"{len(able)} identities have two training images or more; at least {2 * _LEAST} are needed to choose by",
            hint="add identities, or images of those that have one",
        )
    dealt = [*able, *ranked(dataset, np.flatnonzero(counts == 1), seed)]
    fold_of = np.zeros(len(counts), np.intp)
    fold_of[dealt] = np.arange(len(dealt)) % min(folds, max(2, len(able) // _A_FOLD))
    found: npt.NDArray[np.intp] = fold_of[dataset.labels]
    return found


def ranked(dataset: ImageDataset, labels: npt.NDArray[np.intp], seed: int) -> list[int]:
    """Identities in an order that depends on the seed and their names alone."""
    return sorted(labels.tolist(), key=lambda label: content_key(b"%d:%b" % (seed, name_bytes(dataset.classes[label]))))
