"""Findings on copies: within a class, across classes (label conflicts) and across splits (leakage)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.checking._examined import Examined
from topwork.checking._finding import MOST_CASES, Case, Finding, number, of_groups, ranked
from topwork.checking._near_duplicates import NearDuplicates
from topwork.data import LabelledDataset, printable

LEAKED = 0.01
"""Share of a held-out split that may have a copy elsewhere. Below it, the accuracy is off by less than one point."""

CONFLICTING = 0.05
"""Share of rows that may have a copy in another class. Above it, no classifier can be right on several in a hundred,
and what is measured is which of two answers the key happens to hold."""

Group = tuple[int, ...]


def check_copies(examined: Examined) -> Iterator[Finding]:
    """Rows that are there more than once, exactly or nearly: they cost time, and weigh more than others."""
    dataset, duplicates, thing = examined.dataset, examined.duplicates, examined.thing
    if duplicates.exact:
        extra = sum(len(rows) - 1 for rows in duplicates.exact)
        yield Finding(
            "exact-duplicates",
            "warning",
            extra,
            f"{number(extra, thing)} more than needed: exact copies of {number(len(duplicates.exact), 'other')}.",
            "remove the copies: `topwork check --write clean.csv` keeps one of each",
            of_groups(dataset, duplicates.exact, lambda rows: f"{len(rows)} copies of one {thing}"),
        )
    yield from _near_copies(examined)


def _near_copies(examined: Examined) -> Iterator[Finding]:
    dataset, duplicates = examined.dataset, examined.duplicates
    if not len(duplicates.near):
        return
    order = np.argsort(-duplicates.similarity, kind="stable")[:MOST_CASES]
    cases = (
        Case(
            tuple(dataset.paths[row] for row in duplicates.near[place].tolist()),
            ""
            if np.isnan(duplicates.similarity[place])
            else f"{duplicates.measure} {duplicates.similarity[place]:.0%}",
            float(np.nan_to_num(duplicates.similarity[place])),
        )
        for place in order.tolist()
    )
    yield Finding(
        "near-duplicates",
        "note",
        len(duplicates.near),
        f"{number(len(duplicates.near), 'pair')} of nearly identical {examined.things}.",
        "keep each pair in the same split; `topwork fit` does this when it splits the data",
        ranked(cases),
    )


def check_label_conflicts(examined: Examined) -> Iterator[Finding]:
    """Copies that stand in several classes.

    Exact ones block above a share of the rows: what is measured then is which of two answers the key happens to hold.
    What is nearly the same may be two things for good reasons, so it warns.
    """
    dataset = examined.dataset
    if groups := _across(examined.duplicates.exact, dataset.labels):
        count = sum(map(len, groups))
        copied = sum(map(len, _copied(groups, examined.duplicates)))
        yield Finding(
            "label-conflicts",
            "blocks" if copied > CONFLICTING * int(examined.usable.sum()) else "warning",
            count,
            f"{number(count, examined.thing)} are exact copies under different labels.",
            "look at them, keep the copy with the right label and remove the others",
            of_groups(dataset, groups, lambda rows: f"labelled {_labels(dataset, rows)}"),
        )
    if groups := _across(_near_groups(examined.duplicates), dataset.labels):
        count = sum(map(len, groups))
        yield Finding(
            "near-label-conflicts",
            "warning",
            count,
            f"{number(count, examined.thing)} are nearly identical and have different labels.",
            "look at them, and check which label is right",
            of_groups(dataset, groups, lambda rows: f"labelled {_labels(dataset, rows)}"),
        )


def check_leaks(examined: Examined) -> Iterator[Finding]:
    """Copies, and groups, that stand in several splits.

    Exact copies between a held-out split and another one block above a share, since the held-out figure then measures
    memory. What is nearly the same may be so for good reasons (a series of one object), so it warns.
    """
    dataset, thing, things = examined.dataset, examined.thing, examined.things
    if groups := _across(examined.duplicates.exact, dataset.splits):
        leaked, worst = _held_out(dataset, groups)
        copied = _held_out(dataset, _copied(groups, examined.duplicates))[1]
        yield Finding(
            "leakage",
            "blocks" if copied > LEAKED else "warning",
            leaked,
            f"{number(leaked, f'held-out {thing}')} with an exact copy in another split (up to {worst:.1%} of "
            "a split).",
            f"remove the copies from the training split; accuracy on {things} that were used for training is too high",
            of_groups(dataset, groups, lambda rows: f"in {_splits(dataset, rows)}"),
        )
    if groups := _across(_near_groups(examined.duplicates), dataset.splits):
        leaked, worst = _held_out(dataset, groups)
        yield Finding(
            "near-leakage",
            "warning",
            leaked,
            f"{number(leaked, f'held-out {thing}')} nearly identical to one in another split (up to {worst:.1%} of "
            "a split).",
            f"keep all {things} of one object or series in the same split",
            of_groups(dataset, groups, lambda rows: f"in {_splits(dataset, rows)}"),
        )
    yield from _split_groups(dataset, things)


def _near_groups(duplicates: NearDuplicates) -> list[Group]:
    """Clusters that hold more than exact copies of one row."""
    exact = set(duplicates.exact)
    return [rows for rows in duplicates.clusters if rows not in exact]


def _copied(groups: Sequence[Group], duplicates: NearDuplicates) -> list[Group]:
    """Those that no chance explains."""
    chance = set(duplicates.by_chance)
    return [rows for rows in groups if rows not in chance]


def _across(groups: Sequence[Group], values: npt.NDArray[Any]) -> list[Group]:
    """Groups of rows that do not all have the same value: the same class, the same split."""
    return [rows for rows in groups if (values[list(rows)] != values[rows[0]]).any()]


def _labels(dataset: LabelledDataset, rows: Iterable[int]) -> str:
    names = sorted({dataset.classes[int(dataset.labels[row])] for row in rows})
    return " and ".join(f"'{printable(name)}'" for name in names)


def _held_out(dataset: LabelledDataset, groups: Sequence[Group]) -> tuple[int, float]:
    """Rows of ``val`` and ``test`` in these groups, and the largest share of either split that they are."""
    splits = dataset.splits[np.array([row for rows in groups for row in rows], np.intp)]
    counts = {name: int((splits == name).sum()) for name in ("val", "test")}
    shares = [count / max(int((dataset.splits == name).sum()), 1) for name, count in counts.items()]
    return max(sum(counts.values()), 1), max(shares)


def _splits(dataset: LabelledDataset, rows: Iterable[int]) -> str:
    return " and ".join(sorted({str(dataset.splits[row]) or "no split" for row in rows}))


def _split_groups(dataset: LabelledDataset, things: str) -> Iterator[Finding]:
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
            f"keep all {things} of a group in the same split",
            ranked(Case((), f"group '{printable(g)}' is in {' and '.join(sorted(splits[g]))}") for g in torn),
        )
