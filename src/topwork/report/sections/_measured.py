"""How good a model is, and how far it may be trusted: the answer in words, metrics, calibration, thresholds, shift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from topwork.metrics import ClassReport, Estimate, SelectiveReport, Shift
from topwork.report._charts import SQUARE, reliability_points
from topwork.report._model import PageContext
from topwork.report._page import isolated, percent
from topwork.report.sections._answers import kinds_of_mistakes
from topwork.report.sections._first import examples, next_step

MOST_CLASSES = 200  # rows of the table
OPEN_CLASSES = 40  # rows up to which it is not folded
_NO_SHARES = ("roc_auc", "average_precision", "log_loss", "brier")
_FIGURES = ("accuracy", "top5", "balanced_accuracy", "macro_f1", *_NO_SHARES, "ece")


def answer(page: PageContext) -> dict[str, Any]:
    """How good it is, what it mistakes and how far it may be trusted, in sentences; some examples; what to do next."""
    return {
        "good": page.metrics is not None,
        "warning": page.evaluated is not None
        and (page.evaluated.seen_in_training or bool(page.evaluated.shift and page.evaluated.shift.alarm)),
        "sentences": [*_how_good(page), *_unmeasured(page), *_most_mistaken(page), *_how_sure(page)],
        "metrics": page.metrics,
        "record": page.record,
        "examples": examples(page),
        "next": next_step(page),
    }


def _how_good(page: PageContext) -> list[str]:
    t, metrics = page.t, page.metrics
    if metrics is None:
        score = page.record.cross_validation.get("accuracy")
        return [t("answer_unmeasured"), *([t("answer_cv", share=f"{100 * score:.0f}")] if score is not None else [])]
    accuracy = metrics.accuracy
    share, low, high = (f"{100 * each:.0f}" for each in (accuracy.value, accuracy.low, accuracy.high))
    trained = page.evaluated.trained if page.evaluated is not None else None
    if page.evaluated is not None and page.evaluated.seen_in_training:
        if trained is not None and trained < metrics.n:
            return [t("answer_seen_some", share=share, trained=f"{trained:,}", n=f"{metrics.n:,}")]
        return [t("answer_seen", share=share)]
    unknown = page.again and trained is None  # nobody knows whether it had seen them
    return [t("answer_asked" if unknown else "answer_good", share=share, low=low, high=high, n=f"{metrics.n:,}")]


def _unmeasured(page: PageContext) -> list[str]:
    """How many classes nobody measured, so that the macro averages leave them out."""
    found = page.metrics
    if found is None or found.measured == len(found.classes):
        return []
    return [page.t("answer_missing", count=len(found.classes) - found.measured, measured=found.measured)]


def _most_mistaken(page: PageContext) -> list[str]:
    if page.metrics is None:
        return []
    mistakes = kinds_of_mistakes(page.metrics)
    if not mistakes:
        return [page.t("answer_flawless")]
    true, said = mistakes[0]
    classes, confusion = page.metrics.classes, page.metrics.confusion
    names = {"true": isolated(classes[true], 60), "said": isolated(classes[said], 60)}
    return [page.t("answer_mistake", **names, count=confusion[true, said], total=confusion[true].sum())]


def _how_sure(page: PageContext) -> list[str]:
    told = page.evaluated.shift if page.evaluated else None
    if told is not None and told.alarm:
        return [page.t("answer_shift", unfamiliar=told.unfamiliar, images=told.images)]
    reports = _selective(page)
    refuted = [each for each in reports if each.refuted]
    sure = [
        (each.level, each.answered, each.accuracy)
        for each in reports
        if each.answered and each.accuracy and not each.refuted
    ]
    if not sure and refuted:
        return [_withdrawn(page, refuted)]
    if not sure:
        return [page.t("answer_unsure")] if page.metrics is not None else []
    level, answered, accuracy = sure[-1]
    key = "answer_all" if answered.value == 1 else "answer_sure"
    shares = {"level": f"{level:.0%}", "answered": percent(answered.value), "right": percent(accuracy.value)}
    return [page.t(key, **shares), *([_withdrawn(page, refuted)] if refuted else [])]


def _withdrawn(page: PageContext, refuted: Sequence[SelectiveReport]) -> str:
    """Which promises the images refute, and by what."""
    levels = ", ".join(f"{each.level:.0%}" for each in refuted)
    rights = ", ".join(dict.fromkeys(percent(each.accuracy.value) for each in refuted if each.accuracy))
    return page.t("answer_withdrawn", levels=levels, right=rights)


def metrics(page: PageContext) -> list[tuple[str, Estimate, bool]] | None:
    """Every figure that there is: its key in the texts, and whether it is a share."""
    if page.metrics is None:
        return None
    figures = [(key, getattr(page.metrics, key), key not in _NO_SHARES) for key in _FIGURES]
    return [figure for figure in figures if figure[1] is not None]


def per_class(page: PageContext) -> dict[str, Any] | None:
    """A row for each class; of very many the ones with the lowest recall."""
    if page.metrics is None:
        return None
    reports: Sequence[ClassReport] = page.metrics.per_class
    training = dict(zip(page.record.task.classes, page.record.task.training, strict=True))
    if len(reports) > MOST_CLASSES:
        reports = sorted(reports, key=lambda report: report.recall.value if report.recall else 2.0)[:MOST_CLASSES]
    return {
        "reports": [(report, training.get(report.name, 0)) for report in reports],
        "open": OPEN_CLASSES,
        "cut": len(reports) < len(page.metrics.per_class),
    }


def calibration(page: PageContext) -> dict[str, Any] | None:
    """The reliability curve, before and after temperature scaling where that is known."""
    found = page.metrics
    if found is None or not found.reliability:
        return None
    bins, before = found.reliability, found.before_scaling
    bins_before = before.reliability if before else ()
    most = max(each.images for each in (*bins, *bins_before))
    return {
        "axes": SQUARE,
        "points": reliability_points(bins, most),
        "points_before": reliability_points(bins_before, most),
        "bins": bins,
        "ece": found.ece.value,
        "before": before.ece if before else None,
    }


def selective(page: PageContext) -> dict[str, Any] | None:
    """Prediction sets and abstention: where their thresholds are from, and what they gave, level by level."""
    thresholds, reports = page.record.task.selective, _selective(page)
    if thresholds is None or not reports:
        return None
    return {"thresholds": thresholds, "rows": [(report, *_counted(report, page.metrics)) for report in reports]}


def _counted(report: SelectiveReport, metrics: Any) -> tuple[int, int]:
    """How many images a level answered, and how many of the answers are right."""
    answered = round(report.answered.value * metrics.n) if report.answered and metrics is not None else 0
    return answered, round(report.accuracy.value * answered) if report.accuracy else 0


def _selective(page: PageContext) -> tuple[SelectiveReport, ...]:
    if page.evaluated is not None:
        found: tuple[SelectiveReport, ...] = page.evaluated.selective
        return found
    thresholds = page.record.task.selective
    return tuple(map(SelectiveReport.from_dict, thresholds.measured)) if thresholds is not None else ()


def shift(page: PageContext) -> Shift | None:
    """Whether the images that measured the model are like those that trained it."""
    return page.evaluated.shift if page.evaluated is not None else None
