"""How good a model is, and how far it may be trusted: the answer in words, metrics, calibration, thresholds, shift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from topwork.metrics import ClassReport, DecisionReport, Estimate, Evaluation, SelectiveReport, Shift
from topwork.model import CostsRecord, images_needed
from topwork.report._charts import SQUARE, reliability_points
from topwork.report._model import PageContext
from topwork.report._page import isolated, percent
from topwork.report.sections._first import examples, next_step

_FOUND = 0.8  # recall of the weakest class from which the verdict may be green
MOST_CLASSES = 200  # rows of the table
OPEN_CLASSES = 40  # rows up to which it is not folded
_NO_SHARES = ("roc_auc", "average_precision", "log_loss", "brier")
_FIGURES = ("accuracy", "top5", "balanced_accuracy", "macro_f1", *_NO_SHARES, "ece")


def answer(page: PageContext) -> dict[str, Any]:
    """How good it is, its weakest class, how it decides and how far it may be trusted; some examples; what is next."""
    return {
        "good": _deserves_it(page.metrics),
        "warning": (
            page.evaluated is not None
            and (page.evaluated.seen_in_training or bool(page.evaluated.shift and page.evaluated.shift.alarm))
        )
        or bool(_rule(page) and _rule(page).refuted),
        "sentences": [*_how_good(page), *_unmeasured(page), *_weakest(page), *_decision(page), *_how_sure(page)],
        "metrics": page.metrics,
        "record": page.record,
        "examples": examples(page),
        "next": next_step(page),
    }


def _deserves_it(found: Evaluation | None) -> bool:
    """Whether the verdict may be green: every class was measured, and of the weakest four images in five are found."""
    return found is not None and all(each.recall and each.recall.value >= _FOUND for each in found.per_class)


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


def _weakest(page: PageContext) -> list[str]:
    """The class with the lowest recall, and what it is taken for most often."""
    found: Evaluation | None = page.metrics
    if found is None:
        return []
    if (place := found.weakest) is None or (mistaken := found.mistaken_for(place)) is None:
        return [page.t("answer_flawless")]
    report = found.per_class[place]
    assert report.recall is not None
    names = {"name": isolated(report.name, 60), "said": isolated(found.classes[mistaken[0]], 60)}
    counts = {"found": f"{found.found(place):,}", "total": f"{report.support:,}", "taken": f"{mistaken[1]:,}"}
    return [page.t("answer_weakest", **names, **counts, recall=f"{100 * report.recall.value:.0f}")]


def _rule(page: PageContext) -> Any:
    """How the model decides, with what that gave on the images that measured it; None by the most probable class."""
    return page.evaluated.decision if page.evaluated is not None else page.record.task.decision


def _decision(page: PageContext) -> list[str]:
    """How the model decides, and what that costs."""
    rule, t = _rule(page), page.t
    if rule is None:
        return []
    report = rule.report
    if isinstance(rule, CostsRecord):
        told = ", ".join(f"{isolated(true, 60)} → {isolated(said, 60)} {cost:g}" for true, said, cost in rule.costs)
        costs = {} if report is None else {"cost": report.decided.cost, "usual": report.usual.cost}
        measured = {name: f"{each.value:.3f}" for name, each in costs.items()}
        return [t("decision_costs", costs=told), *([t("decision_cost", **measured)] if measured else [])]
    name, target = isolated(rule.name, 60), f"{100 * rule.target:.4g} %"
    key = f"decision_{rule.metric}" if rule.threshold is not None else f"decision_{rule.metric}_met"
    sentences = [t(key, name=name, target=target, threshold=f"{rule.threshold or 0:.2g}")]
    if report is not None and report.decided.recall is not None:
        sentences.append(t("decision_measured", name=name, **_shares(report)))
    if rule.refuted:
        sentences.append(t("decision_refuted", target=target))
    if not rule.enough:
        sentences.append(t("decision_few", name=name, target=target, needed=f"{images_needed(rule.target):,}"))
    return sentences


def _shares(report: DecisionReport) -> dict[str, str]:
    """Recall with its interval and precision, by the rule and by the most probable class."""
    recall = report.decided.recall
    assert recall is not None
    shares = {"precision": report.decided.precision, "usual": report.usual.recall}
    shares |= {"usual_precision": report.usual.precision}
    told = {name: percent(each.value) if each else "–" for name, each in shares.items()}
    return told | {
        "recall": percent(recall.value),
        "low": f"{100 * recall.low:.1f}",
        "high": f"{100 * recall.high:.1f}",
    }


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


def folds(page: PageContext) -> Any:
    """What k folds said of the whole procedure, as the record has it; None where ``fit`` was not asked."""
    return getattr(page.record.task, "folds", None)


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
        "right": "accuracy",
        "unit": "images",
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
