"""What kinds of error a detector makes, and what it would be without each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Self

import numpy as np

from topwork._arrays import BoolArray, Float32Array, Float64Array, Int64Array
from topwork.metrics._detections import Detections
from topwork.metrics._estimates import share
from topwork.metrics._intervals import RESAMPLES, resample
from topwork.metrics._values import Estimate, Saved

from ._boxes import Objects, blocks, overlaps, together
from ._matching import LIMIT, Matches, match_at
from ._precision import as_they_are, precision50

NEAR = 0.5
"""From which overlap on a detection is right; TIDE's foreground."""
FAR = 0.1
"""Up to which a detection is of nothing; TIDE's background."""


class Kind(IntEnum):
    """What is wrong with a detection, or with an object."""

    CLASS = 0
    PLACE = 1
    BOTH = 2
    DOUBLE = 3
    BACKGROUND = 4
    MISSED = 5


NAMES = tuple(kind.name.lower() for kind in Kind)
_NONE = -1
_NOTHING = Estimate(0.0, 0.0, 0.0)  # gained by mending what is not there


class Faults(NamedTuple):
    """What is wrong with each of D detections, and with each of B objects.

    A detection that takes the place of an object which no right one has found would be right if it were mended.
    """

    kinds: Int64Array  # (D,) a Kind; -1: right, or ignored
    meant: Int64Array  # (D,) the object that a wrong class or place is of; -1: none
    found: BoolArray  # (B,) by a right detection
    mends: BoolArray  # (D,) the surest that would be right of its object

    @classmethod
    def of(cls, matches: Matches) -> Self:
        """By TIDE's rules, first to last: place, class, double, background, else both."""
        wrong = ~(matches.right[0, 0] | matches.ignored[0, 0])
        (own, same), (other, theirs) = _nearest(matches, wrong)
        choices = [(own >= FAR) & (own < NEAR), other >= NEAR, own >= NEAR, np.maximum(own, other) <= FAR]
        kinds = np.select(choices, [Kind.PLACE, Kind.CLASS, Kind.DOUBLE, Kind.BACKGROUND], Kind.BOTH)
        kinds = np.where(wrong, kinds, _NONE)
        meant = np.select([kinds == Kind.PLACE, kinds == Kind.CLASS], [same, theirs], _NONE)
        found = np.zeros(len(matches.truth.labels), bool)
        found[matches.partners[matches.right[0, 0]]] = True
        return cls(kinds, meant, found, _surest(matches, meant, found))

    def missed(self, matches: Matches) -> BoolArray:
        """(B,) objects that no detection would be right of, were it mended."""
        missed: BoolArray = matches.counted[0] & ~self.found
        missed[self.meant[self.meant >= 0]] = False
        return missed


def _nearest(
    matches: Matches, wrong: BoolArray
) -> tuple[tuple[Float64Array, Int64Array], tuple[Float64Array, Int64Array]]:
    """Of each wrong detection the overlap (D,) with the nearest object, and which: of its class, and of another."""
    truth, found = matches.truth, matches.found
    out = tuple((np.zeros(len(wrong)), np.full(len(wrong), _NONE)) for _ in range(2))
    for _, objects, mine in together(truth, found, matches.counted[0], wrong):
        for part in blocks(len(mine), len(objects)):
            near = overlaps(found.corners[mine[part]], truth.corners[objects], np.zeros(len(objects), bool))
            same = found.labels[mine[part], None] == truth.labels[objects]
            for (values, places), allowed in zip(out, (same, ~same), strict=True):
                best = np.where(allowed, near, 0.0)
                values[mine[part]], places[mine[part]] = best.max(axis=1), objects[best.argmax(axis=1)]
    return out[0], out[1]


def _surest(matches: Matches, meant: Int64Array, found: BoolArray) -> BoolArray:
    """(D,) the detection with the highest score of those that mean an object that is not found."""
    able = np.flatnonzero(meant >= 0)
    able = able[~found[meant[able]]]
    able = able[np.argsort(-matches.found.scores[able], kind="stable")]
    _, first = np.unique(meant[able], return_index=True)
    chosen = np.zeros(len(meant), bool)
    chosen[able[first]] = True
    return chosen


