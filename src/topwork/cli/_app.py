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
    backbone: Annotated[
        str | None, typer.Option(help="Backbone whose features are used to compare images; lite0 if not given.")
    ] = None,
    weights: Weights = "pretrained",
    allow_pickle: Pickle = False,
    write: Annotated[
        Path | None,
        typer.Option(
            "--write",
            help="Write a CSV manifest of the images without duplicates, label conflicts and unreadable files.",
        ),
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--report", help="Write an HTML page with every finding and its images.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed for the cross-validation folds.", min=0)] = 0,
    cache: CacheOption = True,
    columns: Columns = None,
    follow_links: FollowLinks = False,
    **given: Any,
) -> None:
    """Check DATA for problems that would harm a model or make its measured accuracy misleading."""
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
            raise typer.BadParameter(
                f"--write needs a class for each image, and data of the task {room.name} have none"
            )
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
    model: Annotated[str | None, typer.Argument(help="Model folder; leave it out when --backbone is given.")] = None,
    images: Annotated[
        list[str] | None,
        typer.Argument(help="Image files, folders, patterns such as '*.jpg', or manifests; - reads names from stdin."),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            help="Use this pretrained network instead of a model, and show its 5 most probable ImageNet classes."
        ),
    ] = None,
    weights: Weights = "pretrained",
    allow_pickle: Pickle = False,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="Read file names from standard input, one per line, as - does.")
    ] = False,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write a CSV file with a row for each image.")] = None,
    parquet: Annotated[Path | None, typer.Option("--parquet", help="Write the same as a Parquet file.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Include the probability of every class in these files.")
    ] = False,
    columns: Columns = None,
    allow_url: Annotated[bool, typer.Option("--allow-url", help="Download images given as http(s) addresses.")] = False,
    coverage: Annotated[
        float | None,
        typer.Option(
            help="List as many classes as needed to include the true class in this share of images, such as 0.95.",
            min=0,
            max=1,
            show_default=False,
        ),
    ] = None,
    abstain: Annotated[
        float | None,
        typer.Option(
            help="Abstain (print ?) unless the expected accuracy, on average, is at least this, such as 0.99.",
            min=0,
            max=1,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Classify images. Each image gives one line, or one JSON object with --json."""
    from topwork.model import Classifier, Model
    from topwork.tasks import DEFAULT, load, task

    if backbone is not None and model is not None:  # no model: every argument is an image
        images = [model, *(images or [])]
    require_network(model, backbone, weights=weights, allow_pickle=allow_pickle)
    if stdin == bool(images):
        missing = "" if stdin else no_model(model, backbone)
        raise typer.BadParameter(f"{missing}give either image files or --stdin")
    if (coverage, abstain) != (None, None) and (backbone is not None or None not in (coverage, abstain)):
        raise typer.BadParameter("--coverage and --abstain need a model, and only one of them can be used at a time")
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
        raise typer.BadParameter(
            f"--backbone cannot be used for the task {room.name}: a pretrained network makes no predictions for it"
        )
    return room.untrained(load(backbone, weights=weights, allow_pickle=allow_pickle))


command(app, "explain")(explain)


@command(app, "models")
def models(
    console: Console,
    name: Annotated[str | None, typer.Argument(help="Show the details of this backbone.")] = None,
    family: Annotated[str | None, typer.Option(help="Show only this family, such as resnet or vit.")] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="Show only this kind of pretraining: supervised, self-supervised, image-text or segmentation."
        ),
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Show only this licence; free means any licence without special terms.")
    ] = None,
    max_params: Annotated[
        float | None, typer.Option(help="Show only networks with at most this many million parameters.")
    ] = None,
    max_gmacs: Annotated[
        float | None,
        typer.Option(help="Show only networks with at most this many GMACs (billions of multiply-adds) per image."),
    ] = None,
) -> None:
    """List the backbones in topwork's catalogue. Any other timm model can be used by its name."""
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
    """Check this installation: versions, devices, engines and the cache."""
    from topwork.doctor import examine

    health = examine()
    console.result(health.to_dict(), _text.health(health))
    if not health.well:
        fail("something that topwork needs does not work on this machine", "see the lines marked with !")


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
