"""The commands. Each parses, calls one library function, and prints."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from topwork._system import has_torch, wait_considerately
from topwork.cli import _text
from topwork.cli._commands import LANG, Program, command, new_app
from topwork.cli._console import Console
from topwork.cli._embed import embed
from topwork.cli._evaluate import evaluate
from topwork.cli._explain import explain
from topwork.cli._fit import Data, Pickle, Rules, Weights, advise, advise_options, demo, fit, fit_parameters
from topwork.cli._options import CacheOption, Columns, FollowLinks, reading
from topwork.cli._predict import predict
from topwork.cli._report import report as report_command

app = new_app(
    name="topwork",
    help="Turn a folder of labelled images into a trained, measured, usable classifier.",
    no_args_is_help=True,
    cls=Program,
)


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
    lang: LANG = None,
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
    preprocessing: Rules = "topwork",
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
    own = backbone is not None or (weights, preprocessing) != ("pretrained", "topwork")
    made_by: Any = {"weights": weights, "allow_pickle": allow_pickle, "preprocessing": preprocessing}
    network = load(backbone or DEFAULT, **made_by) if own else None
    with console.progress():
        step = console.step("two looks at each image")
        found = checking.check(dataset, network, checks=room.checks, cache=cache, seed=seed, progress=step)
    if page is not None or write is not None:
        console.step("writing")
    if write is not None:
        write_manifest(found.clean(), write)
    if page is not None:
        report.write_page(report.checkup_page(found, language=console.language), page)
    console.result({"data": str(data), **found.to_dict()}, _text.checked(found, manifest=write, page=page))


command(app, "advise", lambda task: advise_options(task).parameters())(advise)
command(app, "fit", fit_parameters)(fit)
command(app, "evaluate")(evaluate)
command(app, "embed")(embed)
command(app, "report")(report_command)


command(app, "predict")(predict)
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
    """List the backbones in topwork's catalogue, and which of them work offline. Any other timm model works by name."""
    from topwork.backbones import load, row, select, works_offline

    if name is None:
        rows = select(family=family, method=method, licence=licence, max_params=max_params, max_gmacs=max_gmacs)
        here = [works_offline(entry) for entry in rows]
        told = [{**entry.to_dict(), "offline": offline} for entry, offline in zip(rows, here, strict=True)]
        console.result({"models": told}, _text.catalogue(rows, here))
        return
    entry = row(name)
    # its facts alone: nothing is fetched; a default network's own weights can be read without torch
    backbone = load(name, weights="random" if has_torch() else "pretrained")
    fields = entry.to_dict() if entry else backbone.to_dict()
    console.result(fields, _text.backbone(backbone, entry))


@command(app, "doctor")
def doctor(console: Console) -> None:
    """Check this installation: versions, devices, engines and the cache."""
    from topwork.doctor import examine

    console.step("looking at this machine")
    health = examine()
    console.result(health.to_dict(), _text.health(health))
    if not health.well:
        console.fail("something that topwork needs does not work on this machine", "see the lines marked with !")


command(app, "demo")(demo)


def main() -> None:
    """Run the program ``topwork``; a Ctrl-C that comes while Python ends is ignored, as nothing else is left to do."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by whoever started us, as in `topwork fit … 2>&-`
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
    wait_considerately()
    try:
        app()
    finally:  # freeing torch takes seconds, in which Python hears no signal any more and dies of one instead
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
