"""How well an image is named among those that are enrolled, and how well a stranger is told from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from topwork._arrays import AnyArray, BoolArray, Float32Array, Float64Array, IntpArray
from topwork.errors import DataError

from ._intervals import around, percentiles, resample
from ._values import Estimate, Saved, check_labels
from ._verification import check_embeddings

FALSE_POSITIVES = (0.01, 0.1)
"""Shares of strangers that are taken for somebody, at which known ones are counted."""

TOP = 5
_ROUNDS = 10  # draws of the image that is enrolled
_RANKS = 20  # of the CMC curve
_LEAST_STRANGERS = 10  # above a threshold, before its rate is a figure


@dataclass(frozen=True)
class OpenSetPoint(Saved):
    """Detection and identification where strangers ask too.

    Attributes:
        threshold: Less similar images are nobody's.
        strangers: Share of the strangers' images that are taken for somebody.
        found: Share of the known ones' images that are named, and rightly: the detection-and-identification rate.
    """

    threshold: float
    strangers: Estimate
    found: Estimate

    _what = "open-set point"


@dataclass(frozen=True)
class Identification(Saved):
    """One image of each identity is enrolled, and all others ask, in several draws.

    Attributes:
        identities: Enrolled in each draw.
        probes: Questions in all draws.
        rank_1: Share of them where the right identity comes first.
        rank_5: Where it is among the first five; None where no more than five are enrolled.
        cmc: The same for 1, 2, … identities: the cumulative match curve.
        mean_average_precision: Of retrieval: each image asks all others.
        open_set: Where half of the identities are strangers, at each of `FALSE_POSITIVES` that their images allow.
        promised: The same at the model's own threshold; None where it was not given.
    """

    identities: int
    probes: int
    rank_1: Estimate
    rank_5: Estimate | None
    cmc: tuple[float, ...]
    mean_average_precision: Estimate
    open_set: tuple[OpenSetPoint, ...]
    promised: OpenSetPoint | None

    _what = "identification"


def identification(
    embeddings: AnyArray,
    labels: AnyArray,
    groups: Sequence[str] = (),
    *,
    threshold: float | None = None,
    seed: int = 0,
) -> Identification:
    """Closed and open set, with intervals by resampling identities.

    Args:
        embeddings: (N, K) of length one.
        labels: (N,) integers, which identity; those with one image can only be enrolled or strangers.
        groups: N names of sessions or cameras: an image does not ask for one of its own identity and session.
        threshold: The model's own.
        seed: Of the draws and of the resampling.

    Raises:
        DataError: Fewer than two identities, or none with two images that can ask for each other.
    """
    labels = check_labels(labels, int(labels.max(initial=0)) + 1)
    check_embeddings(embeddings, len(labels))
    identities, own = np.unique(labels, return_inverse=True)
    names = np.asarray(groups) if len(groups) else np.full(len(own), "")
    if len(identities) < 2:
        raise DataError("one identity cannot be told from others", hint="add images of other identities")
    rng = np.random.default_rng(seed)
    rounds = [_asked(embeddings, own, names, rng) for _ in range(_ROUNDS)]
    who, ranks = (np.concatenate(each) for each in zip(*rounds, strict=True))
    if not len(who):
        raise DataError("no identity has two images in different sessions", hint="add images")
    hits = np.stack([np.bincount(who, ranks <= rank, len(identities)) for rank in range(min(_RANKS, len(identities)))])
    asked = np.bincount(who, minlength=len(identities)).astype(np.float64)
    drawn = np.concatenate([*resample(len(identities), seed)], axis=1).astype(np.float64)
    drawn = drawn[:, (asked @ drawn) > 0]
    shares = (hits @ drawn) / (asked @ drawn)
    cmc = hits.sum(axis=1) / asked.sum()
    at = [around(float(value), percentiles(each)) for value, each in zip(cmc, shares, strict=True)]
    opened = _open_set(embeddings, own, names, threshold, drawn, rng)
    return Identification(
        identities=len(identities),
        probes=len(who),
        rank_1=at[0],
        rank_5=at[TOP - 1] if len(identities) > TOP else None,
        cmc=tuple(float(value) for value in cmc),
        mean_average_precision=_retrieval(embeddings, own, names, drawn),
        open_set=opened[: len(opened) - (threshold is not None)],
        promised=opened[-1] if threshold is not None and opened else None,
    )


def _drawn(own: IntpArray, rng: np.random.Generator, of: BoolArray | None = None) -> IntpArray:
    """A row of each identity, by rising identity."""
    order = rng.permutation(len(own))
    order = order if of is None else order[of[own[order]]]
    return order[np.unique(own[order], return_index=True)[1]]


def _asked(
    embeddings: AnyArray, own: IntpArray, names: AnyArray, rng: np.random.Generator
) -> tuple[IntpArray, IntpArray]:
    """Identity and rank, 0 for the first, of every image that asks one draw; equally similar others come before it."""
    enrolled = _drawn(own, rng)
    asks = _asking(enrolled, own, names)
    cosines = embeddings[asks] @ embeddings[enrolled].T
    right = cosines[np.arange(len(asks)), own[asks]]
    return own[asks], (cosines >= right[:, None]).sum(axis=1) - 1


def _asking(enrolled: IntpArray, own: IntpArray, names: AnyArray) -> IntpArray:
    """Rows that are not enrolled, but for those of the identity and the session of one that is."""
    mine = np.full(int(own.max()) + 1, -1)
    mine[own[enrolled]] = enrolled
    asks = np.setdiff1d(np.arange(len(own)), enrolled)
    known = mine[own[asks]]
    found: IntpArray = asks[(known < 0) | (names[asks] != names[known]) | (names[asks] == "")]
    return found


class _Answers(NamedTuple):
    """What images were answered where half of the identities are strangers."""

    who: IntpArray
    similarity: Float32Array  # to the most similar one that is enrolled
    right: BoolArray  # whether that is the image's own identity
    stranger: BoolArray


def _open_set(
    embeddings: AnyArray,
    own: IntpArray,
    names: AnyArray,
    threshold: float | None,
    drawn: Float64Array,
    rng: np.random.Generator,
) -> tuple[OpenSetPoint, ...]:
    rounds = [_answered(embeddings, own, names, rng) for _ in range(_ROUNDS)]
    found = _Answers(*(np.concatenate(each) for each in zip(*rounds, strict=True)))
    strangers = np.sort(found.similarity[found.stranger])[::-1]
    if not len(strangers) or found.stranger.all():
        return ()
    images = len(own) // 2
    rates = [rate for rate in FALSE_POSITIVES if rate * images >= _LEAST_STRANGERS]
    wanted = [float(np.nextafter(strangers[int(rate * len(strangers))], np.float32(np.inf))) for rate in rates]
    wanted += [] if threshold is None else [threshold]
    return tuple(
        OpenSetPoint(each, _rate(found, found.stranger, each, drawn), _rate(found, ~found.stranger, each, drawn))
        for each in wanted
    )


def _answered(embeddings: AnyArray, own: IntpArray, names: AnyArray, rng: np.random.Generator) -> _Answers:
    identities = int(own.max()) + 1
    known = np.zeros(identities, bool)
    known[rng.permutation(identities)[: max(1, identities // 2)]] = True
    enrolled = _drawn(own, rng, known)
    asks = _asking(enrolled, own, names)
    cosines = (embeddings[asks] @ embeddings[enrolled].T).astype(np.float32)
    best = cosines.argmax(axis=1)
    return _Answers(own[asks], cosines[np.arange(len(asks)), best], own[enrolled][best] == own[asks], ~known[own[asks]])


def _rate(found: _Answers, of: BoolArray, threshold: float, drawn: Float64Array) -> Estimate:
    """Share of strangers that are taken for somebody, or of known ones that are named rightly."""
    hit = (found.similarity >= np.float32(threshold)) & (found.stranger | found.right)
    sums = np.bincount(found.who[of], hit[of], len(drawn)).astype(np.float64)
    totals = np.bincount(found.who[of], minlength=len(drawn)).astype(np.float64)
    return _resampled_share(sums, totals, drawn)


def _resampled_share(sums: Float64Array, totals: Float64Array, drawn: Float64Array) -> Estimate:
    """A share of sums and totals by identity (I,), with its interval."""
    weights = totals @ drawn
    told = weights > 0
    return around(float(sums.sum() / totals.sum()), percentiles((sums @ drawn)[told] / weights[told]))


def _retrieval(embeddings: AnyArray, own: IntpArray, names: AnyArray, drawn: Float64Array) -> Estimate:
    """Mean average precision over the images that have another one to be found."""
    precisions, who = [], []
    for row in range(len(own)):
        same = own == own[row]
        kept = ~(same & (names == names[row]) & (names[row] != ""))
        kept[row] = False
        relevant = same[kept]
        if not relevant.any():
            continue
        order = np.argsort(-(embeddings[kept] @ embeddings[row]), kind="stable")
        places = np.flatnonzero(relevant[order]) + 1
        precisions.append(float((np.arange(1, len(places) + 1) / places).mean()))
        who.append(own[row])
    totals = np.bincount(who, minlength=len(drawn)).astype(np.float64)
    sums = np.bincount(who, precisions, len(drawn)).astype(np.float64)
    return _resampled_share(sums, totals, drawn)
