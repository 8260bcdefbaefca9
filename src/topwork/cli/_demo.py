"""The command ``demo``: the whole job, once, on pictures that come with topwork."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from topwork.cli import _text
from topwork.cli._console import Console
from topwork.cli._report import write_report

_BUDGET = 110.0  # seconds for the ladder, fine-tuning included; with all else it makes three minutes at most
_TRAIN, _TEST = 1000, 500  # pictures of the sample's 2,000


def demo(
    console: Console,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where the model folder goes.")] = Path("topwork-demo"),
) -> None:
    """Do the whole job on the sample data set: check, advise, train, measure, save, predict."""
    from topwork import checking, fitting
    from topwork.data import read, split
    from topwork.model import Classifier, require_free
    from topwork.tasks import load
    from topwork.tasks.classification.ladder import AdviceOptions

    require_free(out)
    folder = fitting.sample_folder()
    halves = split(read(folder), test=0.5)
    unseen = split(halves.split("test"), test=_TEST / _TRAIN).split("test")
    dataset = halves.select([*(halves.splits == "train").nonzero()[0], *_rows(halves.paths, unseen.paths)])
    console.note(f"The sample: pictures of woven textile in three classes, in {folder}")
    console.note(
        f"{_TRAIN} of them train the model, {_TEST} others measure it, and {_TEST} are left out to save time. "
        "This takes up to three minutes."
    )
    options = AdviceOptions(budget_seconds=_BUDGET)
    with console.progress():
        checkup = checking.check(dataset, progress=console.step("images"))
        advice = fitting.advise(dataset, options=options, announce=console.step)
        fitted = fitting.fit(dataset, options=options, announce=console.step)
        assert isinstance(fitted, Classifier)
        fitted.save(out)
        write_report(fitted, out, checkup)
    examples = [unseen.full_path(int((unseen.labels == label).argmax())) for label in range(len(unseen.classes))]
    predictions = load(out).predict(examples)
    fields = {
        "model": str(out),
        **fitted.record.model_dump(mode="json"),
        "check": checkup.to_dict(),
        "advice": advice.to_dict(),
        "predictions": [prediction.to_dict() for prediction in predictions],
    }
    parts = (
        ("1. The data doctor (topwork check)", _text.checked(checkup, manifest=None, page=None)),
        ("2. How much of the network to keep (topwork advise)", _text.advised(advice)),
        ("3. The model (topwork fit, topwork predict)", _text.demonstrated(fitted, out, folder, predictions)),
    )
    console.result(fields, "\n\n".join(f"{title}\n\n{text}" for title, text in parts))


def _rows(paths: tuple[str, ...], wanted: tuple[str, ...]) -> list[int]:
    places = {path: row for row, path in enumerate(paths)}
    return [places[path] for path in wanted]
