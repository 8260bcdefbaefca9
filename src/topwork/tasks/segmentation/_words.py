"""A segmenter's results in the words of the command line: ``WORDS``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from topwork._text import facts, lies_in
from topwork.data import printable
from topwork.metrics import as_percent
from topwork.tasks._maps import _words
from topwork.tasks._maps._words import fields, folds, of_classes, tried
from topwork.tasks._said import caveats, counted, unread
from topwork.tasks._task import Words

if TYPE_CHECKING:
    from topwork.advising import Advice
    from topwork.metrics import SegmentationReport
    from topwork.tasks.segmentation._compared import SegmentationCompared
    from topwork.tasks.segmentation._evaluated import SegmentationEvaluated
    from topwork.tasks.segmentation._found import FoundMask
    from topwork.tasks.segmentation._model import Segmenter
    from topwork.tasks.segmentation._record import SegmenterRecord

_NAMED = 10  # classes of a prediction in brief
_FIGURES = {"iou": "IoU"}
_COMPARED = {**_FIGURES, "dice": "Dice"}


def fitted(model: Segmenter) -> list[str]:
    """How good a model is, and how it was chosen."""
    return [*_choices(model.record), *_quality(model), *_threshold(model.record)]


def _choices(record: SegmenterRecord) -> list[str]:
    block, lost = record.task, record.data.left_out
    objects = "" if block.objects is None else f" with {counted(block.objects, 'object')}"
    classes = counted(len(block.classes) - block.has_background, "class")
    lines = [
        f"{counted(record.data.training, 'training image')}{objects} of {classes}"
        + (f"; {counted(lost, lies_in('image'))} left out" if lost else "")
    ]
    known = sum(block.training)
    if block.unlabelled:
        lines.append(f"Labelled: {known / (known + block.unlabelled):.1%} of their pixels; the rest trains nothing")
    return [*lines, *tried(record.trials, "IoU")]


def _quality(model: Segmenter) -> list[str]:
    found, record = model.metrics, model.record
    if found is None:
        return ["No images were held out, so nothing was measured", *folds(record.task.folds, _FIGURES)]
    measured = f"{counted(found.images, 'held-out image')} ({record.data.held_out_split})"
    lines = [
        f"Mean IoU on {measured}: {as_percent(found.iou)}",
        f"Mean Dice {as_percent(found.dice)}, boundary F1 {as_percent(found.boundary_f1)}",
    ]
    if found.objects is not None:
        lines.append(f"AP50 of objects {as_percent(found.objects.ap50)}, PQ {as_percent(found.objects.pq)}")
    return [*lines, *_unmeasured(found), *_weakest(found), *folds(record.task.folds, _FIGURES)]


def _unmeasured(found: SegmentationReport) -> list[str]:
    """How many classes nobody measured."""
    classes = len(found.classes) - found.has_background
    missing = classes - found.measured
    return [f"Not measured: {missing} of the {classes} classes, of which no pixel is here"] if missing else []


def _weakest(found: SegmentationReport) -> list[str]:
    """The foreground class with the lowest IoU, where there are several."""
    known = [(each.iou.value, each) for each in found.per_class[int(found.has_background) :] if each.iou is not None]
    if len(known) < 2:
        return []
    _, least = min(known, key=lambda pair: pair[0])
    return [f"Weakest class: {printable(least.name)} ({counted(least.images, 'image')}), IoU {as_percent(least.iou)}"]


def _threshold(record: SegmenterRecord) -> list[str]:
    """From which probability on a pixel is of the second of two classes, where that is not one half."""
    value, names = record.task.threshold, record.task.classes
    if value is None:
        return []
    return [f"A pixel is {printable(names[1])} from a probability of {value:.2f} on: the best IoU on validation images"]


def predicted(prediction: FoundMask) -> str:
    """One line: the file, then each class that is there as ``class share``, with tabs between; objects first."""
    objects = [] if prediction.count is None else [str(prediction.count)]
    return "\t".join([printable(prediction.source), *objects, *_shares(prediction)])


def _shares(prediction: FoundMask) -> list[str]:
    return [f"{printable(name)} {share:.4f}" for name, share in prediction.shares().items() if share]


def brief(prediction: FoundMask) -> str:
    """``nucleus 12.0 %, 43 objects``."""
    names = prediction.classes[prediction.foreground.start :]
    shares = prediction.shares()
    said = [f"{printable(name)} {shares[name]:.1%}" for name in names if shares[name]]
    told = ", ".join(said[:_NAMED]) + (", …" if len(said) > _NAMED else "") if said else "nothing"
    return told if prediction.count is None else f"{told}, {counted(prediction.count, 'object')}"


def rows(prediction: FoundMask, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of a table: one for each object with its size and form, or for each foreground class with its pixels.

    An image that could not be used has one with its name and why, and so has one without any object.
    """
    from topwork.tasks.segmentation._table import class_rows, object_rows

    return object_rows(prediction) if prediction.tells_objects else class_rows(prediction)


def evaluated(found: SegmentationEvaluated) -> list[str]:
    """Figures, a row for each class, and what could not be read."""
    report = found.report
    where = f" on {counted(report.images, 'image')}" + (f" ({found.split})" if found.split else "")
    figures = [(name, as_percent(each)) for name, each in report.figures() if each is not None]
    cells = [
        (printable(each.name), str(each.images), *map(as_percent, (each.iou, each.dice, each.boundary_f1)))
        for each in report.per_class
    ]
    return [
        *caveats(found),
        facts([(name, text + (where if name == "mean IoU" else "")) for name, text in figures])
        if figures
        else f"No pixel of these {counted(report.images, 'image')} is labelled, so there is nothing to measure",
        *_unmeasured(report),
        "95 % intervals in brackets. Means are over the classes other than background.",
        "",
        *of_classes(("class", "images", "IoU", "Dice", "boundary F1"), cells),
        *unread(found.left_out),
    ]


def compared(names: Sequence[str], both: SegmentationCompared) -> list[str]:
    """Two models side by side, and whether the difference may be chance."""
    return _words.compared(names, both, _COMPARED)


def advised(advice: Advice) -> list[str]:
    """Advice on a segmenter."""
    told = advice.description
    described = (
        f"{counted(told.images, 'training image')}; each of {counted(told.classes, 'class')} is in {told.smallest} to "
        f"{told.largest} of them;"
    )
    return _words.advised(advice, described, "IoU")


WORDS = Words(fitted, predicted, evaluated, fields, caveats, advised, compared, rows, brief)
