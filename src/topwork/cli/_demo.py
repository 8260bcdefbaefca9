"""The command ``demo``: every step once, on data that the task brings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from topwork.cli import _text
from topwork.cli._console import Console
from topwork.cli._fit import Out


def demo(console: Console, out: Out = Path("topwork-demo"), **given: Any) -> None:
    """Run every step on the sample data set: check, advise, train, measure, save, predict."""
    from topwork import checking, fitting, model
    from topwork.errors import DataError
    from topwork.tasks import load, task

    room = task(given["task"])
    if room.sample is None:
        raise DataError(f"the task {room.name} has no sample data set", hint="topwork demo shows the task of images")
    model.require_free(out)
    sample, examination = room.sample(), room.examination()
    for sentence in sample.told:
        console.note(sentence)
    how: Any = {"task": room, "options": room.strategies()[0].options(budget_seconds=sample.budget)}
    looks: Any = {"checks": room.checks(), "examination": examination}
    with console.progress():
        step = console.step(f"1. data check, two looks at each {examination.thing}")
        checkup = checking.check(sample.dataset, **looks, progress=step)
        advice = fitting.advise(sample.dataset, **how, announce=lambda text: console.step(f"2. advice, {text}"))
        fitted = fitting.fit(sample.dataset, **how, announce=lambda text: console.step(f"3. model, {text}"))
        fitted.save(out)
        fitting.write_report(fitted, out, checkup=checkup, language=console.language)
    predictions: Any = load(out).predict(list(sample.unseen.values()))
    fields = {
        "model": str(out),
        **fitted.record.model_dump(mode="json"),
        "check": checkup.to_dict(),
        "advice": advice.to_dict(),
        "predictions": [prediction.to_dict() for prediction in predictions],
    }
    shown = _text.demonstrated(out, sample, predictions, room.words.brief, examination.thing)
    parts: tuple[tuple[str, Sequence[str]], ...] = (
        ("1. Data check (topwork check)", _text.checked(checkup, manifest=None, page=None)),
        ("2. Which strategy to use (topwork advise)", room.words.advised(advice)),
        ("3. The model (topwork fit, topwork predict)", [*room.words.fitted(fitted), *shown]),
    )
    console.result(fields, [line for title, lines in parts for line in (title, "", *lines, "")][:-1])
