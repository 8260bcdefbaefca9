"""A detector's figures for print: precision over recall, and what each kind of error costs."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from topwork.report import PageContext, PrintFigure, figures, letters
from topwork.tasks.detection import page as sections

_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9")
_LINES = ("-", "--", "-.", ":")  # told apart without colour
_MOST_CURVES = 8


def _precision_recall(page: PageContext, axes: Any) -> bool:
    """Precision over recall of each class, the weakest first."""
    found = sections.curves(page)
    if not isinstance(found, dict):
        return False
    for chart, colour, line in zip(found["curves"][:_MOST_CURVES], cycle(_COLOURS), cycle(_LINES), strict=False):
        label = letters(f"{chart['name']} ({100 * chart['ap50']:.1f})")
        recalls, precisions = zip(*chart["reached"], strict=True) if chart["reached"] else ((), ())
        axes.plot(recalls, precisions, color=colour, linestyle=line, linewidth=1, label=label)
        if chart["point"]:
            axes.plot(*chart["point"], color=colour, marker="o", markersize=3)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel=letters(page.t("recall")), ylabel=letters(page.t("precision")))
    axes.grid(True)
    axes.legend(title=letters(page.t("ap50")), loc="lower left")
    return True


def _error_kinds(page: PageContext, axes: Any) -> bool:
    """By how many points AP50 would rise without each kind of error, with intervals."""
    found = sections.errors(page)
    if not isinstance(found, dict):
        return False
    kinds = [each for each in found["kinds"] if each.gain is not None and each.gain.value]
    for place, each in enumerate(kinds):
        low, high = (max(abs(each.gain.value - end), 0) * 100 for end in (each.gain.low, each.gain.high))
        axes.barh(place, 100 * each.gain.value, color=_COLOURS[0], height=0.6)
        axes.errorbar(100 * each.gain.value, place, xerr=[[low], [high]], color="black", linewidth=0.8, capsize=2)
    axes.set_yticks(range(len(kinds)), [letters(page.t(f"kind_{each.kind}")) for each in kinds])
    axes.set_ylim(len(kinds) - 0.5, -0.5)
    axes.set_xlabel(letters(page.t("error_gain")))
    axes.grid(True, axis="x")
    axes.set_axisbelow(True)
    return bool(kinds)


_PACKAGE = "topwork.tasks.detection"

FIGURES = (
    PrintFigure("precision-recall", _precision_recall, (3.5, 3.2), _PACKAGE),
    PrintFigure("error-kinds", _error_kinds, (4.2, 2.6), _PACKAGE),
    *figures.ADVICE,
)
"""What a detector draws, in order."""
