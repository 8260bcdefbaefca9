"""What the pages show, as values for their templates, and the parts of a page that change while it is open."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from topwork import tasks
from topwork.checking import Checkup
from topwork.data import LabelledDataset, TextDataset
from topwork.model import Classifier
from topwork.report import Excerpts, Picture, Shown, Texts, checkup_values, picture_of, render, shown_findings
from topwork.ui._jobs import Progress
from topwork.ui._mending import has_manifest
from topwork.ui._session import PAGES, State

PACKAGE = "topwork.ui"
BUDGETS = (60, 300, 1800)  # seconds
_USUAL = 300
_CASES = 36  # of a finding
_PAGE = 60  # rows of a class
_LISTED = 60  # classes of which a row's may be chosen from a list; of more, their names are typed


class Linked:
    """Shows the images of a checkup by links to their thumbnails, which are made when the browser asks for them."""

    def __init__(self, checkup: Checkup, check: int) -> None:
        self._checkup = checkup
        self._check = check

    def pictures(self, rows: Sequence[int]) -> Sequence[Shown]:
        """Several rows."""
        return [self._picture(row) for row in rows]

    def _picture(self, row: int) -> Picture:
        reason = self._checkup.unusable.get(row, "")
        uri = "" if reason else f"/picture/{self._check}/{row}"
        return picture_of(self._checkup.dataset, row, uri, reason)


def texts(state: State) -> Texts:
    """The texts of a page, in the session's language and about its kind of rows."""
    own = tasks.packages(state.data.task) if state.data is not None else ()
    return Texts(state.language, (PACKAGE, *own), _thing(state), named=tasks.packages())  # a room's own words win


def _thing(state: State) -> str:
    return tasks.task(state.data.task).examination().thing if state.data is not None else "image"


def page(state: State, name: str, **more: Any) -> str:
    """One of ``PAGES``, or ``class`` or ``refused``, with what the state has for it."""
    t = texts(state)
    common = {"t": t, "language": state.language, "state": state, "pages": _steps(state, name), "name": name}
    values = _VALUES[name](state, t) if name in _VALUES else {}
    return render(
        f"{PACKAGE}:{name}.html", packages=(PACKAGE,), **{**common, "job": _job(state, name, t), **values, **more}
    )


def part(state: State, name: str, **values: Any) -> str:
    """A part of a page alone."""
    common = {"t": texts(state), "language": state.language, "state": state}
    return render(f"{PACKAGE}:{name}.html", packages=(PACKAGE,), **common, **values)


def _steps(state: State, name: str) -> list[dict[str, Any]]:
    """The way from data to a model, and where on it this page is."""
    shown = "check" if name == "class" else name
    return [{"name": each, "open": state.has(each), "current": each == shown} for each in PAGES]


def _job(state: State, name: str, t: Texts) -> dict[str, Any] | None:
    """What runs, where this is its page."""
    job = state.job
    if job is None or job.kind != ("check" if name == "data" else name):
        return None
    return {"kind": job.kind, **moved(job, t)}


def moved(job: Progress, t: Texts) -> dict[str, Any]:
    """What of a job changes from moment to moment, in words."""
    now = time.monotonic()
    spent = now - job.step_began
    left = spent * (job.total - job.done) / job.done if job.total and 0 < job.done < job.total and spent > 2 else None
    words = t("time_left", time=duration(left, t)) if left is not None else ""
    budget = t("of_budget", time=duration(job.budget, t)) if job.budget else ""
    spent_words = t("time_spent", time=duration(now - job.began, t))
    return {
        "step": t.said(job.step),
        "done": job.done,
        "total": job.total,
        "times": " · ".join(filter(None, (f"{spent_words}{budget}", words))),
        "rungs": job.rungs,
        "timed": job.budget is not None,
    }


def duration(seconds: float, t: Texts) -> str:
    """Seconds in words."""
    whole = max(1, round(seconds))
    if whole < 100:
        return t("seconds_words", n=whole)
    return t("minutes_words", n=round(whole / 60))


