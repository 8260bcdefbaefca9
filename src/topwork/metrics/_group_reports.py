"""Errors by group: a session, a camera, or a group of people; and whether one differs beyond chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from topwork._arrays import BoolArray, Float32Array, Float64Array, IntegerArray

from ._intervals import around, percentiles, resample
from ._values import Estimate, Saved
from ._verification import Pairs


@dataclass(frozen=True)
class GroupReport(Saved):
    """The model's errors in one group of images.

    Attributes:
        name: Of the group.
        images: How many.
        identities: Of these images.
        false_reject: Share of its pairs of one identity that are told apart; None where it has none.
        false_accept: Share of its pairs of two identities that are taken for one; None where it has none.
        differs: Whether one of these differs from that of all other images beyond chance.
    """

    name: str
    images: int
    identities: int
    false_reject: Estimate | None
    false_accept: Estimate | None
    differs: bool

    _what = "group report"


_LEAST_IDENTITIES = 5  # of a group, before it is said to differ
_ALPHA = 0.05
_MOST_GROUPS = 20  # the largest


def group_reports(pairs: Pairs, groups: Sequence[str], threshold: float, *, seed: int = 0) -> tuple[GroupReport, ...]:
    """Errors by group at a threshold, each beside all pairs that have nothing to do with it.

    Pairs of one identity are of each group that one of their images is in, pairs of two only of a group that has both.
    A group of one identity is none to compare. Whether another differs is asked twice for each, so that each answer is
    held to a level so much stricter.

    Args:
        pairs: As `pairs_of` gives them.
        groups: A name for each image that the pairs' ``rows`` speak of; ``""`` is in none.
        threshold: From which similarity on two images are taken for one identity.
        seed: Of the resampling.
    """
    if not any(groups):
        return ()
    names = np.asarray(groups)
    wrong = np.where(pairs.same, pairs.similarity < np.float32(threshold), pairs.similarity >= np.float32(threshold))
    known = Counter(name for name in groups if name).most_common(_MOST_GROUPS)
    drawn = np.concatenate([*resample(pairs.identities, seed)], axis=1)
    alpha = _ALPHA / max(1, 2 * len(known))
    found = [_report(pairs, wrong, names[pairs.rows] == name, name, images, drawn, alpha) for name, images in known]
    return tuple(sorted((each for each in found if each.identities > 1), key=lambda each: each.name))


def _report(
    pairs: Pairs, wrong: BoolArray, touched: BoolArray, name: str, images: int, drawn: Float32Array, alpha: float
) -> GroupReport:
    """One group; ``touched`` (P, 2) tells which images of the pairs are of it."""
    some, both = touched.any(axis=1), touched.all(axis=1)
    own, rest = np.where(pairs.same, some, both), ~some
    members = np.stack([pairs.first, pairs.second], axis=1)[touched]
    identities = len(np.unique(members))
    rates = [_rates(pairs, wrong, own & kind, rest & kind, drawn) for kind in (pairs.same, ~pairs.same)]
    enough = min(identities, pairs.identities - identities) >= _LEAST_IDENTITIES
    differs = enough and any(each.differs(alpha) for each in rates if each)
    reject, accept = (each.own if each else None for each in rates)
    return GroupReport(name, images, identities, reject, accept, differs)


class _Rates(NamedTuple):
    own: Estimate
    differences: Float64Array  # (R,) from the rest

    def differs(self, alpha: float) -> bool:
        if not self.differences.size:
            return False
        low, high = np.quantile(self.differences, [alpha / 2, 1 - alpha / 2])
        return bool(low > 0 or high < 0)


def _rates(pairs: Pairs, wrong: BoolArray, own: BoolArray, rest: BoolArray, drawn: Float32Array) -> _Rates | None:
    """The share of a group's pairs that are wrong, and how far resampled ones are from those of the rest."""
    if not own.any():
        return None
    mine, others = (_share(pairs, of, wrong, drawn) for of in (own, rest))
    value, told = float(wrong[own].mean()), ~np.isnan(mine)
    interval = percentiles(mine[told]) if told.any() else (value, value)
    return _Rates(around(value, interval), (mine - others)[told & ~np.isnan(others)])


def _share(pairs: Pairs, of: BoolArray, wrong: BoolArray, drawn: Float32Array) -> Float64Array:
    """Share (R,) of the pairs ``of`` that are wrong in each draw of identities; NaN where a draw has none of them."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Float64Array = _weighted(pairs, of & wrong, drawn) / _weighted(pairs, of, drawn)
    return found


def _weighted(pairs: Pairs, of: BoolArray, drawn: Float32Array) -> Float64Array:
    """How many of some pairs, all genuine or all of strangers, each draw (I, R) holds: (R,)."""
    first, second, size = pairs.first[of], pairs.second[of], pairs.identities
    if not of.any() or pairs.same[of.argmax()]:
        return np.bincount(first, minlength=size).astype(np.float64) @ drawn
    counts = np.bincount(first * size + second, minlength=size * size).reshape(size, size).astype(np.float32)
    found: Float64Array = np.einsum("ir,ir->r", drawn, counts @ drawn, dtype=np.float64)
    return found


def identities_of_groups(labels: IntegerArray, groups: Sequence[str]) -> bool:
    """Whether groups tell of identities (each identity is in one, and some group has several) and not of sessions."""
    if not any(groups):
        return False
    names = np.asarray(groups)
    homes = [set(names[labels == label].tolist()) for label in np.unique(labels)]
    of_one = all(len(home) == 1 for home in homes)
    distinct = {name for home in homes for name in home if name}
    return of_one and 0 < len(distinct) < len(homes)
