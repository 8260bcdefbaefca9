"""Sets aside a test split: the same one on every machine, whatever order the files were listed in."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from topwork.data._dataset import AnyDataset, Dataset
from topwork.data._folds import Rows, blocks, row_ranks
from topwork.errors import DataError

_TOO_FEW_HINT = "add images, raise the share, or give train/ and test/ yourself"


def split(dataset: AnyDataset, *, test: float = 0.2, seed: int = 0) -> AnyDataset:
    """Give every row the split ``"train"`` or ``"test"``; the rows and their order stay.

    Stratified: each class gives its share of test images, rounded up or down so that the total is as near as can be to
    ``test`` of all, but at least one where it has two, so that it is measured; it keeps at least one training image.
    Which rows go is a pure function of the seed, the paths and the classes: rows stand in the order of a hash of seed
    and path. Where there are groups (:func:`grouped` makes some of near duplicates), those go as a whole, in the order
    of a hash of seed and group, each only if it brings the classes nearer to their shares; these are then met as well
    as the groups allow, and the total is never more than the shares together.

    Args:
        dataset: Without splits, or all of one split.
        test: The share to set aside, above 0 and below 1.
        seed: Another seed, another split.

    Raises:
        DataError: The share is out of range, the data set is split already, or no image can be spared.
    """
    if not 0.0 < test < 1.0:
        raise DataError(f"test must be above 0 and below 1, not {test}")
    if len(np.unique(dataset.splits)) > 1:
        raise DataError("the data set is split already", hint="split one split of it: dataset.split('train')")
    choose = _choose_blocks if any(dataset.groups) else _choose_rows
    chosen = choose(dataset, test, seed)
    if not chosen.any():
        raise DataError(f"no image can be spared for a test split of {test:.0%} of {len(dataset)}", hint=_TOO_FEW_HINT)
    return replace(dataset, splits=np.where(chosen, "test", "train"))


def _choose_rows(dataset: Dataset, test: float, seed: int) -> npt.NDArray[np.bool_]:
    strata = dataset.strata()
    counts = np.bincount(strata).astype(np.int64)
    ranks = row_ranks(dataset, seed)
    ranked = np.array(sorted(range(len(dataset)), key=ranks.__getitem__), dtype=np.intp)
    by_class = ranked[np.argsort(strata[ranked], kind="stable")]
    place = np.arange(len(dataset)) - np.repeat(np.cumsum(counts) - counts, counts)  # 0 is first of its class
    chosen = np.zeros(len(dataset), dtype=bool)
    chosen[by_class] = place < np.repeat(_shares(counts, test), counts)
    return chosen


def _shares(counts: npt.NDArray[np.int64], test: float) -> npt.NDArray[np.int64]:
    """How many test images each class (C,) gives: its share rounded down, then up where the remainder is largest.

    A class of two images or more gives one at least: what nobody measured would stand behind the figures unseen.
    """
    wanted = np.round(counts * test, 9)  # 0.29 * 100 is not 29 in binary
    most = np.maximum(counts - 1, 0)  # one image stays for training
    shares = np.clip(np.floor(wanted).astype(np.int64), np.minimum(most, 1), most)
    open_classes = np.flatnonzero((shares < most) & (wanted > shares))
    by_remainder = open_classes[np.argsort(-(wanted - shares)[open_classes], kind="stable")]
    missing = round(float(np.round(counts.sum() * test, 9))) - int(shares.sum())
    shares[by_remainder[: max(missing, 0)]] += 1
    return shares


def _choose_blocks(dataset: Dataset, test: float, seed: int) -> npt.NDArray[np.bool_]:
    dealt, deal = blocks(dataset, seed), _Deal(dataset, test)
    for rows in dealt:
        if deal.helps(rows):
            deal.take(rows)
    for rows in () if deal.taken else sorted(dealt, key=len):  # every block is larger than the share
        if deal.can_spare(rows):
            deal.take(rows)
            break
    return deal.chosen


class _Deal:
    """What has gone to the test split so far, class by class."""

    def __init__(self, dataset: Dataset, test: float) -> None:
        self.chosen = np.zeros(len(dataset), dtype=bool)
        self.taken = 0
        counts = np.bincount(dataset.strata()).astype(np.int64)
        self._labels: list[int] = dataset.strata().tolist()
        self._remaining: list[int] = counts.tolist()
        self._missing: list[int] = _shares(counts, test).tolist()
        self._total = max(round(float(np.round(len(dataset) * test, 9))), sum(self._missing))

    def _given(self, rows: Rows) -> Counter[int]:
        return Counter(self._labels[row] for row in rows.tolist())

    def can_spare(self, rows: Rows) -> bool:
        """Ask whether every class would keep a training image."""
        return all(count < self._remaining[label] for label, count in self._given(rows).items())

    def helps(self, rows: Rows) -> bool:
        """Ask whether the classes would come nearer to their shares, within the total."""
        if self.taken + len(rows) > self._total or not self.can_spare(rows):
            return False
        missing = self._missing
        return sum(abs(missing[c] - n) - abs(missing[c]) for c, n in self._given(rows).items()) < 0

    def take(self, rows: Rows) -> None:
        """Move rows to the test split."""
        self.chosen[rows] = True
        self.taken += len(rows)
        for label, count in self._given(rows).items():
            self._remaining[label] -= count
            self._missing[label] -= count
