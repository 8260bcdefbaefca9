"""The commands. Each parses, calls one library function, and prints."""

from __future__ import annotations

import atexit
import dataclasses
import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from topwork.cli import _given, _text
from topwork.cli._commands import command, new_app
from topwork.cli._console import Console, fail, require_none_failed
from topwork.cli._embed import embed
from topwork.cli._evaluate import evaluate
from topwork.cli._explain import explain
from topwork.cli._fit import Data, Pickle, Weights, advise, advise_options, demo, fit, fit_options
from topwork.cli._options import CacheOption, Columns, FollowLinks, no_model, reading, require_network
from topwork.cli._report import report as report_command

if TYPE_CHECKING:
    from topwork.metrics import Shift
    from topwork.tasks import Task, Words

    Judge = Callable[[list[float | None]], Shift | None]
    Predict = Callable[[list[str]], Iterator[Any]]

app = new_app(
    name="topwork",
    help="Turn a folder of labelled images into a trained, measured, usable classifier.",
    no_args_is_help=True,
)


_JUDGED = 1_000  # images of which `predict` tells whether they are of another kind: a stream may have no end


def _version(wanted: bool) -> None:
    if wanted:
        from topwork._version import __version__

        typer.echo(f"topwork {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@command(app, "check", lambda task: [])
def check(
    console: Console,
    data: Data,
    backbone: Annotated[str | None, typer.Option(help="Whose features judge the images; lite0 if not given.")] = None,
    weights: Weights = "pretrained",
    allow_pickle: Pickle = False,
    write: Annotated[
        Path | None, typer.Option("--write", help="CSV manifest to write: the rows that can do no harm.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--report", help="HTML page to write: every finding with its pictures.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the folds.", min=0)] = 0,
    cache: CacheOption = True,
    columns: Columns = None,
    follow_links: FollowLinks = False,
    **given: Any,
) -> None:
    """Look for what would spoil a model trained on DATA, or make its figures untrue."""
    from topwork import checking, report
    from topwork.backbones import DEFAULT, load
    from topwork.data import ImageDataset, require_free, write_manifest
    from topwork.tasks import task

    if page is not None:
        report.require_free(page)
    room = task(given["task"])
    dataset = room.read(data, **reading(columns, follow_links))
    if write is not None:
        if not isinstance(dataset, ImageDataset):
            raise typer.BadParameter(f"--write writes a class for each image, which data of the task {room.name} lack")
        require_free(dataset, write)
    own = backbone is not None or weights != "pretrained"
    network = load(backbone or DEFAULT, weights=weights, allow_pickle=allow_pickle) if own else None
    with console.progress():
        step = console.step("images")
        found = checking.check(dataset, network, checks=room.checks, cache=cache, seed=seed, progress=step)
    if write is not None:
        write_manifest(found.clean(), write)
    if page is not None:
        report.write_page(report.checkup_page(found), page)
    console.result({"data": str(data), **found.to_dict()}, _text.checked(found, manifest=write, page=page))


command(app, "advise", lambda task: advise_options(task).parameters())(advise)
command(app, "fit", lambda task: fit_options(task).parameters())(fit)
command(app, "evaluate")(evaluate)
command(app, "embed")(embed)
command(app, "report")(report_command)


@command(app, "predict")
def predict(
    console: Console,
    model: Annotated[str | None, typer.Argument(help="Model folder; left out with --backbone.")] = None,
    images: Annotated[
        list[str] | None,
        typer.Argument(help="Image files, folders, patterns such as '*.jpg', manifests; - for names from stdin."),
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="No model, but this network's own classes: the 5 most probable of ImageNet's.")
    ] = None,
    weights: Weights = "pretrained",
    allow_pickle: Pickle = False,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read file names from stdin, one a line, as - does.")] = False,
    csv: Annotated[Path | None, typer.Option("--csv", help="CSV file to write, a row for each image.")] = None,
    parquet: Annotated[Path | None, typer.Option("--parquet", help="Parquet file to write.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every class's probability in these files.")] = False,
    columns: Columns = None,
    allow_url: Annotated[bool, typer.Option("--allow-url", help="Fetch images that are http(s) addresses.")] = False,
    coverage: Annotated[
        float | None,
        typer.Option(
            help="Name as many classes as hold the true one so often, such as 0.95.", min=0, max=1, show_default=False
        ),
    ] = None,
    abstain: Annotated[
        float | None,
        typer.Option(
            help="Answer only where sure enough for so many right answers, such as 0.99 (on average); else ?.",
            min=0,
            max=1,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Classify images: one line, or with --json one object, for each."""
    from topwork.model import Classifier, Model
    from topwork.tasks import DEFAULT, load, task

    if backbone is not None and model is not None:  # no model: every argument is an image
        images = [model, *(images or [])]
    require_network(model, backbone, weights=weights, allow_pickle=allow_pickle)
    if stdin == bool(images):
        missing = "" if stdin else no_model(model, backbone)
        raise typer.BadParameter(f"{missing}name images, or pass --stdin: one of the two")
    if (coverage, abstain) != (None, None) and (backbone is not None or None not in (coverage, abstain)):
        raise typer.BadParameter("a model takes --coverage or --abstain, one of the two; --backbone takes neither")
    asked = {} if (coverage, abstain) == (None, None) else {"coverage": coverage, "accuracy": abstain}
    loaded: Any = load(model or "", Classifier if asked else Model) if backbone is None else None
    room = task(DEFAULT if loaded is None else loaded.record.task.name)
    if loaded is None:
        predict_each = _untrained(room, backbone or "", weights, allow_pickle)
    else:
        predict_each = functools.partial(loaded.predict_each, **asked)
    names = _given.batches(images or ["-"], reading(columns, False).get("columns"), allow_url)
    classes = getattr(loaded, "classes", ()) if everything else ()
    with _given.table(csv, parquet) as write:
        answers = _answer(console, names, predict_each, room.words, getattr(loaded, "shift", None))
        failed = 0
        for prediction in answers:
            failed += bool(prediction.error)
            write(room.words.row(prediction, classes))
    require_none_failed(failed)


def _answer(
    console: Console, batches: Iterator[list[str]], predict_each: Predict, words: Words, shift: Judge | None
) -> Iterator[Any]:
    """Print what is said of each image as it comes, and pass it on."""
    typicalities: list[float | None] = []
    with _given.Fetched() as fetched:
        for names in batches:
            for name, found in zip(names, predict_each(list(map(fetched.file, names))), strict=True):
                prediction = found if found.source == name else _of_address(found, name, fetched.faults.get(name))
                if shift is not None:
                    typicalities.append(getattr(prediction, "typicality", None))
                    if len(typicalities) == _JUDGED:
                        console.notes(_text.unlike(shift(typicalities)))
                        typicalities.clear()
                if prediction.error and not console.as_json:
                    console.failure(_text.refused(prediction))
                else:
                    console.result(prediction.to_dict(), words.predicted(prediction))
                yield prediction
            sys.stdout.flush()
    console.notes(_text.unlike(shift(typicalities)) if shift is not None else ())


def _of_address(found: Any, name: str, fault: str | None) -> Any:
    """A prediction of an image that was fetched, under its address."""
    error = fault or found.error.replace(f"{found.source}: ", "")
    return dataclasses.replace(found, source=name, error=error)


def _untrained(room: Task, backbone: str, weights: str, allow_pickle: bool) -> Predict:
    """What a network answers without a model."""
    from topwork.backbones import load

    if room.untrained is None:
        raise typer.BadParameter(f"--backbone: a network has no answers of its own to the task {room.name}")
    return room.untrained(load(backbone, weights=weights, allow_pickle=allow_pickle))


command(app, "explain")(explain)


@command(app, "models")
def models(
    console: Console,
    name: Annotated[str | None, typer.Argument(help="One backbone, told whole.")] = None,
    family: Annotated[str | None, typer.Option(help="Only of this family, such as resnet or vit.")] = None,
    method: Annotated[
        str | None, typer.Option(help="Only pretrained so: supervised, self-supervised, image-text or segmentation.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Only under this licence, or free: no terms of its own.")] = None,
    max_params: Annotated[float | None, typer.Option(help="Only up to so many million parameters.")] = None,
    max_gmacs: Annotated[
        float | None, typer.Option(help="Only up to so many billion multiplications an image.")
    ] = None,
) -> None:
    """List the backbones that topwork knows by itself; any other timm name works too."""
    from topwork.backbones import load, row, select

    if name is None:
        rows = select(family=family, method=method, licence=licence, max_params=max_params, max_gmacs=max_gmacs)
        console.result({"models": [entry.to_dict() for entry in rows]}, _text.catalogue(rows))
        return
    entry = row(name)
    backbone = load(name, weights="random")  # its facts alone: nothing is fetched
    fields = entry.to_dict() if entry else backbone.to_dict()
    console.result(fields, _text.backbone(backbone, entry))


@command(app, "doctor")
def doctor(console: Console) -> None:
    """Tell what is installed and works here: versions, devices, engines, cache."""
    from topwork.doctor import examine

    health = examine()
    console.result(health.to_dict(), _text.health(health))
    if not health.well:
        fail("something that topwork needs does not work here", "the lines marked with ! say what")


command(app, "demo")(demo)


def main() -> None:
    """Run the program ``topwork``; a Ctrl-C that comes while Python ends is ignored, as nothing else is left to do."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by whoever started us, as in `topwork fit … 2>&-`
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
    try:
        app()
    finally:  # freeing torch takes seconds, in which Python hears no signal any more and dies of one instead
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
