"""What ``explain`` tells of a model of texts: lines, JSON and a page instead of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from topwork.cli._console import Console
from topwork.cli._evaluate import unseen
from topwork.cli._explain_options import KINDS, MethodName, WhatName
from topwork.errors import ExplainError

if TYPE_CHECKING:
    from topwork.model import Model

_MOST = 10  # mistakes
_METHODS = (MethodName.occlusion, MethodName.contributions, MethodName.integrated_gradients)


@dataclass(frozen=True)
class Asked:
    """What the command line asks of a model of texts.

    Attributes:
        texts: Typed in.
        places: Arguments behind the model: the data, if anything.
        data: The same as an option.
        how: How the data are read.
    """

    what: WhatName
    texts: Sequence[str]
    places: Sequence[str]
    data: Path | None
    how: Mapping[str, Any]
    method: MethodName | None
    label: str | None
    most: int | None
    seed: int
    cache: bool


def model_of_texts(folder: str) -> Model | None:
    """The model, where its task explains what no picture shows; None of another, or where there is no model."""
    from topwork.tasks import load, task

    if not (Path(folder) / "model.json").is_file():
        return None
    found = load(folder)
    return found if task(found.record.task.name).explain is not None else None


def explain_texts(console: Console, model: Model | None, asked: Asked, name: str, page: Path | None) -> None:
    """Print what was asked for, and write the page."""
    from topwork import report
    from topwork.tasks import task

    if model is None:
        raise ExplainError(f"--what {asked.what} is for models of texts", hint="--what evidence explains images")
    if KINDS[asked.what].of != "text":
        raise ExplainError(f"--what {asked.what} is for images, and {name} is a model of texts", hint=_hint())
    if len(asked.places) + (asked.data is not None) > 1:
        raise typer.BadParameter("give one set of texts, and single texts with --text")
    data = asked.data or next(map(Path, asked.places), None)
    if data is None and not asked.texts:
        raise typer.BadParameter("give a text with --text, or labelled texts whose mistakes are to be explained")
    if page is not None:
        report.require_free(page)
    if asked.method not in (None, *_METHODS):
        *most, last = _METHODS
        raise ExplainError(
            f"--method {asked.method} is for images", hint=f"of texts there are {', '.join(most)} and {last}"
        )
    room = task(model.record.task.name)
    assert room.explain is not None
    with console.progress():
        dataset = None if data is None else room.read_for(model, data, **asked.how)
        held = None if dataset is None or asked.texts else _held_out(console, model, dataset)
        method = None if asked.method is None else asked.method.value
        how: Any = {
            "method": method,
            "label": asked.label,
            "most": asked.most or _MOST,
            "seed": asked.seed,
            "cache": asked.cache,
        }
        rows = {"held": held, "learnt": _learnt(dataset)}
        found = list(room.explain(model, asked.what.value, asked.texts, **rows, **how, announce=console.step))
    if page is not None:
        report.write_page(report.explained_page([("", each) for each in found], name=name), page)
    lines = [line for each in found for line in (*each.lines, "")][:-1]
    nothing = (
        "" if held is None else f"No mistake was found in {len(held)} held-out text{'' if len(held) == 1 else 's'}."
    )
    console.result({"texts": [{"headline": each.headline, **each.to_dict()} for each in found]}, lines or [nothing])


def _hint() -> str:
    *most, last = (what.value for what, kind in KINDS.items() if kind.of == "text")
    return f"of texts there are --what {', '.join(most)} and {last}"


def _held_out(console: Console, model: Model, dataset: Any) -> Any:
    split = dataset.held_out_split
    return dataset.split(split) if split else unseen(console, model, dataset)


def _learnt(dataset: Any) -> Any:
    """The rows to learn from, where the data have splits; all of them elsewhere."""
    if dataset is None or not (dataset.splits == "train").any():
        return dataset
    return dataset.split("train")