@dataclass(frozen=True)
class ErrorKind:
    """One kind of error.

    Attributes:
        kind: ``class`` (an object, but of another class), ``place`` (an object of the class, too far off), ``both``,
            ``double`` (an object that a surer detection has found), ``background`` (nothing is there), ``missed`` (an
            object that no detection would be right of if its class or place were).
        count: Detections, or missed objects.
        gain: By how much AP50 would be higher without them, 0 without an interval where there are none; None where
            nothing has a box.
    """

    kind: str
    count: int
    gain: Estimate | None


@dataclass(frozen=True)
class ErrorReport(Saved):
    """Kinds of error, and what mending each alone would bring.

    Source: Bolya et al. 2020, "TIDE: A General Toolbox for Identifying Object Detection Errors". Detections of any
    score count, up to a hundred of a class in an image.

    Attributes:
        images: How many there are.
        ap50: As it is; None where nothing has a box.
        kinds: The six kinds. The gains do not add up to what is missing: mending one kind leaves another.
    """

    images: int
    ap50: Estimate | None
    kinds: tuple[ErrorKind, ...]

    _what = "report of errors"

    def __post_init__(self) -> None:
        if tuple(each.kind for each in self.kinds) != NAMES:
            raise ValueError(f"expected the kinds {', '.join(NAMES)}")

    @property
    def most(self) -> ErrorKind | None:
        """The kind whose mending would bring most; None where none would bring anything."""
        known = [each for each in self.kinds if each.gain and each.gain.value > 0]
        return max(known, key=lambda each: each.gain.value if each.gain else 0.0, default=None)


def error_report(
    truth: Sequence[Objects],
    found: Sequence[Detections],
    n_classes: int,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> ErrorReport:
    """Sort a detector's errors by kind, and measure what each costs in AP50, with bootstrap intervals over images.

    Args:
        truth: N images' objects.
        found: N images' detections, all that were found.
        n_classes: C.
        seed: Of the bootstrap.
        resamples: How many.

    Raises:
        DataError: What `detection_report` refuses.
    """
    matches = match_at(truth, found, n_classes, limit=LIMIT)
    faults = Faults.of(matches)
    ways = [matches, *(_mended(matches, faults, kind) for kind in Kind)]
    values = _precisions(ways, as_they_are(matches))[:, 0]
    drawn = [_precisions(ways, counts) for counts in resample(len(truth), seed, resamples)]
    spread = np.concatenate(drawn, axis=1)
    images = len(np.unique(matches.truth.rows[matches.counted[0]]))
    counts = np.bincount(faults.kinds[faults.kinds >= 0], minlength=len(Kind))
    counts[Kind.MISSED] = faults.missed(matches).sum()
    gains = [share(values[way] - values[0], spread[way] - spread[0], images) for way in range(1, len(ways))]
    gains = [_NOTHING if gain and not count else gain for gain, count in zip(gains, counts.tolist(), strict=True)]
    kinds = tuple(ErrorKind(*each) for each in zip(NAMES, counts.tolist(), gains, strict=True))
    return ErrorReport(len(truth), share(values[0], spread[0], images), kinds)


def _precisions(ways: list[Matches], counts: Float32Array) -> Float64Array:
    """(7, r) AP50 as it is, and without each kind of error."""
    return np.stack([precision50(way, counts) for way in ways])


def _mended(matches: Matches, faults: Faults, kind: Kind) -> Matches:
    """As if a kind were no error: the surest of an object that was not found is right, all others are gone.

    What is missed is no longer asked for: a class with nothing else to find has no say then.
    """
    if kind is Kind.MISSED:
        return matches._replace(counted=matches.counted & ~faults.missed(matches))
    changed = faults.mends & (faults.kinds == kind)
    labels = matches.found.labels.copy()
    labels[changed] = matches.truth.labels[faults.meant[changed]]
    found = matches.found._replace(labels=labels)
    kept = np.flatnonzero((faults.kinds != kind) | changed)
    kept = kept[np.lexsort((-found.scores[kept], found.labels[kept]))]
    return matches._replace(
        found=found.at(kept),
        ranks=matches.ranks[kept],
        right=(matches.right | changed)[..., kept],
        ignored=matches.ignored[..., kept],
        partners=matches.partners[kept],
    )
