"""Texts that are copies, or nearly so, wherever they are in the data set."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from topwork.checking import Embedding, Joined, NearDuplicates
from topwork.tasks.text.checks._shingles import normalised, shingles_of
from topwork.tasks.text.checks._survey import LOOKED, TextSurvey

Pairs = npt.NDArray[np.int64]
Groups = tuple[tuple[int, ...], ...]

NEAR = 0.8
"""Share of all shingles of two texts that both must have."""

_LEAST_SHINGLES = 20  # of the shorter one: of fewer, one word is most, and "no good" is near "good"
MOST_ALIKE = 20
"""Different texts that may be near copies of each other. More fill in one form, such as a shop's messages with a number
each: kept together they would leave a split without their class, and the texts to predict will fill it in too."""

SHORT = 30
"""Characters up to which several people may write the same text: "good", "what is leukemia?"."""

_LEAST_BANDS = 2  # that candidates share: 0.993 of pairs at J = 0.8 do, 0.26 at 0.5
_NEIGHBOURS = 8  # texts of the same band that each is compared with: time stays linear where thousands follow one form
_MOST_PAIRS = 1_000_000  # that are compared, those that share most bands first


def duplicates(survey: TextSurvey, embedding: Embedding | None) -> NearDuplicates:
    """Find exact and near copies; the features have no say in what is written nearly alike.

    Texts that are the same but for case and white space are copies. Of the others, those that share bands of their
    MinHash are candidates, and near where their shingles overlap.
    """
    rows = np.flatnonzero(survey.usable)
    joined = Joined(len(survey.dataset))
    if not len(rows):
        return NearDuplicates((), np.empty((0, 2), np.int64), np.empty(0), (), "text overlap")
    _, first, place = np.unique(survey.keys[rows], axis=0, return_index=True, return_inverse=True)
    joined.join(np.stack([rows[first][place.ravel()], rows], axis=1))
    exact = joined.groups()

    @lru_cache(maxsize=4096)
    def shingles(row: int) -> frozenset[str]:
        return shingles_of(normalised(survey.dataset.text(row)[: 2 * LOOKED])[:LOOKED])

    near: list[tuple[int, int]] = []
    similarity: list[float] = []
    single = np.sort(rows[first])
    for one, other in single[_candidates(survey.bands[single])].tolist():
        if not joined.are(one, other) and (alike := _overlap(shingles(one), shingles(other))) >= NEAR:
            joined.join(np.array([[one, other]]))
            near.append((one, other))
            similarity.append(alike)
    pairs = np.array(near, np.int64).reshape(-1, 2)
    short = tuple(group for group in exact if survey.facts["characters"][list(group)].min() <= SHORT)
    clusters = tuple(_without_forms(joined.groups(), exact, set(single.tolist())))
    return NearDuplicates(exact, pairs, np.array(similarity), clusters, "text overlap", short)


def forms(survey: TextSurvey, copies: NearDuplicates) -> list[tuple[int, ...]]:
    """Texts that fill in one form, many each; one row stands for its exact copies."""
    joined = Joined(len(survey.dataset))
    joined.join(copies.near)
    return [rows for rows in joined.groups() if len(rows) > MOST_ALIKE]


def _without_forms(groups: Groups, exact: Groups, single: set[int]) -> Iterator[tuple[int, ...]]:
    """The groups, and of those of one form the exact copies alone."""
    filled_in: set[int] = set()
    for rows in groups:
        if sum(row in single for row in rows) > MOST_ALIKE:
            filled_in.update(rows)
        else:
            yield rows
    yield from (rows for rows in exact if rows[0] in filled_in)


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """Jaccard index: what both have over what either has; 0 where one has too few to tell."""
    if min(len(one), len(other)) < _LEAST_SHINGLES:
        return 0.0
    return len(one & other) / len(one | other)


def _candidates(bands: npt.NDArray[np.uint32]) -> Pairs:
    """(P, 2): places of texts that share bands, those with most of them first."""
    found = []
    for column in bands.T:
        order = np.argsort(column, kind="stable")
        for step in range(1, min(_NEIGHBOURS + 1, len(order))):
            same = column[order[:-step]] == column[order[step:]]
            found.append(np.stack([order[:-step][same], order[step:][same]], axis=1))
    pairs, shared = np.unique(np.concatenate([np.empty((0, 2), np.intp), *found]), axis=0, return_counts=True)
    likely = np.argsort(-shared, kind="stable")[:_MOST_PAIRS]
    return pairs[likely[shared[likely] >= _LEAST_BANDS]].astype(np.int64)
