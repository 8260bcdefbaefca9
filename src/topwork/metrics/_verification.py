"""How well pairs of one identity are told from pairs of two: ROC, EER, true accepts at a false-accept rate.

The unit that is resampled is the identity: pairs share images, and images share a person, so an interval over pairs
would be far too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from topwork._arrays import AnyArray, BoolArray, Float32Array, Float64Array, IntpArray
from topwork.errors import DataError

from ._intervals import RESAMPLES, around, percentiles
from ._values import Estimate, Saved, check_labels

FALSE_ACCEPTS = (1e-2, 1e-3, 1e-4)
"""False-accept rates at which true accepts are told, as far as the pairs allow."""

LEAST_FALSE_ACCEPTS = 10
"""Pairs of strangers that must lie above a threshold before its false-accept rate is a figure."""

MOST_IMAGES = 1_500  # 1.1 million pairs
_LEAST_EACH = 10  # images of an identity, before some of its images are not looked at
_MANY_PAIRS = 200_000
_FEWER_RESAMPLES = 300
_CURVE = 200  # points of the ROC that are kept
_CHUNK = 4_000_000  # weights at a time


@dataclass(frozen=True)
class AcceptPoint(Saved):
    """What a threshold gives.

    Attributes:
        threshold: Pairs that are at least as similar are taken for one identity.
        false_accept: Share of the pairs of two identities that it takes for one.
        true_accept: Share of the pairs of one identity that it takes for one.
    """

    threshold: float
    false_accept: Estimate
    true_accept: Estimate

    _what = "accept point"


@dataclass(frozen=True)
class Verification(Saved):
    """Pairs of images, told apart.

    Attributes:
        images: How many made the pairs.
        identities: Of these images.
        genuine: Pairs of one identity; those of one group (a session, a camera) do not count.
        impostor: Pairs of two identities.
        eer: Equal error rate: both kinds of error where they are equally frequent.
        points: At each of `FALSE_ACCEPTS` that the pairs allow.
        promised: At the model's own threshold; None where it was not given.
        curve: False-accept and true-accept rate along the thresholds, rising.
        thresholds: Those of the curve's points, falling; empty of a model that was measured before they were kept.
    """

    images: int
    identities: int
    genuine: int
    impostor: int
    eer: Estimate
    points: tuple[AcceptPoint, ...]
    promised: AcceptPoint | None
    curve: tuple[tuple[float, float], ...]
    thresholds: tuple[float, ...] = ()

    @property
    def costs(self) -> list[tuple[float, float, float]]:
        """Of each threshold that is known, rising: it, the false-accept rate, and the true-accept rate."""
        told = [*self.points, *([self.promised] if self.promised else [])]
        known = {each.threshold: (each.false_accept.value, each.true_accept.value) for each in told}
        known |= dict(zip(self.thresholds, self.curve, strict=False))
        return [(each, *known[each]) for each in sorted(known)]

    _what = "verification"


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of images, the most similar first. P pairs.

    Attributes:
        similarity: (P,) falling.
        same: (P,) whether both show one identity.
        first: (P,) identity of the one image, 0..I-1.
        second: (P,) of the other.
        rows: (P, 2) which images.
        identities: I.
    """

    similarity: Float32Array
    same: BoolArray
    first: IntpArray
    second: IntpArray
    rows: IntpArray
    identities: int

    @property
    def impostors(self) -> Float32Array:
        """Similarities of the pairs of two identities, falling."""
        return self.similarity[~self.same]

    def resampled(self, seed: int) -> Iterator[tuple[Float32Array, Float32Array]]:
        """Weights (P, r) of the genuine and of the impostor pairs when identities are drawn with replacement."""
        rng = np.random.default_rng(seed)
        resamples = RESAMPLES if len(self.same) <= _MANY_PAIRS else _FEWER_RESAMPLES
        step = max(1, _CHUNK // max(1, len(self.same)))
        for start in range(0, resamples, step):
            size = (min(step, resamples - start), self.identities)
            drawn = rng.integers(0, self.identities, size)
            counts = np.stack([np.bincount(each, minlength=self.identities) for each in drawn], axis=1)
            counts = counts.astype(np.float32)
            own, others = counts[self.first], counts[self.first] * counts[self.second]
            same = self.same[:, None]
            yield np.where(same, own, np.float32(0)), np.where(same, np.float32(0), others)


def pairs_of(embeddings: AnyArray, labels: AnyArray, groups: Sequence[str] = ()) -> Pairs:
    """Every pair of images, but for pairs of one identity that were taken in one group.

    Args:
        embeddings: (N, K) of length one.
        labels: (N,) integers, which identity.
        groups: N names of sessions or cameras, ``""`` for none; empty where there are none.

    Raises:
        DataError: Shapes that do not fit, NaN, or no pair of one identity or of two.
    """
    labels = check_labels(labels, int(labels.max(initial=0)) + 1)
    check_embeddings(embeddings, len(labels))
    identities, own = np.unique(labels, return_inverse=True)
    first, second = np.triu_indices(len(labels), 1)
    same = own[first] == own[second]
    if len(groups):
        names = np.asarray(groups)
        kept = ~same | (names[first] != names[second]) | (names[first] == "")
        first, second, same = first[kept], second[kept], same[kept]
    if not same.any() or same.all():
        kind = "two identities" if same.all() else "one identity in different sessions"
        raise DataError(f"there is no pair of images of {kind}", hint="add images of the same and of other identities")
    similarity = (embeddings @ embeddings.T).astype(np.float32)[first, second]
    order = np.argsort(-similarity, kind="stable")
    first, second = first[order], second[order]
    rows = np.stack([first, second], axis=1)
    return Pairs(similarity[order], same[order], own[first], own[second], rows, len(identities))


def check_embeddings(embeddings: AnyArray, count: int) -> None:
    """Refuse what is not finite and of shape (count, K)."""
    if embeddings.ndim != 2 or len(embeddings) != count or not np.isfinite(embeddings).all():
        raise DataError(f"embeddings must be finite, of shape ({count}, K), got {embeddings.shape}")


def some_images(labels: AnyArray, seed: int) -> IntpArray:
    """Rows of at most `MOST_IMAGES` images, in their order: identities drawn by the seed.

    Of each are no more images than leave room for all identities, or than `_LEAST_EACH` where there is no such room.
    """
    if len(labels) <= MOST_IMAGES:
        return np.arange(len(labels))
    rng = np.random.default_rng(seed)
    _, own, counts = np.unique(labels, return_inverse=True, return_counts=True)
    shuffled = rng.permutation(len(own))
    rows = shuffled[np.argsort(own[shuffled], kind="stable")]  # by identity
    turn = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = rows[turn < max(_LEAST_EACH, MOST_IMAGES // len(counts))]
    ranked = np.argsort(rng.permutation(len(counts))[own[rows]], kind="stable")
    return np.sort(rows[ranked[:MOST_IMAGES]])


def threshold_for(impostors: AnyArray, false_accept: float) -> float:
    """The lowest threshold that at most this share of the pairs of two identities reaches.

    Args:
        impostors: (P,) similarities of pairs of two identities.
        false_accept: Above 0 and below 1.

    Raises:
        DataError: The pairs are too few to tell (`LEAST_FALSE_ACCEPTS`).
    """
    allowed = int(false_accept * len(impostors) + 1e-6)  # 0.29 of 100 is 29
    if not 0 < false_accept < 1 or allowed < LEAST_FALSE_ACCEPTS:
        least = math.ceil(1e5 * LEAST_FALSE_ACCEPTS / max(1, len(impostors))) / 1e5
        ask = f"ask for {least:.5g} or more, or add identities"
        raise DataError(
            f"{len(impostors):,} pairs of strangers cannot tell a false-accept rate of {false_accept:g}",
            hint=ask if least < 1 else "add identities",
        )
    falling = np.sort(np.asarray(impostors, np.float32))[::-1]
    return float(np.nextafter(falling[allowed], np.float32(np.inf)))


def verification(pairs: Pairs, *, threshold: float | None = None, seed: int = 0) -> Verification:
    """ROC, EER and true-accept rates of pairs, with intervals by resampling identities.

    Args:
        pairs: Of identities that nothing was fitted on.
        threshold: The model's own.
        seed: Of the resampling.
    """
    curve = _Curve.of(pairs)
    wanted = [rate for rate in FALSE_ACCEPTS if rate * (~pairs.same).sum() >= LEAST_FALSE_ACCEPTS]
    thresholds = [threshold_for(pairs.impostors, rate) for rate in wanted]
    asked = [*thresholds, *([] if threshold is None else [threshold])]
    resampled = _resampled(pairs, curve, asked, seed)
    accepted = [curve.at(each) for each in asked]
    points = [
        AcceptPoint(
            each,
            around(float(rates[0]), percentiles(found[:, 0])),
            around(float(rates[1]), percentiles(found[:, 1])),
        )
        for each, rates, found in zip(asked, accepted, resampled.points, strict=True)
    ]
    places = curve.brief()
    return Verification(
        images=len(np.unique(pairs.rows)),
        identities=pairs.identities,
        genuine=int(pairs.same.sum()),
        impostor=int((~pairs.same).sum()),
        eer=around(curve.eer(), percentiles(resampled.eers)),
        points=tuple(points[: len(wanted)]),
        promised=None if threshold is None else points[-1],
        curve=tuple((float(curve.false_accept[each]), float(curve.true_accept[each])) for each in places),
        thresholds=tuple(float(curve.thresholds[each]) for each in places),
    )


def equal_error_rate(pairs: Pairs) -> float:
    """The rate at which both kinds of error are equally frequent, between the thresholds by a straight line."""
    return _Curve.of(pairs).eer()


class _Curve(NamedTuple):
    """Error rates after each distinct similarity, falling."""

    thresholds: Float32Array  # (T,)
    ends: IntpArray  # (T,) index of the last pair of each
    false_accept: Float64Array  # (T,)
    true_accept: Float64Array  # (T,)

    @classmethod
    def of(cls, pairs: Pairs) -> _Curve:
        ends = np.flatnonzero(np.diff(pairs.similarity, append=-np.inf))
        true = np.cumsum(pairs.same)[ends]
        false = ends + 1 - true
        return cls(pairs.similarity[ends], ends, false / false[-1], true / true[-1])

    def at(self, threshold: float) -> tuple[float, float]:
        """False-accept and true-accept rate of a threshold."""
        place = int(np.searchsorted(-self.thresholds, -np.float32(threshold), side="right")) - 1
        return (0.0, 0.0) if place < 0 else (float(self.false_accept[place]), float(self.true_accept[place]))

    def eer(self) -> float:
        return float(_crossing(self.false_accept[:, None], self.true_accept[:, None])[0])

    def brief(self) -> list[int]:
        """Places of points for a chart: evenly along the logarithm of the false-accept rate, the ends among them."""
        least = max(float(self.false_accept[self.false_accept > 0].min(initial=1)), 1e-6)
        wanted = np.geomspace(least, 1, _CURVE)
        places = np.unique(np.append(np.searchsorted(self.false_accept, wanted, side="right") - 1, 0)).clip(0)
        found: list[int] = places.tolist()
        return found


def _crossing(false_accept: Float64Array, true_accept: Float64Array) -> Float64Array:
    """Where false accepts (T, r), rising, meet false rejects, falling: (r,)."""
    gap = false_accept - (1 - true_accept)  # from about -1 to 1
    after = np.argmax(gap >= 0, axis=0)
    columns = np.arange(gap.shape[1])
    high, far = gap[after, columns], false_accept[after, columns]
    start = after == 0
    before = np.maximum(after - 1, 0)
    low = np.where(start, -1.0, gap[before, columns])
    near = np.where(start, 0.0, false_accept[before, columns])
    share = -low / np.maximum(high - low, np.finfo(np.float64).tiny)
    found: Float64Array = near + share * (far - near)
    return found


class _Resampled(NamedTuple):
    eers: Float64Array  # (R,)
    points: list[Float64Array]  # (R, 2) of each threshold: false accepts, true accepts


def _resampled(pairs: Pairs, curve: _Curve, thresholds: Sequence[float], seed: int) -> _Resampled:
    counts = [int((pairs.similarity >= np.float32(each)).sum()) for each in thresholds]
    eers, points = [], []
    for genuine, impostor in pairs.resampled(seed):
        true, false = np.cumsum(genuine, axis=0, dtype=np.float64), np.cumsum(impostor, axis=0, dtype=np.float64)
        told = (true[-1] > 0) & (false[-1] > 0)  # a draw of one identity alone has no strangers
        true, false = true[:, told] / true[-1, told], false[:, told] / false[-1, told]
        eers.append(_crossing(false[curve.ends], true[curve.ends]))
        none = np.zeros(true.shape[1])
        points.append([np.stack([false[n - 1] if n else none, true[n - 1] if n else none], axis=1) for n in counts])
    return _Resampled(np.concatenate(eers), [np.concatenate(each) for each in zip(*points, strict=True)])
