"""A detector's results in the words of the command line: ``WORDS``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from topwork._text import facts, lies_in
from topwork.data import printable
from topwork.metrics import as_percent
from topwork.tasks._maps import _words
from topwork.tasks._maps._words import folds, of_classes, tried
from topwork.tasks._said import caveats, counted, unread
from topwork.tasks._task import Words

if TYPE_CHECKING:
    from topwork.advising import Advice
    from topwork.metrics import DetectionReport, OperatingReport
    from topwork.tasks.detection._compared import DetectionCompared
    from topwork.tasks.detection._evaluated import DetectionEvaluated
    from topwork.tasks.detection._found import FoundObject, FoundObjects
    from topwork.tasks.detection._model import Detector
    from topwork.tasks.detection._record import DetectorRecord

_NAMED = 10  # thresholds, and classes of a prediction in brief
_FIGURES = {"ap50": "AP50", "ap": "AP"}


def fitted(model: Detector) -> list[str]:
    """How good a model is, and how it was chosen."""
    return [*_choices(model.record), *_quality(model), *_thresholds(model.record)]


def _choices(record: DetectorRecord) -> list[str]:
    boxes, classes, empty = sum(record.task.training), len(record.task.classes), record.task.empty
    lost = record.data.left_out
    lines = [
        f"{counted(record.data.training, 'training image')} with {counted(boxes, 'box')} of {counted(classes, 'class')}"
        + (f"; {empty} without a box" if empty else "")
        + (f"; {counted(lost, lies_in('image'))} left out" if lost else "")
    ]
    return [*lines, *tried(record.trials, "AP50")]


def _quality(model: Detector) -> list[str]:
    found, record = model.metrics, model.record
    if found is None:
        return ["No images were held out, so nothing was measured", *folds(record.task.folds, _FIGURES)]
    measured = f"{counted(found.images, 'held-out image')} with {counted(found.boxes, 'box')}"
    return [
        f"AP50 on {measured} ({record.data.held_out_split}): {as_percent(found.ap50)}",
        f"AP {as_percent(found.ap)}, AP75 {as_percent(found.ap75)}",
        *_unmeasured(found),
        *_weakest(found),
        *folds(record.task.folds, _FIGURES),
    ]


def _unmeasured(found: DetectionReport) -> list[str]:
    """How many classes nobody measured."""
    missing = len(found.per_class) - found.measured
    return (
        [f"Not measured: {missing} of the {len(found.per_class)} classes, of which no box is here"] if missing else []
    )


def _weakest(found: DetectionReport) -> list[str]:
    """The class with the lowest AP50, where there are several."""
    known = [(each.ap50.value, each) for each in found.per_class if each.ap50 is not None]
    if len(known) < 2:
        return []
    _, least = min(known, key=lambda pair: pair[0])
    return [f"Weakest class: {printable(least.name)} ({counted(least.boxes, 'box')}), AP50 {as_percent(least.ap50)}"]


def _thresholds(record: DetectorRecord) -> list[str]:
    """From which scores on the model tells of objects, how that was chosen, and what it gives on held-out images."""
    block, chosen = record.task, record.task.chosen
    named = [f"{printable(name)} {value:.2f}" for name, value in zip(block.classes, block.thresholds, strict=True)]
    shown = ", ".join(named[:_NAMED]) + (", …" if len(named) > _NAMED else "")
    if chosen is None:
        return [f"Thresholds, the default: {shown}", *_operating(block.at_thresholds)]
    wish = "the highest F1" if chosen.recall is None else f"a recall of {chosen.recall:.0%}"
    lines = [f"Thresholds for {wish} on {counted(chosen.report.images, 'validation image')}: {shown}"]
    missed = [name for name, reached in zip(block.classes, chosen.reached, strict=True) if not reached]
    if missed:
        lines.append(f"Too few objects, or too few found, to promise that recall: {_names(missed)}")
    silent = [name for name, value in zip(block.classes, block.thresholds, strict=True) if value >= 1]
    if silent:
        lines.append(f"Never found on the validation images, so only predict --threshold shows them: {_names(silent)}")
    return [*lines, *_operating(block.at_thresholds)]


def _names(classes: Sequence[str]) -> str:
    return ", ".join(map(printable, classes[:_NAMED])) + (", …" if len(classes) > _NAMED else "")


def _operating(found: OperatingReport | None) -> list[str]:
    """What the thresholds give: what is shown that is right, what is found, and how many mistakes an image has."""
    if found is None or found.overall.recall is None:
        return []
    told = found.overall
    wrong, missed = counted(told.inventions, "false alarm"), counted(told.misses, "miss")
    return [
        f"At these thresholds: precision {as_percent(told.precision)}, recall {as_percent(told.recall)}; "
        f"{wrong} and {missed} in {counted(found.images, 'image')}"
    ]


def predicted(prediction: FoundObjects) -> str:
    """One line: the file, how many objects, and each as ``class score x y width height``, with tabs between.

    Pixels of the image as it is shown; a class's name may hold spaces, the five numbers behind it do not.
    """
    return "\t".join([printable(prediction.source), str(len(prediction)), *map(_object, prediction)])


def _object(each: FoundObject) -> str:
    return " ".join([printable(each.label), f"{each.score:.4f}", *(f"{number:.1f}" for number in each.box)])


def brief(prediction: FoundObjects) -> str:
    """``2 cat, 1 dog``."""
    tallied = [f"{count} {printable(name)}" for name, count in prediction.counts().items()]
    return ", ".join(tallied[:_NAMED]) + (", …" if len(tallied) > _NAMED else "") if tallied else "nothing"


def rows(prediction: FoundObjects, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of a table, one for each object; an image without any has one with nothing in it but its name.

    The columns are those in which ``fit`` reads boxes, so what was predicted may be corrected and learnt from.
    """
    names = ("xmin", "ymin", "xmax", "ymax")
    found = [
        {
            "path": prediction.source,
            "label": each.label,
            "score": round(each.score, 4),
            **{name: round(number, 2) for name, number in zip(names, each.corners, strict=True)},
            "error": "",
        }
        for each in prediction
    ]
    empty = {"path": prediction.source, "label": "", "score": None, **dict.fromkeys(names), "error": prediction.error}
    return found or [empty]


