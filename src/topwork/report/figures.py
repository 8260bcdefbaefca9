"""Figures for print of any model that tells classes apart, on matplotlib's axes (``topwork.report.PrintFigure``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from topwork.report._figures import PrintFigure, letters
from topwork.report._model import PageContext
from topwork.report.sections import advice_of

_NAMED = 30  # classes up to which the matrix has names, and numbers in its cells
_BLUE, _ORANGE, _GREY = "#0072b2", "#e69f00", "#777777"


def _confusion(page: PageContext, axes: Any) -> bool:
    """Rows are the true classes; colours are shares of a row, numbers are images."""
    if page.metrics is None:
        return False
    counts = page.metrics.confusion
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(letters(page.t("confusion_said")))
    axes.set_ylabel(letters(page.t("confusion_true")))
    places = range(len(counts))
    if len(counts) > _NAMED:
        axes.set_xticks([])
        axes.set_yticks([])
        return True
    names = [letters(name) for name in page.metrics.classes]
    axes.set_xticks(places, names, rotation=0 if len(names) < 4 else 90)
    axes.set_yticks(places, names)
    axes.tick_params(length=0)
    size = min(8.0, 90 / len(counts))
    for true in places:
        for said in places:
            ink = "white" if shares[true, said] > 0.5 else "black"
            if counts[true, said]:
                axes.text(said, true, str(counts[true, said]), ha="center", va="center", color=ink, fontsize=size)
    return True


def _reliability(page: PageContext, axes: Any) -> bool:
    found = page.metrics
    if found is None or not found.reliability:
        return False
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.6, linestyle="--")
    before = found.before_scaling.reliability if found.before_scaling else ()
    most = max(each.images for each in (*found.reliability, *before))
    for bins, colour, key in ((before, _ORANGE, "uncalibrated"), (found.reliability, _BLUE, "calibrated")):
        if bins:
            sizes = [8 + 72 * each.images / most for each in bins]
            places = [each.confidence for each in bins], [each.accuracy for each in bins]
            axes.scatter(*places, s=sizes, color=colour, alpha=0.8, linewidths=0, label=letters(page.t(key)))
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel=letters(page.t("confidence")), ylabel=letters(page.t("accuracy")))
    axes.grid(True)
    axes.legend()
    return True


def _risk_coverage(page: PageContext, axes: Any) -> bool:
    """The error among the surest answers, over how many are given. Source: Geifman & El-Yaniv 2017."""
    found = page.evaluated
    if found is None or not len(found.probabilities):
        return False
    coverage, risk = risk_coverage(found.confidence, found.answers == found.dataset.labels)
    axes.plot(coverage, risk, color=_BLUE, linewidth=1)
    axes.set(xlim=(0, 1.02), ylim=(0, None))
    axes.set(xlabel=letters(page.t("answered_share")), ylabel=letters(page.t("error_share")))
    axes.grid(True)
    return True


def risk_coverage(confidence: Any, right: Any) -> tuple[Any, Any]:
    """Shares (N,) of images that are answered, the surest first, and the share of wrong answers among them (N,)."""
    wrong = ~np.asarray(right)[np.argsort(-np.asarray(confidence), kind="stable")]
    count = np.arange(1, len(wrong) + 1)
    return count / len(wrong), np.cumsum(wrong) / count


def _learning(page: PageContext, axes: Any) -> bool:
    advice = advice_of(page.record)
    told = advice.forecast if advice is not None else None
    if told is None or not told.points:
        return False
    measured = [each.images for each in told.points], [each.accuracy for each in told.points]
    axes.plot(*measured, color=_BLUE, marker="o", markersize=3, linewidth=1)
    for each in told.ahead:
        _spot(axes, each.images, each.accuracy, _ORANGE)
    axes.axhline(told.target, color=_GREY, linewidth=0.6, linestyle="--")
    axes.set_xscale("log")
    axes.set(xlabel=letters(page.t("data_training")), ylabel=letters(page.t("accuracy")))
    axes.grid(True)
    return True


def _ladder(page: PageContext, axes: Any) -> bool:
    advice = advice_of(page.record)
    rungs = [each for each in advice.rungs if each.accuracy is not None] if advice is not None else []
    if advice is None or not rungs:
        return False
    for place, rung in enumerate(rungs):
        value: Any = rung.accuracy
        spread = [[value.value - value.low], [value.high - value.value]]
        colour = _ORANGE if rung is advice.chosen else _BLUE
        axes.errorbar(value.value, place, xerr=spread, fmt="o", color=colour, markersize=4, linewidth=1)
    names = [f"{page.t.named('rung', each.name)} ({each.seconds:.0f} s)" for each in rungs]
    axes.set_yticks(range(len(rungs)), [letters(name) for name in names])
    axes.set_ylim(len(rungs) - 0.5, -0.5)  # the cheapest on top
    axes.set_xlabel(letters(page.t("accuracy")))
    axes.grid(True, axis="x")
    return True


def _training(page: PageContext, axes: Any) -> bool:
    """Accuracy on validation images, epoch by epoch."""
    known = [each for each in page.model.history if isinstance(each.get("accuracy"), int | float)]
    if not known:
        return False
    axes.plot(range(1, len(known) + 1), [each["accuracy"] for each in known], color=_BLUE, marker="o", markersize=3)
    axes.set(xlabel=letters(page.t("epoch")), ylabel=letters(page.t("validation_accuracy")))
    axes.grid(True)
    return True


def _spot(axes: Any, place: float, value: Any, colour: str) -> None:
    spread = [[value.value - value.low], [value.high - value.value]]
    axes.errorbar(place, value.value, yerr=spread, fmt="o", color=colour, markersize=3, linewidth=1)


ADVICE = (PrintFigure("learning-curve", _learning), PrintFigure("ladder", _ladder, (5.0, 2.8)))
"""What any model draws whose strategy was chosen by advice."""

FIGURES = (
    PrintFigure("confusion-matrix", _confusion, (3.5, 3.2)),
    PrintFigure("reliability", _reliability, (3.5, 3.2)),
    PrintFigure("risk-coverage", _risk_coverage),
    *ADVICE,
    PrintFigure("training", _training),
)
"""What a model that tells classes apart draws, in order."""
