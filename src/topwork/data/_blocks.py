"""Which rows of a data set must stay together, and in which order they are dealt out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from topwork.data._dataset import ImageDataset, name_bytes
from topwork.errors import DataError

Rows = npt.NDArray[np.intp]
Clusters = Sequence[Sequence[int]] | Sequence[npt.NDArray[np.integer]]


def blocks(dataset: ImageDataset, keep_together: Clusters, seed: int) -> list[Rows]:
    """Rows that must stay together, in an order that depends on the seed and the names alone.

    Rows of one group and rows of one cluster stay together, and so do those that are linked through others: a
    group with an image whose near duplicate is in another group makes one block of both.

    Args:
        dataset: N rows.
        keep_together: Clusters of rows' positions.
        seed: Another seed, another order.

    Raises:
        DataError: A position that is not a row's.
    """
    leader = _leaders(dataset, keep_together)
    order = np.argsort(leader, kind="stable")
    starts = np.flatnonzero(np.diff(leader[order], prepend=-1))
    members = np.split(order, starts[1:]) if len(order) else []
    ranks = row_ranks(dataset, seed)
    return sorted(members, key=lambda rows: min(ranks[row] for row in rows.tolist()))


def grouped(dataset: ImageDataset, clusters: Clusters) -> ImageDataset:
    """Copy whose groups hold the clusters too, so that splits and folds of any part of it keep them whole.

    Args:
        dataset: N rows, perhaps in groups.
        clusters: Rows' positions, such as near duplicates.

    Raises:
        DataError: A position that is not a row's.
    """
    if not len(clusters):
        return dataset
    leader = _leaders(dataset, clusters)
    alone = np.bincount(leader, minlength=len(dataset))[leader] == 1
    own = dataset.groups or ("",) * len(dataset)
    names = [own[row] or f"like {dataset.paths[row]}" for row in range(len(dataset))]
    groups = (own[row] if alone[row] else names[leader[row]] for row in range(len(dataset)))
    return replace(dataset, groups=tuple(groups))


def row_ranks(dataset: ImageDataset, seed: int) -> list[tuple[bytes, str]]:
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


def _leaders(dataset: ImageDataset, keep_together: Clusters) -> npt.NDArray[np.intp]:
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
    for cluster in keep_together:
        rows = _checked(cluster, len(dataset))
        for row in rows[1:]:
            parent[find(row)] = find(rows[0])
    return np.array([find(row) for row in range(len(dataset))], dtype=np.intp)


def _checked(cluster: Sequence[int] | npt.NDArray[np.integer], count: int) -> list[int]:
    rows = np.asarray(cluster)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise DataError(f"keep_together holds clusters of rows' positions, not {rows.dtype} {rows.shape}")
    if rows.size and not 0 <= int(rows.min()) <= int(rows.max()) < count:
        raise DataError(f"keep_together names row {rows.max() if rows.min() >= 0 else rows.min()}, there are {count}")
    return [int(row) for row in rows]
