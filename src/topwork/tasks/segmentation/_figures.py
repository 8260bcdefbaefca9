"""A segmenter's figures for print: classes with their intervals, which is taken for which, objects, calibration."""

from __future__ import annotations

from typing import Any

from topwork.report import PageContext, PrintFigure, figures, letters
from topwork.tasks.segmentation import page as sections
from topwork.tasks.segmentation.page import report_of

_BLUE, _GREY = "#0072b2", "#777777"
_MOST = 20  # classes


def _classes(page: PageContext, axes: Any) -> bool:
    """IoU of each class but background, with intervals; the weakest where there are very many."""
    report = report_of(page)
    known = [each for each in report.per_class[int(report.has_background) :] if each.iou] if report else []
    known = sorted(known, key=lambda each: each.iou.value if each.iou else 0)[:_MOST]
    if not known:
        return False
    for place, each in enumerate(known):
        found: Any = each.iou
        spread = [[max(found.value - found.low, 0)], [max(found.high - found.value, 0)]]
        axes.errorbar(found.value, place, xerr=spread, fmt="o", color=_BLUE, markersize=4, linewidth=1)
    axes.set_yticks(range(len(known)), [letters(each.name) for each in known])
    axes.set_ylim(len(known) - 0.5, -0.5)
    axes.set(xlim=(0, 1.02), xlabel=letters(page.t("iou_short")))
    axes.grid(True, axis="x")
    return True


def _class_table(page: PageContext, axes: Any) -> bool:
    """Rows are the true classes, numbers their shares in percent."""
    found = sections.class_table(page)
    if found is None or not found["rows"]:
        return False
    names, shares = [letters(name) for name in found["classes"]], [row[-1] for row in found["rows"]]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(letters(page.t("confusion_said")))
    axes.set_ylabel(letters(page.t("confusion_true")))
    axes.set_xticks(range(len(names)), names, rotation=0 if len(names) < 4 else 90)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    for true, row in enumerate(shares):
        for said, share in enumerate(row):
            if share:
                ink = "white" if share > 0.5 else "black"
                size = min(8.0, 70 / len(names))
                axes.text(said, true, f"{100 * share:.1f}", ha="center", va="center", color=ink, fontsize=size)
    return True


def _objects(page: PageContext, axes: Any) -> bool:
    """Average precision of objects over the overlap that is asked for."""
    found = sections.objects(page)
    known = [(overlap / 100, each) for overlap, each in found["overlaps"] if each is not None] if found else []
    if not known:
        return False
    places, values = [place for place, _ in known], [each.value for _, each in known]
    low, high = [each.low for _, each in known], [each.high for _, each in known]
    axes.plot(places, values, color=_BLUE, marker="o", markersize=3, linewidth=1)
    axes.fill_between(places, low, high, color=_BLUE, alpha=0.2, linewidth=0)
    axes.set(ylim=(0, 1.02), xlabel=letters(page.t("overlap")), ylabel=letters(page.t("ap")))
    axes.grid(True)
    return True


def _reliability(page: PageContext, axes: Any) -> bool:
    found = sections.calibration(page)
    if found is None:
        return False
    most = max(each.images for each in found["bins"])
    places = [each.confidence for each in found["bins"]], [each.accuracy for each in found["bins"]]
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.6, linestyle="--")
    axes.scatter(*places, s=[8 + 72 * each.images / most for each in found["bins"]], color=_BLUE, linewidths=0)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    axes.set(xlabel=letters(page.t("confidence")), ylabel=letters(page.t("pixel_accuracy")))
    axes.grid(True)
    return True


_PACKAGE = "topwork.tasks.segmentation"

FIGURES = (
    PrintFigure("classes", _classes, (4.2, 2.6), _PACKAGE),
    PrintFigure("class-table", _class_table, (3.5, 3.2), _PACKAGE),
    PrintFigure("objects", _objects, (3.5, 2.6), _PACKAGE),
    PrintFigure("reliability", _reliability, (3.5, 3.2), _PACKAGE),
    *figures.ADVICE,
)
"""What a segmenter draws, in order."""
