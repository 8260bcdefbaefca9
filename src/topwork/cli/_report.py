"""The command ``report``: a model as one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from topwork._system import require_torch
from topwork._text import first_of
from topwork.cli._console import Console
from topwork.cli._evaluate import unseen
from topwork.cli._options import CacheOption, Columns, FollowLinks, reading
from topwork.cli._text import printable, unlike

if TYPE_CHECKING:
    from topwork.checking import Checkup
    from topwork.model import Model

_NAMED = 5  # files left out


def report(
    console: Console,
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Labelled images or texts to measure and show. Of the data the model was made from, only what was "
            "held out is used. Without it the page has the figures of `fit` alone.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="HTML page to write; report.html in the model folder if not given."),
    ] = None,
    evidence: Annotated[
        bool,
        typer.Option("--evidence", help="Show the evidence for each of the worst mistakes on --data (Grad-CAM)."),
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Also check --data, as `topwork check` does.")] = False,
    figures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Also write the figures for print into this folder, each as SVG, PNG and PDF. Some need --data.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Random seed for the bootstrap intervals and the cross-validation folds.", min=0)
    ] = 0,
    cache: CacheOption = True,
    columns: Columns = None,
    follow_links: FollowLinks = False,
) -> None:
    """Write an HTML page about MODEL: how good it is, where it fails, how to use it and how to reproduce it."""
    from topwork.explain import stored
    from topwork.fitting import PAGE, default_options
    from topwork.model import EXPLAINED
    from topwork.report import model_page, require_free, require_matplotlib, write_figures, write_page
    from topwork.tasks import load, task

    if data is None and (evidence or check):
        raise typer.BadParameter(f"{'--evidence' if evidence else '--check'} needs --data")
    if evidence:
        require_torch("--evidence")
    if figures is not None:
        require_matplotlib()
    page, loaded = out or model / PAGE, load(model)
    room = task(loaded.record.task.name)
    if evidence and loaded.thing != "image":
        raise typer.BadParameter(f"--evidence is for images, and this model reads {loaded.thing}s")
    lost = [each.name for each in room.sections() if each.of_images and data is None]
    require_free(page, without=lost, thing=loaded.thing)
    evaluated = checkup = None
    if data is not None:
        given = room.read_for(loaded, data, **reading(columns, follow_links))
        evaluated, checkup = _measured(console, loaded, given, check, {"cache": cache, "seed": seed})
    console.step("the page")
    html = model_page(
        loaded,
        model.resolve().name,
        room.sections(),
        evaluated,
        checkup=checkup,
        explained=stored(model / EXPLAINED),
        language=console.language,
        evidence=evidence,
        cache=cache,
        place=str(model),
        data=str(data) if data is not None else "",
        defaults=default_options(loaded.record),
    )
    write_page(html, page)
    left_out = [{"path": item.path, "reason": item.reason} for item in getattr(evaluated, "left_out", ())]
    fields: dict[str, Any] = {
        "model": str(model),
        "data": str(data) if data else None,
        "page": str(page),
        "left_out": left_out,
    }
    told = [f"Page: {printable(str(page))}"]
    if figures is not None:
        written = write_figures(loaded, figures, room.figures(), evaluated, language=console.language)
        told.append(f"Figures: {len(written)} files in {printable(str(figures))}")
        fields = {**fields, "figures": [str(file) for file in written]}
    console.result(fields, told)


def _measured(
    console: Console, model: Model, given: Any, check: bool, how: dict[str, Any]
) -> tuple[Any, Checkup | None]:
    """What the data say of the model, and the doctor of the data where that is wanted; told is what may mislead."""
    from topwork import checking
    from topwork.tasks import task

    room, checkup = task(model.record.task.name), None
    dataset, kind = unseen(console, model, given), room.examination()
    with console.progress():
        if check:
            step = console.step(f"two looks at each {kind.thing}")
            checkup = checking.check(given, checks=room.checks(), examination=kind, **how, progress=step)
        found = model.evaluate(dataset, **how, progress=console.step(f"features of {kind.things}"))
    unread = [f"left out: {item.path}: {item.reason}" for item in getattr(found, "left_out", ())]
    told = first_of(unread, _NAMED, "left out: … and {} more; --json lists them all")
    console.notes(
        [*dataset.notes, *room.words.caveats(found), *unlike(getattr(found, "shift", None), kind.thing), *told]
    )
    return found, checkup
