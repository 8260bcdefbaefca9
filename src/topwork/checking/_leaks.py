"""Findings on twins: copies within a class, across classes (label conflict) and across splits (leakage)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.checking._finding import MOST_CASES, Case, Finding, number, ranked
from topwork.checking._near_duplicates import NearDuplicates
from topwork.checking._rows import of_groups
from topwork.data import ImageDataset, printable

LEAKED = 0.01
"""Share of a held-out split that may have a copy elsewhere. Below it, the accuracy is off by less than one point."""

CONFLICTING = 0.05
"""Share of images that may have a copy in another class. Above it, no classifier can be right on several in a hundred,
and what is measured is which of two answers the key happens to hold."""

Group = tuple[int, ...]


def duplicate_findings(dataset: ImageDataset, twins: NearDuplicates, usable: int) -> Iterator[Finding]:
    """What the copies in a data set do to it.

    Two of these block, and only above a share: exact copies between a held-out split and another one, since the
    held-out figure then measures memory; and exact copies under two labels. What is nearly the same may be so for
    good reasons (a series of one object), so it warns.

    Args:
        dataset: N rows.
        twins: Which of them are alike.
        usable: Images that could be decoded.
    """
    exact = list(twins.exact)
    near = _near_groups(twins)
    yield from _copies(dataset, exact)
    yield from _near_copies(dataset, twins)
    yield from _conflicts(dataset, [rows for rows in exact if _differ(dataset.labels[list(rows)])], usable)
    yield from _near_conflicts(dataset, [rows for rows in near if _differ(dataset.labels[list(rows)])])
    yield from _leakage(dataset, [rows for rows in exact if _differ(dataset.splits[list(rows)])])
    yield from _near_leakage(dataset, [rows for rows in near if _differ(dataset.splits[list(rows)])])
    yield from _split_groups(dataset)


def _near_groups(twins: NearDuplicates) -> list[Group]:
    """Clusters that hold more than exact copies of one picture."""
    exact = set(twins.exact)
    return [rows for rows in twins.clusters if rows not in exact]


def _differ(values: npt.NDArray[Any]) -> bool:
    return bool((values != values[0]).any())


def _copies(dataset: ImageDataset, exact: list[Group]) -> Iterator[Finding]:
    if exact:
        extra = sum(len(rows) - 1 for rows in exact)
        yield Finding(
            "exact-duplicates",
            "warning",
            extra,
            f"{number(extra, 'image')} more than needed: exact copies of {number(len(exact), 'other')}.",
            "leave the copies out: `topwork check --write clean.csv` keeps one of each",
            of_groups(dataset, exact, lambda rows: f"{len(rows)} copies of one picture"),
        )


def _near_copies(dataset: ImageDataset, twins: NearDuplicates) -> Iterator[Finding]:
    if not len(twins.near):
        return
    order = np.argsort(-twins.similarity, kind="stable")[:MOST_CASES]
    cases = (
        Case(
            tuple(dataset.paths[row] for row in twins.near[place].tolist()),
            "" if np.isnan(twins.similarity[place]) else f"features are {twins.similarity[place]:.0%} alike",
            float(np.nan_to_num(twins.similarity[place])),
        )
        for place in order.tolist()
    )
    yield Finding(
        "near-duplicates",
        "note",
        len(twins.near),
        f"{number(len(twins.near), 'pair')} of images that show nearly the same picture.",
        "keep each pair in one split when you split; `topwork fit` does so by itself",
        ranked(cases),
    )


def _conflicts(dataset: ImageDataset, groups: list[Group], usable: int) -> Iterator[Finding]:
    if not groups:
        return
    count = sum(map(len, groups))
    yield Finding(
        "label-conflicts",
        "blocks" if count > CONFLICTING * usable else "warning",
        count,
        f"{number(count, 'image')} are exact copies under different labels.",
        "look at them and keep the right label; leave them out where none is",
        of_groups(dataset, groups, lambda rows: f"labelled {_labels(dataset, rows)}"),
    )


def _near_conflicts(dataset: ImageDataset, groups: list[Group]) -> Iterator[Finding]:
    if groups:
        count = sum(map(len, groups))
        yield Finding(
            "near-label-conflicts",
            "warning",
            count,
            f"{number(count, 'image')} show nearly the same picture under different labels.",
            "look at them: is it one thing or two?",
            of_groups(dataset, groups, lambda rows: f"labelled {_labels(dataset, rows)}"),
        )


def _labels(dataset: ImageDataset, rows: Iterable[int]) -> str:
    names = sorted({dataset.classes[int(dataset.labels[row])] for row in rows})
    return " and ".join(f"'{printable(name)}'" for name in names)


def _leakage(dataset: ImageDataset, groups: list[Group]) -> Iterator[Finding]:
    if not groups:
        return
    leaked, worst = _held_out(dataset, groups)
    yield Finding(
        "leakage",
        "blocks" if worst > LEAKED else "warning",
        leaked,
        f"{number(leaked, 'held-out image')} with an exact copy in another split: {worst:.1%} of the worse split.",
        "leave the copies out of the training split: figures on images that were trained on are worth nothing",
        of_groups(dataset, groups, lambda rows: f"in {_splits(dataset, rows)}"),
    )


def _near_leakage(dataset: ImageDataset, groups: list[Group]) -> Iterator[Finding]:
    if groups:
        leaked, worst = _held_out(dataset, groups)
        yield Finding(
            "near-leakage",
            "warning",
            leaked,
            f"{number(leaked, 'held-out image')} show nearly the same picture as one in another split: "
            f"{worst:.1%} of the worse split.",
            "keep series of one object in one split",
            of_groups(dataset, groups, lambda rows: f"in {_splits(dataset, rows)}"),
        )


def _held_out(dataset: ImageDataset, groups: list[Group]) -> tuple[int, float]:
    """Images of ``val`` and ``test`` in these groups, and the largest share of either split that they are."""
    splits = dataset.splits[[row for rows in groups for row in rows]]
    counts = {name: int((splits == name).sum()) for name in ("val", "test")}
    shares = [count / max(int((dataset.splits == name).sum()), 1) for name, count in counts.items()]
    return max(sum(counts.values()), 1), max(shares)


def _splits(dataset: ImageDataset, rows: Iterable[int]) -> str:
    return " and ".join(sorted({str(dataset.splits[row]) or "no split" for row in rows}))


def _split_groups(dataset: ImageDataset) -> Iterator[Finding]:
    """A group in two splits. The reader refuses this; a data set made in memory may still have it."""
    splits: dict[str, set[str]] = defaultdict(set)
    for group, split in zip(dataset.groups, dataset.splits.tolist(), strict=False):
        if group:
            splits[group].add(split)
    torn = sorted(group for group, found in splits.items() if len(found) > 1)
    if torn:
        yield Finding(
            "group-in-two-splits",
            "blocks",
            len(torn),
            f"{number(len(torn), 'group')} in more than one split.",
            "keep all images of one group in one split",
            ranked(Case((), f"group '{printable(g)}' is in {' and '.join(sorted(splits[g]))}") for g in torn),
        )
