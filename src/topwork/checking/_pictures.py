"""Findings on single pictures: too small, too dark, blurred and so on, from the survey's numbers alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from topwork.backbones import Preprocessing
from topwork.checking._examined import Examined
from topwork.checking._finding import Finding, Severity, share, worst
from topwork.checking._survey import UNIFORM, Survey
from topwork.data.formats import FORMATS, suffix_fits

Rows = npt.NDArray[np.intp]

# Each limit lies well outside what 4,400 real images hold (cats, dogs, ants, bees, cloth); in brackets their extreme.
DARK = 50.0  # 99 % of the picture is darker, of 255 (lowest seen: 99)
BRIGHT = 225.0  # 99 % of it is brighter (highest seen: 156)
USUAL = 8  # images from which on what most of them are is how such images are
GREY = 1.5  # mean difference between channels, of 255; a colour photograph of a grey thing has about 4
LONG = 4.0  # longer over shorter side (highest seen: 3.4)
ENLARGED = 4.0  # times by which the network's input is larger than the image
# Sharpness of photographs: median 0.3 to 0.6, 1 in 100 below 0.06; after a Gaussian blur of 2 % of the shorter side,
# 95 in 100 below 0.013. Cloth under a lens is ten times sharper, blurred or not: hence a limit relative to the median.
BLURRED, BLURRED_OF_MEDIAN = 0.02, 1 / 50
# A drawing among photographs: photographs have a median of 0.1 and 0.35, cut out on white up to 0.84 and 0.93, by night
# up to 0.68 and 0.997, so both must be beyond; a file that says "image not found" has 0.86 and 0.99.
FLAT, PLAIN = 0.75, 0.95
FLAT_PHOTOGRAPHS, PLAIN_PHOTOGRAPHS = (
    0.3,
    0.6,
)  # medians of a set of photographs; faces before a wall have 0.12 and 0.84
CROPPED = 0.6  # share of an image that the centre crop leaves out; 4:3 loses 0.43, 2:1 0.62
CROPPED_IMAGES = 0.05  # share of such images below which nothing is said
RARE = 0.02  # share of images of one format below which they stand out


class _Limit(NamedTuple):
    """One limit on one number of each image, and the finding on those beyond it."""

    name: str
    severity: Severity
    excess: npt.NDArray[np.float64]  # (N,) how far beyond the limit each image is; above 0 is beyond, NaN is not judged
    what: str  # of the images beyond: "are ..."
    advice: str
    describe: Callable[[int], str]  # the number, in words, of one row


def check_pictures(examined: Examined) -> Iterator[Finding]:
    """Everything that a single picture may have wrong; what a network would not see, where there is one.

    None of it blocks: such pictures make a model worse, and do not make its measured figures untrue.
    """
    survey, usable = examined.survey, np.flatnonzero(examined.usable)
    preprocessing = examined.backbone.preprocessing if examined.backbone else None
    for limit in (*_brightness(survey, usable), *_shape(survey, preprocessing), _blur(survey, usable)):
        beyond = usable[np.nan_to_num(limit.excess[usable], nan=-1.0) > 0]
        if len(beyond):
            cases = worst(survey.dataset, beyond, limit.excess[beyond], limit.describe)
            what = f"{share(len(beyond), len(usable))} {limit.what}."
            yield Finding(limit.name, limit.severity, len(beyond), what, limit.advice, cases)
    if preprocessing is not None:
        yield from _cropped(survey, preprocessing, usable)
    yield from _drawings(survey, usable)
    yield from _grey(survey, usable)
    yield from _formats(survey, usable)


def _brightness(survey: Survey, usable: Rows) -> Iterator[_Limit]:
    low, high, spread = (survey.facts[name].astype(np.float64) for name in ("low", "high", "spread"))
    uniform = UNIFORM - spread
    yield _Limit(
        "nearly-uniform",
        "warning",
        uniform,
        "are almost one uniform surface",
        "look at them, and remove blank or placeholder images",
        lambda row: f"brightness varies by {spread[row]:.1f} of 255",
    )
    several = uniform <= 0  # a blank picture is told once, as a blank one
    yield _Limit(
        "too-dark",
        "warning",
        _unless_usual(np.where(several, DARK - high, -1.0), usable),
        f"are almost black: 99 % of the pixels are darker than {DARK:.0f} of 255",
        "replace them with brighter images, or leave them out",
        lambda row: f"99 % is darker than {high[row]:.0f} of 255",
    )
    yield _Limit(
        "too-bright",
        "warning",
        _unless_usual(np.where(several, low - BRIGHT, -1.0), usable),
        f"are almost white: 99 % of the pixels are brighter than {BRIGHT:.0f} of 255",
        "replace them with darker images, or leave them out",
        lambda row: f"99 % is brighter than {low[row]:.0f} of 255",
    )


def _unless_usual(excess: npt.NDArray[np.float64], usable: Rows) -> npt.NDArray[np.float64]:
    """None beyond where most are: fluorescence is dark, line drawings are bright, and a network learns from such."""
    usual = len(usable) >= USUAL and float((excess[usable] > 0).mean()) > 0.5
    return np.full_like(excess, -1.0) if usual else excess


def _shape(survey: Survey, preprocessing: Preprocessing | None) -> Iterator[_Limit]:
    height, width = survey.facts["height"].astype(np.float64), survey.facts["width"].astype(np.float64)
    shorter, longer = np.minimum(height, width), np.maximum(height, width)

    def sides(row: int) -> str:
        return f"{int(width[row]):,} × {int(height[row]):,} pixels"

    if preprocessing is not None:
        least = preprocessing.size / ENLARGED
        yield _Limit(
            "too-small",
            "warning",
            least - shorter,
            f"have a side of less than {least:.0f} pixels, and the network uses {preprocessing.size}",
            "use larger originals if there are any; enlarging small ones adds no detail",
            sides,
        )
    yield _Limit(
        "extreme-aspect",
        "warning",
        longer / np.maximum(shorter, 1) - LONG,
        f"are more than {LONG:.0f} times as long as wide",
        "crop them to the relevant part, because the network uses a square",
        sides,
    )
    yield _Limit(
        "animated",
        "note",
        survey.facts["frames"].astype(np.float64) - 1,
        "are animations, and only the first frame is used",
        "save the relevant frame as a still image",
        lambda row: f"{survey.facts['frames'][row]:,} frames",
    )


def _blur(survey: Survey, usable: Rows) -> _Limit:
    blank = survey.facts["spread"] < UNIFORM  # told as blank
    sharpness = np.where(blank, np.nan, survey.facts["sharpness"].astype(np.float64))
    judged = sharpness[usable][~np.isnan(sharpness[usable])]
    median = float(np.median(judged)) if len(judged) else 0.0
    limit = max(BLURRED, BLURRED_OF_MEDIAN * median)
    return _Limit(
        "blurred",
        "warning",
        1.0 - sharpness / limit,
        "are blurred, even at the input size of the network",
        "look at them, and leave out those that a person could not classify",
        lambda row: f"sharpness {sharpness[row]:.3f}, half of the images have more than {median:.2f}",
    )


def _cropped(survey: Survey, preprocessing: Preprocessing, usable: Rows) -> Iterator[Finding]:
    """What the network's centre crop would not show; says nothing where the whole image is used."""
    if preprocessing.crop_mode != "crop" or not len(usable):
        return
    height, width = survey.facts["height"].astype(np.float64), survey.facts["width"].astype(np.float64)
    seen = (np.minimum(height, width) * preprocessing.crop) ** 2
    lost = 1.0 - seen / np.maximum(height * width, 1)
    rows = usable[lost[usable] > CROPPED]
    if len(rows) > CROPPED_IMAGES * len(usable):
        typical = float(np.median(lost[usable]))
        yield Finding(
            "cut-by-crop",
            "note",
            len(rows),
            f"{share(len(rows), len(usable))} would lose more than {CROPPED:.0%} of their area to the centre crop; "
            f"half of all lose more than {typical:.0%}.",
            "keep `--crop-mode auto`, which measures whether using the whole image is better",
            worst(survey.dataset, rows, lost[rows], lambda row: f"{lost[row]:.0%} of the area is cropped away"),
        )


