"""Shortcuts: what tells a class from the others without looking at what is in the picture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from topwork.checking._examined import Examined
from topwork.checking._finding import Case, Finding, number, ranked
from topwork.checking._pictures import GREY
from topwork.checking._survey import Pictures, Survey
from topwork.data import ImageDataset, printable

Doubles = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

TELLING = 0.5
"""Youden's J (true minus false positive rate) of one fact, cross-validated, from which it is a shortcut."""

LEAST_IMAGES = 20  # of a class, and of all others: with fewer, J is off by 0.15 or more by chance
_BINS, _FOLDS = 16, 5
_ERRORS = 3.0  # standard errors by which J must be above half of TELLING

STILL = 3.0  # standard deviation of a pixel, of 255, below which it is the same in all images; JPEG alone makes 1 to 2
LIVELY = 15.0  # standard deviation that the same pixel must have in every other class
LEAST_PIXELS = 16  # of the thumbnail's 1,024, 1.6 %: a stamp of an eighth of either side
LEAST_PICTURES = 10  # different images of a class, for its pixels to be judged


def check_shortcuts(examined: Examined) -> Iterator[Finding]:
    """Facts of the files, and parts of the picture, that give a class away.

    They warn and do not block: the figures are true for data of the same making, and for nothing else, and whether
    that is what the user has, the images cannot tell.
    """
    rows = np.flatnonzero(examined.usable & examined.distinct)  # copies would count a chance twice
    yield from _facts_that_tell(examined.survey, rows, examined.seed)
    yield from _still_regions(examined.dataset, examined.survey.pictures)


def _facts_that_tell(survey: Survey, rows: Rows, seed: int) -> Iterator[Finding]:
    labels = survey.dataset.labels[rows].astype(np.intp)
    cases = [
        Case(
            (), f"{name} alone separates class '{printable(survey.dataset.classes[label])}' from the others: {found}", j
        )
        for name, values in _facts(survey, rows).items()
        for label, j, found in telling(values, labels, len(survey.dataset.classes), seed)
    ]
    if cases:
        best = max(cases, key=lambda case: case.score)
        yield Finding(
            "shortcut",
            "warning",
            len(cases),
            f"{best.detail[0].upper()}{best.detail[1:]}; a network may learn this instead of the content.",
            "convert the images of all classes to the same size, format and colour, or collect all of them in "
            "the same way",
            ranked(cases),
        )


def _facts(survey: Survey, rows: Rows) -> dict[str, Doubles]:
    """What is known of a file without its content: (M,) each.

    Bytes a pixel are not among them: they tell how much there is to see (faults in cloth take fewer): content.
    """
    facts = survey.facts[rows]
    height, width = facts["height"].astype(np.float64), facts["width"].astype(np.float64)
    return {
        "width": width,
        "height": height,
        "aspect ratio": width / np.maximum(height, 1),
        "JPEG quality": facts["compression"].astype(np.float64),
        "format": survey.kinds[rows].astype(np.float64),
        "greyscale": (facts["colour"] < GREY).astype(np.float64),
    }


def telling(values: Doubles, labels: Rows, classes: int, seed: int) -> Iterator[tuple[int, float, str]]:
    """Classes that one fact of each row gives away: (class, J, in words); ``values`` and ``labels`` are (M,)."""
    bins = _binned(values)
    if bins.max(initial=0) == 0:
        return
    sensitivity, false_alarms = _one_against_rest(bins, labels, classes, seed)
    counts = np.bincount(labels, minlength=classes)
    rest = len(labels) - counts
    j = sensitivity - false_alarms
    error = np.sqrt(_binomial(sensitivity, counts) + _binomial(false_alarms, rest))
    enough = (counts >= LEAST_IMAGES) & (rest >= LEAST_IMAGES)
    for label in np.flatnonzero(enough & (j >= TELLING) & (j - _ERRORS * error >= TELLING / 2)).tolist():
        yield label, float(j[label]), f"{sensitivity[label]:.0%} found, {false_alarms[label]:.0%} false alarms"


