"""Which rows of a data set must stay together, and in which order they are dealt out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from topwork.data._dataset import AnyDataset, Dataset, name_bytes
from topwork.errors import DataError

Rows = npt.NDArray[np.intp]
Clusters = Sequence[Sequence[int]] | Sequence[npt.NDArray[np.integer]]


def blocks(dataset: Dataset, seed: int) -> list[Rows]:
    """Rows that must stay together, those of one group, in an order that depends on the seed and the names alone.

    Args:
        dataset: N rows.
        seed: Another seed, another order.
    """
    leader = _leaders(dataset, ())
    ranks = row_ranks(dataset, seed)
    return sorted(_members(leader), key=lambda rows: min(ranks[row] for row in rows.tolist()))


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
    return hashlib.blake2b(b"%d:%b" % (seed, name_bytes(name)), digest_size=16).digest()


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