def _grey(survey: Survey, usable: Rows) -> Iterator[Finding]:
    grey = survey.facts["colour"][usable] < GREY
    odd = grey if 2 * grey.sum() <= len(usable) else ~grey
    if not odd.any():
        return
    rows = usable[odd]
    what = "are greyscale, the others in colour" if odd is grey else "are in colour, the others greyscale"
    yield Finding(
        "mixed-colour",
        "note",
        len(rows),
        f"{share(len(rows), len(usable))} {what}.",
        "fine if the images to predict will be mixed in the same way; otherwise convert them",
        worst(survey.dataset, rows, np.abs(survey.facts["colour"][rows] - GREY), lambda row: ""),
    )


def _drawings(survey: Survey, usable: Rows) -> Iterator[Finding]:
    """The few pictures among photographs that are even areas of few colours: placeholders, logos, drawings."""
    flat, plain, spread = (survey.facts[name].astype(np.float64) for name in ("flat", "plain", "spread"))
    several = usable[spread[usable] >= UNIFORM]  # what is blank is told as blank
    rows = several[(flat[several] > FLAT) & (plain[several] > PLAIN)]
    others = usable[~np.isnan(flat[usable])]
    if not 0 < len(rows) <= max(1, RARE * len(usable)) or len(rows) == len(others):
        return
    if np.median(flat[others]) > FLAT_PHOTOGRAPHS or np.median(plain[others]) > PLAIN_PHOTOGRAPHS:
        return
    yield Finding(
        "placeholders",
        "warning",
        len(rows),
        f"{share(len(rows), len(usable))} look like a placeholder or a drawing, and the others like photographs.",
        "look at them, and remove placeholders; keep drawings only if the images to predict will have some",
        worst(survey.dataset, rows, plain[rows], lambda row: f"eight colours cover {plain[row]:.0%} of it"),
    )


def _formats(survey: Survey, usable: Rows) -> Iterator[Finding]:
    """Formats that hardly any image has, and names that claim another one."""
    counts = np.bincount(survey.kinds[usable] + 1, minlength=len(FORMATS) + 1)
    rare = usable[counts[survey.kinds[usable] + 1] <= RARE * len(usable)]
    if len(rare):
        yield Finding(
            "rare-format",
            "note",
            len(rare),
            f"{share(len(rare), len(usable))} have a file format that is rare in this data.",
            "look at them: placeholders and drawings often have another format",
            worst(survey.dataset, rare, np.zeros(len(rare)), lambda row: _format(survey, row)),
        )
    paths = survey.dataset.paths
    wrong = np.array([row for row in usable.tolist() if not suffix_fits(paths[row], _format(survey, row))], np.intp)
    if len(wrong):
        yield Finding(
            "wrong-suffix",
            "note",
            len(wrong),
            f"{share(len(wrong), len(usable))} have a file name extension that does not match their format.",
            "nothing to do for topwork, which reads the format from the content; other programs may refuse them",
            worst(survey.dataset, wrong, np.zeros(len(wrong)), lambda row: f"is {_format(survey, row)}"),
        )


def _format(survey: Survey, row: int) -> str:
    return FORMATS[survey.kinds[row]] if survey.kinds[row] >= 0 else ""
