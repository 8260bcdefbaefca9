"""Advice in the words of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from topwork._text import table
from topwork.data import printable
from topwork.metrics import as_percent

if TYPE_CHECKING:
    from topwork.advising import Advice, Forecast, Rung


def advised(advice: Advice) -> list[str]:
    """The ladder as a table, the choice, what would change it, and what more rows would bring."""
    thing = advice.thing
    head = ("strategy", "details", "accuracy (95 % interval)", "measured on", "seconds", f"ms per {thing}")
    return [
        *_described(advice),
        *_backbones(advice),
        "",
        table(head, [_rung(rung, advice) for rung in advice.rungs]),
        *(f"  {rung.name}: {printable(rung.note)}" for rung in advice.rungs if rung.note),
        "",
        _choice(advice),
        *why_kept(advice, thing),
        *(f"  {note}" for note in advice.changes),
        *_forecast(advice.forecast, thing),
        f"Time: {advice.seconds:.0f} of {advice.budget:.0f} seconds. "
        f"Next:  topwork fit DATA -o MODEL    (with the same options it reuses these results)",
    ]


def _described(advice: Advice) -> list[str]:
    told = advice.description
    size = f", about {told.width} x {told.height} pixels" if told.width else ""
    lines = [
        f"{told.images} training {advice.thing}s in {told.classes} classes ({told.smallest} to {told.largest} per "
        f"class){size}; backbone {advice.backbone}"
    ]
    if told.distance is not None:
        lines.append(
            f"Distance from the network's pretraining images: {told.distance:.2f} standard deviations of its features "
            f"(ImageNet's own images 0.14, other photographs about 0.2)"
        )
    if told.entropy is not None and told.spread is not None:
        lines.append(
            f"ImageNet's classes describe these images {_fit(told.entropy)}; about {told.spread:.0f} of the 1,000 are "
            f"used (prediction entropy {told.entropy:.0%} of the maximum)"
        )
    if told.separation:
        stages = ", ".join(f"{name} {accuracy:.0%}" for name, accuracy in told.separation)
        lines.append(f"Nearest-neighbour accuracy by stage: {stages}")
    return lines


def _fit(entropy: float) -> str:
    """How well classes describe images whose predictions have this share of the greatest entropy."""
    return "well" if entropy < 0.3 else "in part" if entropy < 0.6 else "poorly"


def _backbones(advice: Advice) -> list[str]:
    if not advice.shortlist:
        return []
    rows = []
    for each in advice.shortlist:
        shares = ("–" if score is None else f"{score:.1%}" for score in (each.knn, each.probe))
        name = f"{'+' if each.finalist else ' '} {printable(each.backbone)}"
        rows.append((name, f"{each.logme:.3f}", f"{each.h_score:.2f}", *shares))
    return ["", table((f"backbone (+ tried on all {advice.thing}s)", "LogME", "H-score", "kNN", "probe"), rows)]


def _rung(rung: Rung, advice: Advice) -> tuple[str, ...]:
    mark = "*" if rung is advice.chosen else " "
    if rung.accuracy is None:
        return (f"{mark} {rung.name}", "not tried", "–", "–", f"{rung.seconds:.1f}", "–")
    return (
        f"{mark} {rung.name}",
        printable(rung.detail),
        as_percent(rung.accuracy),
        f"{rung.images} {rung.measured}",
        f"{rung.seconds:.1f}",
        "–" if rung.milliseconds is None else f"{rung.milliseconds:.0f}",
    )


def _choice(advice: Advice) -> str:
    chosen = advice.chosen
    tie = " (no significant difference to the next best)" if advice.tie else ""
    known = f"Expected accuracy on new {advice.thing}s: {as_percent(chosen.accuracy)}"
    score = known if chosen.accuracy else "Not measured"
    return f"Choice: {chosen.name}{tie}. {score}."


def why_kept(advice: Advice | None, thing: str = "image") -> list[str]:
    """Why the choice is kept over a way with a higher accuracy, in one line."""
    from topwork.report import Texts, sections

    line = sections.kept(advice, Texts("en", thing=thing)) if advice is not None else ""
    return [f"{line[:1].upper()}{line[1:]}"] if line else []


def _forecast(forecast: Forecast | None, thing: str) -> list[str]:
    if forecast is None:
        return []
    if not forecast.ahead:
        return [f"From so few {thing}s, it cannot be told how much more of them would help."]
    shown = "; ".join(f"{as_percent(each.accuracy)} with {each.images:,} {thing}s" for each in forecast.ahead)
    lines = [f"Expected accuracy with more {thing}s: {shown}.{_needed(forecast, thing)}"]
    if forecast.classes:
        gains = ", ".join(
            f"{printable(each.name)} (recall +{100 * each.gain:.1f} points when the {thing}s were last doubled)"
            for each in forecast.classes
        )
        lines.append(f"More {thing}s of these classes would help most: {gains}.")
    return lines


def _needed(forecast: Forecast, thing: str) -> str:
    """How many images halve the errors, where that is asked for and can be told."""
    least, most = forecast.needed
    if least is None:
        return ""
    range_ = (
        f"more than {least:,}; how many more cannot be told yet" if most is None else f"probably {least:,} to {most:,}"
    )
    return f" {thing.capitalize()}s needed for {forecast.target:.1%}: {range_}."