def _data(state: State, t: Texts) -> dict[str, Any]:
    meant = state.data.task if state.data is not None else ""
    return {"meant": meant, "alike": [name for name in tasks.names() if tasks.task(name).alike]}


def _check(state: State, t: Texts) -> dict[str, Any]:
    checkup = state.checkup
    if checkup is None or state.data is None:
        return {}
    shows = Excerpts(checkup.dataset, checkup.unusable) if _is_text(checkup) else Linked(checkup, state.checks)
    copies = set(checkup.dataset.paths).difference(checkup.clean().paths, state.mending.gone)
    return {
        **checkup_values(checkup, t),
        "findings": shown_findings(checkup.findings, checkup, shows, most=_CASES),
        "rows": {name: row for row, name in enumerate(checkup.dataset.paths)},
        "superfluous": len(copies),
        "others": [name for name in tasks.alike(state.data.task) if name != state.data.task],
        **mendable(state),
    }


def _is_text(checkup: Checkup) -> bool:
    return isinstance(checkup.dataset, TextDataset)


def mendable(state: State) -> dict[str, Any]:
    """What the controls beside a row need."""
    checkup = state.checkup
    dataset = None if checkup is None else checkup.dataset
    listed = checkup.classes if checkup is not None and len(checkup.classes) <= _LISTED else ()
    return {
        "written": has_manifest(dataset),  # then a row has a class too, which may be another
        "listed": listed,
        "fresh": state.mending == state.checked,
    }


def of_class(state: State, label: int, start: int) -> dict[str, Any]:
    """Some rows of one class."""
    checkup = state.checkup
    assert checkup is not None
    found = checkup.dataset.rows_of_class(label)
    shows = Excerpts(checkup.dataset, checkup.unusable) if _is_text(checkup) else Linked(checkup, state.checks)
    shown = shows.pictures(found[start : start + _PAGE].tolist())
    places = zip(found[start : start + _PAGE].tolist(), shown, strict=True)
    return {
        "label": label,
        "title": checkup.classes[label],
        "colours": checkup_values(checkup, texts(state))["colours"],
        "shown": list(places),
        "start": start,
        "before": max(start - _PAGE, 0) if start else None,
        "after": start + _PAGE if start + _PAGE < len(found) else None,
        "count": len(found),
        **mendable(state),
    }


def of_row(state: State, row: int) -> dict[str, Any]:
    """The controls beside a row."""
    assert state.checkup is not None
    dataset = state.checkup.dataset
    return {
        "row": row,
        "path": dataset.paths[row],
        "given": dataset.classes[int(dataset.labels[row])] if isinstance(dataset, LabelledDataset) else "",
        **mendable(state),
    }


def _fit(state: State, t: Texts) -> dict[str, Any]:
    checkup = state.checkup
    values = checkup_values(checkup, t) if checkup is not None else {}
    budgets = [{"seconds": each, "words": duration(each, t), "usual": each == _USUAL} for each in BUDGETS]
    if state.data is None:
        return {}
    room = tasks.task(state.data.task)
    return {
        **values,
        "budgets": budgets,
        "timed": room.strategies()[0].takes_budget,
        "decides": {name: room.decides_on(name) for name in ("min_recall", "recall")},
        "fresh": state.mending == state.checked,
    }


def _report(state: State, t: Texts) -> dict[str, Any]:
    fitted = state.fitted
    if fitted is None:
        return {}
    return {"lines": [t.said(line) for line in fitted.made.lines], "rungs": fitted.rungs}


def _try(state: State, t: Texts) -> dict[str, Any]:
    return {"corrects": state.data is not None and issubclass(tasks.task(state.data.task).model, Classifier)}


def _export(state: State, t: Texts) -> dict[str, Any]:
    found = dict(state.exports)
    return {
        "targets": [
            {
                "name": name,
                "title": t.of(f"target_{name}", name),
                "what": t.of(f"target_{name}_what", ""),
                "file": found.get(name),
            }
            for name in (state.fitted.made.targets if state.fitted is not None else ())
        ]
    }


_VALUES: Mapping[str, Any] = {
    "data": _data,
    "check": _check,
    "fit": _fit,
    "report": _report,
    "try": _try,
    "export": _export,
}
