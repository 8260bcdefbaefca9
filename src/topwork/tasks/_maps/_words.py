"""What the words of tasks on maps say alike; each gives the name of the figure that it is told by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from topwork._text import table
from topwork.data import printable
from topwork.metrics import as_percent
from topwork.tasks._said import caveats, unread

if TYPE_CHECKING:
    from topwork.advising import Advice, Forecast, Rung
    from topwork.metrics import Estimate
    from topwork.model import TrialRecord

_CLASSES = 30  # named on the terminal; --json has them all
_QUESTIONS = (
    ("rung", "Strategies tried:"),
    ("backbone", "Backbone, by validation:"),
    ("crop_mode", "Crop mode, by validation:"),
    ("strategy", "Compared on validation images:"),
)


def tried(trials: Sequence[TrialRecord], figure: str) -> list[str]:
    """A line for each question that was decided by comparison."""
    lines = []
    for question, words in _QUESTIONS:
        asked = [trial for trial in trials if trial.question == question]
        if asked:
            lines.append(f"{words} " + ", ".join(_trial(trial, figure) for trial in asked))
    return lines


def _trial(trial: TrialRecord, figure: str) -> str:
    score = "not measured" if trial.accuracy is None else f"{figure} {trial.accuracy:.1%} on {trial.images} images"
    return f"{trial.answer} ({score}{', chosen' if trial.chosen else ''})"


def folds(found: Any, figures: Mapping[str, str]) -> list[str]:
    """What k folds said of the whole procedure; ``figures`` are names by their fields, the first that of each fold."""
    if found is None:
        return []
    of = "all images" if found.split == "all" else "the training images"
    told = ", ".join(f"{name} {as_percent(getattr(found, field))}" for field, name in figures.items())
    field, name = next(iter(figures.items()))
    each = ", ".join(f"{getattr(fold, field):.1%}" for fold in found.folds)
    return [f"{len(found.folds)}-fold cross-validation on {of}: {told}; {name} of each fold: {each}"]


def fields(found: Any) -> dict[str, Any]:
    """An evaluation, JSON-ready."""
    return {
        "split": found.split,
        "seen_in_training": found.seen_in_training,
        "trained": found.trained,
        "caveats": caveats(found),
        **found.report.to_dict(),
        "left_out": [{"path": item.path, "reason": item.reason} for item in found.left_out],
    }


def of_classes(head: Sequence[str], cells: Sequence[tuple[str, ...]]) -> list[str]:
    """A row for each class, and how many more there are."""
    more = len(cells) - _CLASSES
    rest = [f"… and {more} more classes; --json lists them all"] if more > 0 else []
    return [table(head, cells[:_CLASSES]), *rest]


def compared(names: Sequence[str], both: Any, figures: Mapping[str, str]) -> list[str]:
    """Two models side by side, and whether the difference may be chance; ``figures`` as ``folds`` takes them."""
    found = both.comparison
    one, other = (dict(each.report.figures()) for each in (both.first, both.second))
    shared = [name for name, known in one.items() if known and other.get(name)]
    cells = [(name, as_percent(one[name]), as_percent(other[name])) for name in shared]
    lines: list[str] = [table((f"{found.images} images", *names), cells)]
    differences = {name: getattr(found, field) for field, name in figures.items()}
    if None not in differences.values():
        told = ", ".join(f"{name} {_points(each)}" for name, each in differences.items())
        first = next(iter(differences.items()))
        lines += ["", f"Difference ({names[1]} minus {names[0]}): {told}", _verdict(names, *first)]
    return [*lines, *unread(both.first.left_out)]


def _points(found: Estimate) -> str:
    value, low, high = (100 * each for each in (found.value, found.low, found.high))
    return f"{value:+.2f} points ({low:+.2f} to {high:+.2f})"


def _verdict(names: Sequence[str], figure: str, found: Estimate) -> str:
    if found.low <= 0 <= found.high:
        return f"No significant difference in {figure}: its 95 % interval holds 0"
    return f"{names[found.value > 0]} is better in {figure}: the 95 % interval of the difference does not hold 0"


def advised(advice: Advice, described: str, figure: str, deciding: str = "") -> list[str]:
    """The rungs as a table, the choice, what would change it, and what more images would bring.

    Args:
        advice: What was found.
        described: What there is to learn from, in a few words with a comma behind them.
        figure: By which the rungs are told.
        deciding: The figure that chooses, where that is another.
    """
    head = ("strategy", "details", f"{figure} (95 % interval)", *([f"{deciding} (decides)"] if deciding else []))
    told = advice.description
    return [
        f"{described} about {told.width} x {told.height} pixels; backbone {advice.backbone}",
        "",
        table((*head, "measured on", "seconds"), [_rung(rung, advice, bool(deciding)) for rung in advice.rungs]),
        *(f"  {rung.name}: {printable(rung.note)}" for rung in advice.rungs if rung.note),
        "",
        _choice(advice, figure),
        *(f"  {note}" for note in advice.changes),
        *_forecast(advice.forecast, figure),
        f"Time: {advice.seconds:.0f} of {advice.budget:.0f} seconds. Next:  topwork fit DATA -o MODEL",
    ]


def _rung(rung: Rung, advice: Advice, deciding: bool) -> tuple[str, ...]:
    name, seconds = f"{'*' if rung is advice.chosen else ' '} {rung.name}", f"{rung.seconds:.1f}"
    if rung.accuracy is None:
        return name, "not tried", "–", *(["–"] if deciding else []), "–", seconds
    chose = ["–" if rung.deciding is None else f"{100 * rung.deciding:.1f} %"] if deciding else []
    return name, printable(rung.detail), as_percent(rung.accuracy), *chose, f"{rung.images} {rung.measured}", seconds


def _choice(advice: Advice, figure: str) -> str:
    chosen = advice.chosen
    tie = " (no significant difference to the next best)" if advice.tie else ""
    score = f"Expected {figure} on new images: {as_percent(chosen.accuracy)}" if chosen.accuracy else "Not measured"
    return f"Choice: {chosen.name}{tie}. {score}."


def _forecast(forecast: Forecast | None, figure: str) -> list[str]:
    if forecast is None:
        return []
    if not forecast.ahead:
        return ["From so few images, it cannot be told how much more of them would help."]
    shown = "; ".join(f"{as_percent(each.accuracy)} with {each.images:,} images" for each in forecast.ahead)
    return [f"Expected {figure} with more images: {shown}."]
