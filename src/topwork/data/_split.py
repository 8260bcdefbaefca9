"""Which rows must stay together, and how they are dealt into folds or a test split, the same ones on every machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from topwork.data._dataset import AnyDataset, Dataset, name_bytes
from topwork.data._source import content_key
from topwork.errors import DataError

Rows = npt.NDArray[np.intp]

Clusters = Sequence[Sequence[int]] | Sequence[npt.NDArray[np.integer]]


def blocks(dataset: Dataset, seed: int) -> list[Rows]:
    """Rows that must stay together, those of one group, in an order that depends on the seed and the names alone."""
    ranks = row_ranks(dataset, seed)
    return sorted(_members(_leaders(dataset, ())), key=lambda rows: min(ranks[row] for row in rows.tolist()))


def grouped(dataset: AnyDataset, clusters: Clusters) -> AnyDataset:
    """Copy whose groups hold the clusters too, so that splits and folds of any part of it keep them whole.

    Rows that are linked through others go together too: a group with an image whose near duplicate is in another group
    makes one group of both. What a group is called does not depend on the order of the rows.

    Args:
        dataset: N rows, perhaps in groups.
        clusters: Rows' positions, such as near duplicates.

    Raises:
        DataError: A position that is not a row's.
    """
    if not len(clusters):
        return dataset
    own = dataset.groups or ("",) * len(dataset)
    groups = list(own)
    for rows in _members(_leaders(dataset, clusters)):
        if len(rows) > 1:
            named = {own[row] for row in rows.tolist()} - {""}
            name = min(named) if named else f"like {min(dataset.paths[row] for row in rows.tolist())}"
            for row in rows.tolist():
                groups[row] = name
    return replace(dataset, groups=tuple(groups))


def _members(leader: Rows) -> list[Rows]:
    """The rows of each block."""
    order = np.argsort(leader, kind="stable")
    starts = np.flatnonzero(np.diff(leader[order], prepend=-1))
    return np.split(order, starts[1:]) if len(order) else []


def row_ranks(dataset: Dataset, seed: int) -> list[tuple[bytes, str]]:
    """Give each row its place in the order: a hash of the seed and the group, or the path where it is in none."""
    if not dataset.groups:
        return [(_rank(seed, path), path) for path in dataset.paths]
    group_ranks = {group: _rank(seed, f"group:{group}") for group in set(dataset.groups)}
    return [
        (group_ranks[group] if group else _rank(seed, path), path)
        for path, group in zip(dataset.paths, dataset.groups, strict=True)
    ]


def _rank(seed: int, name: str) -> bytes:
    return content_key(b"%d:%b" % (seed, name_bytes(name)))


def _leaders(dataset: Dataset, clusters: Clusters) -> npt.NDArray[np.intp]:
    """Union-find: the block of each row, by the position of one of its rows."""
    parent = list(range(len(dataset)))

    def find(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    first: dict[str, int] = {}
    for row, group in enumerate(dataset.groups):
        if group:
            parent[find(row)] = find(first.setdefault(group, row))
    for cluster in clusters:
        rows = _checked(cluster, len(dataset))
        for row in rows[1:]:
            parent[find(row)] = find(rows[0])
    return np.array([find(row) for row in range(len(dataset))], dtype=np.intp)


def _checked(cluster: Sequence[int] | npt.NDArray[np.integer], count: int) -> list[int]:
    rows = np.asarray(cluster)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise DataError(f"a cluster holds rows' positions, not {rows.dtype} {rows.shape}")
    if rows.size and not 0 <= int(rows.min()) <= int(rows.max()) < count:
        raise DataError(f"a cluster names row {rows.max() if rows.min() >= 0 else rows.min()}, there are {count}")
    return [int(row) for row in rows]


def k_folds(dataset: Dataset, k: int = 5, *, seed: int = 0) -> npt.NDArray[np.int64]:
    """Give every row the fold, 0 to ``k - 1``, in which it is held out.

    Stratified: where nothing has to stay together, the folds' images of a class differ by one at most. Groups stay
    whole (:func:`grouped` makes some of near duplicates); the largest are dealt first, each to the fold that has the
    least of its classes, as scikit-learn's ``StratifiedGroupKFold`` does, and what is left evens the folds out. Which
    row goes where is a pure function of the seed, the paths, the groups and the classes.

    Args:
        dataset: N rows; their splits do not matter.
        k: How many folds, at least 2.
        seed: Another seed, other folds.

    Returns:
        Shape ``(N,)``, int64.

    Raises:
        DataError: ``k`` is below 2, or there is not one block of rows for each fold.
    """
    if k < 2:
        raise DataError(f"k must be at least 2, not {k}")
    dealt = sorted(blocks(dataset, seed), key=len, reverse=True)  # stable: equal ones keep their order
    if len(dealt) < k:
        raise DataError(
            f"{len(dealt)} {dataset.thing}s or groups of {dataset.thing}s that stay together cannot fill {k} folds",
            hint="lower k",
        )
    totals: list[int] = np.maximum(np.bincount(dataset.strata()), 1).tolist()
    labels: list[int] = dataset.strata().tolist()
    counts = [[0] * len(totals) for _ in range(k)]
    sizes = [0] * k
    folds = np.zeros(len(dataset), dtype=np.int64)
    for rows in dealt:
        given = [labels[row] for row in rows.tolist()]
        load = [
            (sum(count[label] / totals[label] for label in given), sizes[fold]) for fold, count in enumerate(counts)
        ]
        fold = min(range(k), key=load.__getitem__)
        folds[rows] = fold
        sizes[fold] += len(given)
        for label in given:
            counts[fold][label] += 1
    return folds


def k_folds_or_fewer(dataset: Dataset, k: int = 5, *, seed: int = 0) -> npt.NDArray[np.int64] | None:
    """Deal the rows into ``k`` folds, or into as many as there are blocks of rows to fill them; see :func:`k_folds`.

    Args:
        dataset: N rows; their splits do not matter.
        k: How many folds at most, at least 2.
        seed: Another seed, other folds.

    Returns:
        Shape ``(N,)``, int64; None where there is only one block, so that nothing can be held out.
    """
    most = min(k, len(blocks(dataset, seed)))
    return k_folds(dataset, most, seed=seed) if most > 1 else None


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
        DataError: The share is out of range, the data set already has splits, or no image can be spared.
    """
    if not 0.0 < test < 1.0:
        raise DataError(f"test must be above 0 and below 1, not {test}")
    if len(np.unique(dataset.splits)) > 1:
        raise DataError("the data set already has splits", hint="split one split of it: dataset.split('train')")
    choose = _choose_blocks if any(dataset.groups) else _choose_rows
    chosen = choose(dataset, test, seed)
    if not chosen.any():
        raise DataError(
            f"too few {dataset.thing}s for a test split of {test:.0%} of {len(dataset)}",
            hint=f"add {dataset.thing}s, use a larger share, or divide the {dataset.thing}s into train/ and test/ "
            "yourself",
        )
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
