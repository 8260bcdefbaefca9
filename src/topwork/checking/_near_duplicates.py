"""Near duplicates: images that are the same pixels, or nearly the same picture, wherever they are in the data set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from topwork._system import Executor, release_pages
from topwork.checking._perceptual_hash import distance, mirrored, near_pairs
from topwork.checking._survey import UNIFORM, Survey, pixels_key
from topwork.data import decode, try_source
from topwork.features import FeatureTable, scattered_rows

Rows = npt.NDArray[np.int64]
Groups = tuple[tuple[int, ...], ...]

SIMILAR = ((2, 0.0), (4, 0.5), (8, 0.75), (12, 0.8))
"""How alike features must be (cosine, centred) to confirm hashes that differ in so many bits.

Measured on copies of 180 images (ants and bees, cats and dogs, cloth) that were recompressed, halved, mirrored,
brightened, turned grey or cropped by 5 to 10 %. Photographs: the cosine stays above 0.66 but for grey ones (0.43, in at
most 2 bits) and halved ones (0.51); crops, which move up to 12 bits and more, keep 0.83 in 95 of 100. Of different
photographs, no candidate was less than 9 bits apart, nor its cosine above 0.21; of different pieces of cloth 11 bits
and 0.67. On cloth, recompression changes the features more than the picture, so hashes that all but agree need no more
than a cosine that is not negative.
"""

ALONE = 2
"""Bits in which hashes may differ where there are no features to confirm them. Different photographs were 9 apart and
more; of 1,797 digits of 8 x 8 pixels, 4 pairs were nearer than this."""

_AHEAD = 256  # images whose digests may wait
_CHUNK = 1024  # rows at a time
_SAME_PIXELS = 4  # bits by which a JPEG decoded small and its copy as a PNG may differ


class NearDuplicates(NamedTuple):
    """Which rows of the data set are copies, or nearly so; groups have two or more."""

    exact: Groups  # of equal content, in order
    near: Rows  # (P, 2), confirmed pairs of nearly the same content; one row stands for its exact copies
    similarity: npt.NDArray[np.float64]  # (P,), cosine of their centred features; NaN where there are none
    clusters: Groups  # that any chain of copies joins, exact or near
    measure: str = "feature similarity"  # what ``similarity`` is, in words
    by_chance: Groups = ()  # of the exact ones, those that may come about without copying, as a text of one word does


class Embedding:
    """The last output of a table (the network's own pooled features), centred, for rows of the data set.

    ``rows`` (M,) says which row of the data set each row of the table is.
    """

    def __init__(self, table: FeatureTable, rows: npt.NDArray[np.intp]) -> None:
        self._values = table.values
        self._first = table.values.shape[1] - table.widths[-1]
        self._places = np.full(int(rows.max(initial=-1)) + 1, -1)
        self._places[rows] = np.arange(len(rows))
        total = np.zeros(table.widths[-1])
        for chunk in _chunks(len(table)):
            total += table.values[chunk, self._first :].sum(axis=0, dtype=np.float64)
            release_pages(table.values)
        self._mean = total / max(len(table), 1)

    def cosines(self, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Cosine of the angle between the features of each pair (P, 2) of rows of the data set."""
        found = np.empty(len(pairs))
        for chunk in _chunks(len(pairs)):
            first, second = (self._unit(self._places[pairs[chunk, side]]) for side in (0, 1))
            found[chunk] = (first * second).sum(axis=1)
        return found

    def _unit(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        centred = scattered_rows(self._values, places, self._first) - self._mean
        return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12))


def _chunks(count: int) -> Iterator[slice]:
    for start in range(0, count, _CHUNK):
        yield slice(start, min(start + _CHUNK, count))


def find_near_duplicates(survey: Survey, embedding: Embedding | None) -> NearDuplicates:
    """Find exact and near duplicates in time N log N.

    Files with the same bytes are one to begin with; of what remains, near hashes are candidates, whose pixels are
    compared where they may be equal, and whose features decide otherwise. A blank picture is like every other
    one, so those are compared by their bytes alone. Without features only hashes that all but agree are near.
    """
    joined = Joined(len(survey.dataset))
    single = _join_equal_files(survey, joined)
    telling = single[survey.facts["spread"][single] >= UNIFORM]
    pairs = telling[near_pairs(survey.facts["hash"][telling])]
    first, second = survey.facts["hash"][pairs].T
    apart = np.minimum(distance(first, second), distance(first, mirrored(second)))
    same = _same_pixels(survey, pairs, apart)
    joined.join(pairs[same])
    exact = joined.groups()
    pairs, apart = pairs[~same], apart[~same]
    bits, cosines = zip(*SIMILAR, strict=True)
    similarity = embedding.cosines(pairs) if embedding else np.full(len(pairs), np.nan)
    near = similarity >= np.array(cosines)[np.searchsorted(bits, apart)] if embedding else apart <= ALONE
    joined.join(pairs[near])
    return NearDuplicates(exact, pairs[near], similarity[near], joined.groups())


def _join_equal_files(survey: Survey, joined: Joined) -> Rows:
    """Join rows of equal bytes; give the first row of each content."""
    rows = np.flatnonzero(survey.usable)
    if not len(rows):
        return rows
    _, first, place = np.unique(survey.keys[rows], axis=0, return_index=True, return_inverse=True)
    joined.join(np.stack([rows[first][place.ravel()], rows], axis=1))
    return np.sort(rows[first])


def _same_pixels(survey: Survey, pairs: Rows, apart: Rows) -> npt.NDArray[np.bool_]:
    """(P,), which pairs are equal once decoded whole; only those of one size whose hashes all but agree are decoded."""
    height, width = survey.facts["height"], survey.facts["width"]
    first, second = pairs[:, 0], pairs[:, 1]
    possible = (apart <= _SAME_PIXELS) & (height[first] == height[second]) & (width[first] == width[second])
    rows = np.unique(pairs[possible])
    sources = survey.dataset.sources()

    def digest(row: int) -> bytes | str:
        return try_source(sources, row, lambda source: pixels_key(decode(source)))

    with Executor("duplicates") as pool:
        found = pool.map_ordered(digest, rows.tolist(), in_flight=_AHEAD)
        digests = dict(zip(rows.tolist(), found, strict=True))
    same = np.zeros(len(pairs), dtype=bool)
    for place in np.flatnonzero(possible).tolist():
        one, other = (digests[int(row)] for row in pairs[place])
        same[place] = one == other and isinstance(one, bytes)  # text says why a file is gone meanwhile
    return same


class Joined:
    """Rows joined in pairs (union-find, always by the lowest row)."""

    def __init__(self, count: int) -> None:
        self._lowest = np.arange(count)

    def join(self, pairs: Rows) -> None:
        """Join the rows of each pair (P, 2)."""
        for first, second in pairs.tolist():
            one, other = self._root(first), self._root(second)
            self._lowest[max(one, other)] = min(one, other)

    def are(self, one: int, other: int) -> bool:
        """Whether a chain of pairs joins two rows."""
        return self._root(one) == self._root(other)

    def _root(self, row: int) -> int:
        lowest = self._lowest
        while lowest[row] != row:
            lowest[row] = lowest[lowest[row]]
            row = int(lowest[row])
        return row

    def groups(self) -> Groups:
        """Rows that are joined, two or more each."""
        members: dict[int, list[int]] = defaultdict(list)
        for row in range(len(self._lowest)):
            members[self._root(row)].append(row)
        return tuple(tuple(rows) for rows in members.values() if len(rows) > 1)
