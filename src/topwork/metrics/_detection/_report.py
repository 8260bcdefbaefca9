"""How good a detector is on images that it has not seen: COCO's figures, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from topwork._arrays import Float64Array
from topwork._html import html_table
from topwork.metrics._detections import Detections
from topwork.metrics._estimates import share
from topwork.metrics._intervals import RESAMPLES, resample
from topwork.metrics._values import Estimate, Saved, as_percent

from ._boxes import Objects, checked
from ._evaluator import NAME, evaluated, has_evaluator
from ._matching import Matches, match
from ._precision import MOST, Averages, as_they_are, averages, mean_over_classes

FIGURES = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar1", "ar10", "ar100")
_AP75 = 5  # the place of 0.75 among the overlaps


@dataclass(frozen=True)
class ObjectClassReport:
    """One class of a detector's test set.

    Attributes:
        name: The class.
        boxes: Number of its objects, crowds left out.
        images: Number of images with one.
        ap: Average precision, mean over overlaps from 0.5 to 0.95; None where the class has no box: it has no say in
            the means either.
        ap50: The same at an overlap of 0.5.
    """

    name: str
    boxes: int
    images: int
    ap: Estimate | None
    ap50: Estimate | None


@dataclass(frozen=True)
class DetectionReport(Saved):
    """How a detector did on images with boxes: COCO's figures, each with a 95 % bootstrap interval over images.

    Average precision is the area under the curve of precision over recall; a detection is right where it overlaps an
    object of its class by so much that no surer one has taken. Figures are means over the classes that have boxes, and
    None where none has (COCO says -1).

    Source: Lin et al. 2014, "Microsoft COCO: Common Objects in Context", and pycocotools, whose numbers these are.

    Attributes:
        images: How many there are.
        boxes: Number of objects, crowds left out.
        crowds: Number of regions that are marked as a crowd: neither a miss nor an invention there counts.
        detections: How many there are, of any score.
        ap: Average precision, mean over overlaps (intersection over union) 0.5, 0.55 to 0.95.
        ap50: At an overlap of 0.5.
        ap75: At 0.75.
        ap_small: Of objects of up to 32² square pixels, by their boxes.
        ap_medium: Of objects from 32² to 96².
        ap_large: Of objects from 96² on.
        ar1: Average recall, mean over overlaps, of the surest detection of each class in each image.
        ar10: Of the ten surest.
        ar100: Of the hundred surest.
        per_class: One report for each class, in index order.
        resamples: Of the bootstrap.
        evaluator: Whose figures these are: ``faster-coco-eval`` where the extra ``detection`` is installed, else
            ``topwork``, whose own are the same. Intervals are always topwork's.
    """

    images: int
    boxes: int
    crowds: int
    detections: int
    ap: Estimate | None
    ap50: Estimate | None
    ap75: Estimate | None
    ap_small: Estimate | None
    ap_medium: Estimate | None
    ap_large: Estimate | None
    ar1: Estimate | None
    ar10: Estimate | None
    ar100: Estimate | None
    per_class: tuple[ObjectClassReport, ...]
    resamples: int
    evaluator: str

    _what = "report of a detection"

    def __post_init__(self) -> None:
        if self.images < 1 or sum(each.boxes for each in self.per_class) != self.boxes:
            raise ValueError(f"{self.images} images and {self.boxes} boxes, which are not those of the classes")
        if any((each.ap is None) != (each.boxes == 0) for each in self.per_class):
            raise ValueError("a class has an average precision where, and only where, it has boxes")

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in index order."""
        return tuple(each.name for each in self.per_class)

    @property
    def measured(self) -> int:
        """Number of classes with boxes: the means are over these alone."""
        return sum(each.boxes > 0 for each in self.per_class)

    def figures(self) -> tuple[tuple[str, Estimate | None], ...]:
        """The nine figures with COCO's names, in COCO's order."""
        return tuple((name[:2].upper() + name[2:].replace("_", " "), getattr(self, name)) for name in FIGURES)

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        missing = len(self.per_class) - self.measured
        note = f"Not measured: {missing} of the {len(self.per_class)} classes, of which there is no box here"
        rows = [(name, as_percent(each)) for name, each in self.figures()]
        title = f"{len(self.per_class)} classes, n = {self.images:,} images with {self.boxes:,} boxes"
        return html_table(title, ("metric", "value (95 % interval)"), rows, notes=[note] if missing else [])


def detection_report(
    truth: Sequence[Objects],
    found: Sequence[Detections],
    classes: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> DetectionReport:
    """Measure a detector on images that it has not seen.

    Detections are matched once; a resample of the images only counts them anew, so that a thousand take seconds. Where
    resamples do not differ, as of flawless detections, the interval is what Wilson's leaves open of so many images.

    Args:
        truth: N images' objects.
        found: N images' detections, all that were found: a threshold makes average precision smaller.
        classes: C names.
        seed: Of the bootstrap.
        resamples: How many, at least 1.

    Raises:
        DataError: No images, other numbers of both, boxes, scores or labels that are none.
    """
    given = checked(truth, found, len(classes))
    matches = match(*given, len(classes), len(truth))
    own = _figures(averages(matches, as_they_are(matches)))[:, 0]
    values = evaluated(*given, len(classes), len(truth)) if has_evaluator() else own
    drawn = [_figures(averages(matches, counts)) for counts in resample(len(truth), seed, resamples)]
    images = _images(matches)
    estimates = [share(*each) for each in zip(values, np.concatenate(drawn, axis=1), images, strict=True)]
    boxes = np.bincount(matches.truth.labels[matches.counted[0]], minlength=len(classes))
    by_class = zip(
        classes, boxes.tolist(), images[len(FIGURES) :].tolist(), *_halves(estimates[len(FIGURES) :]), strict=False
    )
    return DetectionReport(
        images=len(truth),
        boxes=int(boxes.sum()),
        crowds=int((~matches.counted[0]).sum()),
        detections=len(given[1].rows),
        **dict(zip(FIGURES, estimates, strict=False)),
        per_class=tuple(ObjectClassReport(*each) for each in by_class),
        resamples=resamples,
        evaluator=NAME if has_evaluator() else "topwork",
    )


def _figures(of: Averages) -> Float64Array:
    """(9 + 2C, r), in the order of the evaluator's."""
    by_class = of.precision.mean(axis=2)  # (C, A, r)
    means = mean_over_classes(by_class)
    at = mean_over_classes(of.precision[:, 0])
    several = [means[:1], at[[0, _AP75]], means[1:], mean_over_classes(of.recall)]
    return np.concatenate([*several, by_class[:, 0], of.precision[:, 0, 0]])


def _images(matches: Matches) -> Float64Array:
    """(9 + 2C,) int: the images with an object that each figure is of."""
    truth, counted = matches.truth, matches.counted
    own = np.unique(np.stack([truth.labels, truth.rows])[:, counted[0]], axis=1)[0]
    by_class = np.bincount(own, minlength=matches.n_classes)
    by_size = [len(np.unique(truth.rows[each])) for each in counted]
    return np.concatenate([by_size[:1] * 3, by_size[1:], by_size[:1] * len(MOST), by_class, by_class])


def _halves(values: list[Estimate | None]) -> tuple[list[Estimate | None], list[Estimate | None]]:
    return values[: len(values) // 2], values[len(values) // 2 :]