def fields(found: DetectionEvaluated) -> dict[str, Any]:
    """An evaluation, JSON-ready."""
    return {**_words.fields(found), "at_thresholds": found.operating.to_dict()}


def evaluated(found: DetectionEvaluated) -> list[str]:
    """Figures, a row for each class, and what could not be read."""
    report = found.report
    where = f" on {counted(report.images, 'image')} with {counted(report.boxes, 'box')}"
    where += f" ({found.split})" if found.split else ""
    figures = [(name, as_percent(each)) for name, each in report.figures() if each is not None]
    cells = [
        (printable(each.name), str(each.boxes), *map(as_percent, (each.ap50, point.precision, point.recall)))
        for each, point in zip(report.per_class, found.operating.per_class, strict=True)
    ]
    return [
        *caveats(found),
        facts([(name, text + (where if name == "AP" else "")) for name, text in figures])
        if figures
        else f"No object is in these {counted(report.images, 'image')}, so there is nothing to measure",
        *_unmeasured(report),
        *_operating(found.operating),
        "95 % intervals in brackets. AP: overlap 0.5 to 0.95; AR: average recall of 1, 10 and 100 detections.",
        "",
        *of_classes(("class", "boxes", "AP50", "precision", "recall"), cells),
        *unread(found.left_out),
    ]


def compared(names: Sequence[str], both: DetectionCompared) -> list[str]:
    """Two models side by side, and whether the difference may be chance."""
    return _words.compared(names, both, _FIGURES)


def advised(advice: Advice) -> list[str]:
    """Advice on a detector."""
    told = advice.description
    described = (
        f"{counted(told.images, 'training image')} with {told.smallest} to {told.largest} boxes of each of "
        f"{counted(told.classes, 'class')},"
    )
    return _words.advised(advice, described, "AP50", "AP")


WORDS = Words(fitted, predicted, evaluated, fields, caveats, advised, compared, rows, brief)
