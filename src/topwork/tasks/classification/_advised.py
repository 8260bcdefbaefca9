"""Advice in the words of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from topwork._text import table
from topwork.data import printable

if TYPE_CHECKING:
    from topwork.advising import Advice, Forecast, Rung
    from topwork.metrics import Estimate


def percent(estimate: Estimate | None) -> str:
    """``98.1 %  (97.0 to 98.8)``."""
    if estimate is None:
        return "–"
    return f"{estimate.value:.1%} ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


def advised(advice: Advice) -> list[str]:
    """The ladder as a table, the choice, what would change it, and what more images would bring."""
    head = ("rung", "what is read or trained", "accuracy (95 %)", "judged on", "seconds", "ms an image")
    return [
        *_described(advice),
        *_backbones(advice),
        "",
        table(head, [_rung(rung, advice) for rung in advice.rungs]),
        *(f"  {rung.name}: {printable(rung.note)}" for rung in advice.rungs if rung.note),
        "",
        _choice(advice),
        *(f"  {note}" for note in advice.changes),
        *_forecast(advice.forecast),
        f"It took {advice.seconds:.0f} of {advice.budget:.0f} seconds. "
        f"Next:  topwork fit DATA -o MODEL    (with the same options it goes on from here)",
    ]


def _described(advice: Advice) -> list[str]:
    told = advice.description
    lines = [
        f"{told.images} training images in {told.classes} classes of {told.smallest} to {told.largest}, "
        f"about {told.width} x {told.height} pixels; {advice.backbone}"
    ]
    if told.distance is not None:
        lines.append(
            f"In the network they lie {told.distance:.2f} standard deviations from its own training images "
            "(ImageNet's pictures 0.14, other photographs about 0.2)"
        )
    if told.entropy is not None and told.spread is not None:
        lines.append(
            f"Its own classes answer with {told.entropy:.0%} of the greatest entropy, and amount to {told.spread:.0f} "
            "of them"
        )
    if told.separation:
        stages = ", ".join(f"{name} {accuracy:.0%}" for name, accuracy in told.separation)
        lines.append(f"Nearest neighbours tell the classes apart at {stages}")
    return lines


def _backbones(advice: Advice) -> list[str]:
    if not advice.shortlist:
        return []
    rows = []
    for each in advice.shortlist:
        shares = ("–" if score is None else f"{score:.1%}" for score in (each.knn, each.probe))
        name = f"{'+' if each.finalist else ' '} {printable(each.backbone)}"
        rows.append((name, f"{each.logme:.3f}", f"{each.h_score:.2f}", *shares))
    return ["", table(("backbone (+ tried on all images)", "LogME", "H-score", "kNN", "probe"), rows)]


def _rung(rung: Rung, advice: Advice) -> tuple[str, ...]:
    mark = "*" if rung is advice.chosen else " "
    if rung.accuracy is None:
        return (f"{mark} {rung.name}", "not climbed", "–", "–", f"{rung.seconds:.1f}", "–")
    return (
        f"{mark} {rung.name}",
        printable(rung.detail),
        percent(rung.accuracy),
        f"{rung.images} {rung.measured}",
        f"{rung.seconds:.1f}",
        "–" if rung.milliseconds is None else f"{rung.milliseconds:.0f}",
    )


def _choice(advice: Advice) -> str:
    chosen = advice.chosen
    score = "not measured" if chosen.accuracy is None else f"{percent(chosen.accuracy)} expected on new images"
    return f"Choice: {chosen.name}{' (a tie)' if advice.tie else ''}: {score}."


def _forecast(forecast: Forecast | None) -> list[str]:
    if forecast is None:
        return []
    shown = "; ".join(f"at {each.images:,} images {percent(each.accuracy)}" for each in forecast.ahead)
    low, high = forecast.needed
    if low is None:
        needed = "never at this rung"
    elif high is None:
        needed = f"about {low:,} images, or never at this rung"
    else:
        needed = f"{low:,} to {high:,} images"
    lines = [f"More images: expect {shown}. For {forecast.target:.1%}: {needed}."]
    if forecast.classes:
        gains = ", ".join(
            f"{printable(each.name)} (+{100 * each.gain:.1f} points by the last doubling)" for each in forecast.classes
        )
        lines.append(f"Most would be gained by more images of {gains}.")
    return lines
