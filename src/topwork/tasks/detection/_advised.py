"""Advice on a detector in the words of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from topwork._text import table
from topwork.data import printable
from topwork.metrics import as_percent
from topwork.tasks._said import counted

if TYPE_CHECKING:
    from topwork.advising import Advice, Forecast, Rung


def advised(advice: Advice) -> list[str]:
    """The rungs as a table, the choice, what would change it, and what more images would bring."""
    told = advice.description
    return [
        f"{counted(told.images, 'training image')} with {told.smallest} to {told.largest} boxes of each of "
        f"{counted(told.classes, 'class')}, about {told.width} x {told.height} pixels; backbone {advice.backbone}",
        "",
        table(
            ("strategy", "details", "AP50 (95 % interval)", "AP (decides)", "measured on", "seconds"),
            [_rung(rung, advice) for rung in advice.rungs],
        ),
        *(f"  {rung.name}: {printable(rung.note)}" for rung in advice.rungs if rung.note),
        "",
        _choice(advice),
        *(f"  {note}" for note in advice.changes),
        *_forecast(advice.forecast),
        f"Time: {advice.seconds:.0f} of {advice.budget:.0f} seconds. Next:  topwork fit DATA -o MODEL",
    ]


def _rung(rung: Rung, advice: Advice) -> tuple[str, ...]:
    mark = "*" if rung is advice.chosen else " "
    if rung.accuracy is None:
        return (f"{mark} {rung.name}", "not tried", "–", "–", "–", f"{rung.seconds:.1f}")
    measured = f"{rung.images} {rung.measured}"
    return (
        f"{mark} {rung.name}",
        printable(rung.detail),
        as_percent(rung.accuracy),
        "–" if rung.deciding is None else f"{100 * rung.deciding:.1f} %",
        measured,
        f"{rung.seconds:.1f}",
    )


def _choice(advice: Advice) -> str:
    chosen = advice.chosen
    tie = " (no significant difference to the next best)" if advice.tie else ""
    score = f"Expected AP50 on new images: {as_percent(chosen.accuracy)}" if chosen.accuracy else "Not measured"
    return f"Choice: {chosen.name}{tie}. {score}."


def _forecast(forecast: Forecast | None) -> list[str]:
    if forecast is None:
        return []
    if not forecast.ahead:
        return ["From so few images, it cannot be told how much more of them would help."]
    shown = "; ".join(f"{as_percent(each.accuracy)} with {each.images:,} images" for each in forecast.ahead)
    return [f"Expected AP50 with more images: {shown}."]