def _binned(values: Doubles) -> Rows:
    """(M,), values as bins: each value its own where there are few, quantiles where there are many."""
    distinct, place = np.unique(values, return_inverse=True)
    if len(distinct) <= _BINS:
        return place.astype(np.intp)
    edges = np.unique(np.quantile(values, np.arange(1, _BINS) / _BINS))
    return np.searchsorted(edges, values, side="right").astype(np.intp)


def _one_against_rest(bins: Rows, labels: Rows, classes: int, seed: int) -> tuple[Doubles, Doubles]:
    """Share of each class, and of all others, in the bins that speak for the class in the other folds: (C,) each."""
    fold = np.random.default_rng(seed).permutation(len(bins)) % _FOLDS
    shape = (_FOLDS, int(bins.max()) + 1, classes)
    tables = np.zeros(shape)
    np.add.at(tables, (fold, bins, labels), 1)
    total = tables.sum(axis=0)
    inside, outside = np.zeros(classes), np.zeros(classes)
    for held in tables:
        seen = total - held
        claimed = _shares(seen) > _shares(seen.sum(axis=1, keepdims=True) - seen)
        inside += (claimed * held).sum(axis=0)
        outside += (claimed * (held.sum(axis=1, keepdims=True) - held)).sum(axis=0)
    own = total.sum(axis=0)
    return inside / np.maximum(own, 1), outside / np.maximum(len(bins) - own, 1)


def _shares(table: Doubles) -> Doubles:
    return np.asarray(table / np.maximum(table.sum(axis=0, keepdims=True), 1))


def _binomial(share: Doubles, count: npt.NDArray[np.int64]) -> Doubles:
    """Variance of a share; Laplace's rule keeps it above zero where the share is 0 or 1."""
    smooth = (share * count + 1) / (count + 2)
    return np.asarray(smooth * (1 - smooth) / np.maximum(count, 1))


def _still_regions(dataset: ImageDataset, pictures: Pictures) -> Iterator[Finding]:
    """Parts of the picture that are the same in all images of one class, and differ among the others'.

    A border, a stamp or a logo. What is the same in several classes is taken for their background: the corners of
    handwritten digits are white in most.
    """
    judged = np.flatnonzero(pictures.counts >= LEAST_PICTURES)
    if len(judged) < 2:
        return
    spreads = pictures.spreads[judged]
    masks = (spreads < STILL) & (_least_of_others(spreads) > LIVELY)
    places = masks.sum(axis=(1, 2))
    found = np.flatnonzero(places >= LEAST_PIXELS).tolist()
    if found:
        cases = ranked(
            Case((), _region(dataset, int(judged[place]), masks[place]), float(places[place])) for place in found
        )
        yield Finding(
            "constant-region",
            "warning",
            len(found),
            f"{number(len(found), 'class', 'classes')} whose images all share a region that varies in the other "
            f"classes: {cases[0].detail}.",
            "crop off the border or stamp, or use it for all classes alike",
            cases,
        )


def _least_of_others(spreads: Doubles) -> Doubles:
    """(J, 32, 32): each pixel's smallest standard deviation in any other class, from (J, 32, 32)."""
    smallest, second = np.sort(spreads, axis=0)[:2]
    return np.asarray(np.where(spreads == smallest, second, smallest))


def _region(dataset: ImageDataset, label: int, mask: npt.NDArray[np.bool_]) -> str:
    """The region in words, in percent of the picture's width and height."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    side = mask.shape[0] / 100
    top, bottom, left, right = (f"{edge / side:.0f}" for edge in (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1))
    share = mask.mean()
    return (
        f"class '{printable(dataset.classes[label])}', {share:.0%} of the image, from {left} to {right} % of "
        f"its width and {top} to {bottom} % of its height"
    )
