"""Sets aside a test part: the same one on every machine, whatever order the files were listed in."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from topwork.data._dataset import ImageDataset, name_bytes
from topwork.errors import DataError

_TOO_FEW_HINT = "add images, raise the share, or give train/ and test/ yourself"


def split(dataset: ImageDataset, *, test: float = 0.2, seed: int = 0) -> ImageDataset:
    """Give every row the part ``"train"`` or ``"test"``; the rows and their order stay.

    Stratified: each class gives its share of test images, rounded up or down so that the total is as near as
        can be to
    ``test`` of all, and keeps at least one training image. Which rows go is a pure function of the seed, the
    paths and the classes: rows stand in the order of a hash of seed and path. Where there are groups, whole
    groups go instead, in the order of a hash of seed and group, so a class's share is then only about right.

    Args:
        dataset: Without parts, or all of one part.
        test: The share to set aside, above 0 and below 1.
        seed: Another seed, another split.

    Raises:
        DataError: The share is out of range, the data set is split already, or no image can be spared.
    """
    if not 0.0 < test < 1.0:
        raise DataError(f"test must be above 0 and below 1, not {test}")
    if len(np.unique(dataset.parts)) > 1:
        raise DataError("the data set has parts already", hint="split one part of it: dataset.part('train')")
    choose = _choose_groups if any(dataset.groups) else _choose_rows
    chosen = choose(dataset, test, seed)
    if not chosen.any():
        raise DataError(f"no image can be spared for a test part of {test:.0%} of {len(dataset)}", hint=_TOO_FEW_HINT)
    return replace(dataset, parts=np.where(chosen, "test", "train"))


def _choose_rows(dataset: ImageDataset, test: float, seed: int) -> npt.NDArray[np.bool_]:
    counts = dataset.counts()
    ranked = np.array(sorted(range(len(dataset)), key=lambda row: _rank(seed, dataset.paths[row])), dtype=np.intp)
    by_class = ranked[np.argsort(dataset.labels[ranked], kind="stable")]
    place = np.arange(len(dataset)) - np.repeat(np.cumsum(counts) - counts, counts)  # 0 is first of its class
    chosen = np.zeros(len(dataset), dtype=bool)
    chosen[by_class] = place < np.repeat(_shares(counts, test), counts)
    return chosen


def _shares(counts: npt.NDArray[np.int64], test: float) -> npt.NDArray[np.int64]:
    """How many test images each class gives: its share rounded down, then up where the remainder is largest.

    Args:
        counts: Shape ``(C,)``, images of each class.
        test: The share of the whole.
    """
    wanted = np.round(counts * test, 9)  # 0.29 * 100 is not 29 in binary
    most = np.maximum(counts - 1, 0)  # one image stays for training
    shares = np.minimum(np.floor(wanted).astype(np.int64), most)
    open_classes = np.flatnonzero((shares < most) & (wanted > shares))
    by_remainder = open_classes[np.argsort(-(wanted - shares)[open_classes], kind="stable")]
    missing = round(float(np.round(counts.sum() * test, 9))) - int(shares.sum())
    shares[by_remainder[: max(missing, 0)]] += 1
    return shares


def _choose_groups(dataset: ImageDataset, test: float, seed: int) -> npt.NDArray[np.bool_]:
    chosen = np.zeros(len(dataset), dtype=bool)
    remaining = dataset.counts()
    target = round(float(np.round(len(dataset) * test, 9)))
    blocks = _blocks(dataset, seed)
    taken = 0
    for rows in blocks:
        if taken + len(rows) <= target and _take(rows, dataset, chosen, remaining):
            taken += len(rows)
    for rows in () if taken else sorted(blocks, key=len):  # every group is larger than the share
        if _take(rows, dataset, chosen, remaining):
            break
    return chosen


def _take(
    rows: npt.NDArray[np.intp],
    dataset: ImageDataset,
    chosen: npt.NDArray[np.bool_],
    remaining: npt.NDArray[np.int64],
) -> bool:
    """Move one group to the test part, unless a class would be left without a training image."""
    given = np.bincount(dataset.labels[rows], minlength=len(remaining))
    if ((given > 0) & (given >= remaining)).any():
        return False
    remaining -= given
    chosen[rows] = True
    return True


def _blocks(dataset: ImageDataset, seed: int) -> list[npt.NDArray[np.intp]]:
    """Rows that must stay together, in hash order; a row without a group stands alone."""
    members: dict[tuple[str, str], list[int]] = {}
    for row, (path, group) in enumerate(zip(dataset.paths, dataset.groups, strict=True)):
        members.setdefault(("group", group) if group else ("path", path), []).append(row)
    ordered = sorted(members, key=lambda key: _rank(seed, f"{key[0]}:{key[1]}"))
    return [np.array(members[key], dtype=np.intp) for key in ordered]


def _rank(seed: int, name: str) -> bytes:
    return hashlib.blake2b(b"%d:%b" % (seed, name_bytes(name)), digest_size=16).digest()
