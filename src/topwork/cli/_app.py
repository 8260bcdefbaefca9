"""The commands. Each parses, calls one library function, and prints."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from topwork._system import has_torch, wait_considerately
from topwork.cli import _text
from topwork.cli._cleaned import require_cleaned, write_cleaned
from topwork.cli._commands import LANG, Program, command, new_app
from topwork.cli._console import Console
from topwork.cli._convert import convert
from topwork.cli._data import data
from topwork.cli._demo import demo
from topwork.cli._embed import embed
from topwork.cli._evaluate import evaluate
from topwork.cli._explain import explain
from topwork.cli._export import export
from topwork.cli._fit import Data, Pickle, Rules, Trust, Weights, advise, advise_options, fit, fit_parameters, let_run
from topwork.cli._options import CacheOption, Columns, FollowLinks, reading
from topwork.cli._predict import predict
from topwork.cli._push import push
from topwork.cli._recognise import enroll, forget, group, verify
from topwork.cli._report import report as report_command
from topwork.cli._segment import segment
from topwork.cli._serve import serve
from topwork.cli._ui import ui
from topwork.cli._watch import watch

_GARBAGE = 20_000  # new objects until garbage is looked for: imports make many, all of which stay

app = new_app(
    name="topwork",
    help="Turn labelled images or texts into a trained, measured, usable model.",
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
        str | None,
        typer.Option(help="Backbone whose features are used to compare images or texts; lite0 or minilm if not given."),
    ] = None,
    weights: Weights = "pretrained",
    allow_pickle: Pickle = False,
    preprocessing: Rules = "topwork",
    write: Annotated[
        Path | None,
        typer.Option(
            "--write",
            help="Write a CSV of the images or texts without duplicates, label conflicts and unreadable files.",
        ),
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--report", help="Write an HTML page with every finding and its images or texts.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed for the cross-validation folds.", min=0)] = 0,
    cache: CacheOption = True,
    columns: Columns = None,
    follow_links: FollowLinks = False,
    **given: Any,
) -> None:
    """Check DATA for problems that would harm a model or make its measured accuracy misleading."""
    from topwork import checking, report
    from topwork.tasks import packages, task

    if page is not None:
        report.require_free(page)
    room = task(given["task"])
    dataset = room.read(data, **reading(columns, follow_links))
    if write is not None:
        require_cleaned(dataset, write, room.name)
    own = backbone is not None or (weights, preprocessing) != ("pretrained", "topwork")
    made_by: Any = {"weights": weights, "allow_pickle": allow_pickle, "preprocessing": preprocessing}
    network = room.load(backbone or room.backbone, **made_by) if own else None
    with console.progress():
        step = console.step(f"two looks at each {room.examination().thing}")
        asked: Any = {"checks": room.checks(), "examination": room.examination()}
        found = checking.check(dataset, network, **asked, cache=cache, seed=seed, progress=step)
    if page is not None or write is not None:
        console.step("writing")
    if write is not None:
        write_cleaned(found.clean(), write)
    if page is not None:
        report.write_page(report.checkup_page(found, language=console.language, packages=packages()), page)
    console.result({"data": str(data), **found.to_dict()}, _text.checked(found, manifest=write, page=page))


command(app, "advise", lambda task: advise_options(task).parameters())(advise)
command(app, "fit", fit_parameters)(fit)
command(app, "evaluate")(evaluate)
command(app, "embed", lambda task: [])(embed)
command(app, "report")(report_command)


command(app, "predict")(predict)
command(app, "segment")(segment)
command(app, "enroll")(enroll)
command(app, "forget")(forget)
command(app, "verify")(verify)
command(app, "group")(group)
command(app, "watch")(watch)
command(app, "convert")(convert)
command(app, "push")(push)
command(app, "explain")(explain)
command(app, "export")(export)
command(app, "serve")(serve)
command(app, "ui")(ui)


@command(app, "models")
def models(
    console: Console,
    name: Annotated[str | None, typer.Argument(help="Show the details of this backbone.")] = None,
    task: Annotated[
        Literal["detection", "recognition", "segmentation"] | None,
        typer.Option(help="Show the trained detectors or segmenters, or the networks of faces, instead."),
    ] = None,
    reads: Annotated[
        Literal["image", "text"] | None, typer.Option(help="Show only networks of images, or of texts.")
    ] = None,
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
    domain: Annotated[
        str | None,
        typer.Option(
            help="Show the networks that learnt from one field's data instead: satellite, medical, microscopy or legal."
        ),
    ] = None,
    trust: Trust = False,
) -> None:
    """List the backbones in topwork's catalogue, and which of them work offline. Any of timm and the hub works."""
    from topwork.backbones import (
        detector_row,
        face_row,
        load,
        row,
        segmenter_row,
        select,
        select_texts,
        text_row,
        text_works_offline,
        works_offline,
    )

    let_run([name or ""], trust=trust)
    if domain is not None:
        others = {"NAME": name, "--task": task, "--family": family, "--method": method, "--max-gmacs": max_gmacs}
        if (other := next((each for each, value in others.items() if value is not None), None)) is not None:
            raise typer.BadParameter(f"{other} cannot be used with --domain")
        return _of_domain(console, domain, reads, licence, max_params)
    if task is not None and name is None:
        if task == "recognition":
            return _faces(console)
        of_task = _trained_detectors if task == "detection" else _trained_segmenters
        return of_task(console, licence, max_params)
    of_faces = face_row(name or "")
    if of_faces is not None:
        return console.result({"task": "recognition", **of_faces.to_dict()}, _text.face(of_faces))
    if name is None:
        of_both: Any = {"licence": licence, "max_params": max_params}
        of_images: Any = {"family": family, "method": method, "max_gmacs": max_gmacs}
        rows = select(**of_both, **of_images) if reads != "text" else ()
        texts = select_texts(**of_both) if reads == "text" or not (reads or any(of_images.values())) else ()
        here, there = [works_offline(entry) for entry in rows], [text_works_offline(entry) for entry in texts]
        told = [{"reads": "image", **each.to_dict(), "offline": near} for each, near in zip(rows, here, strict=True)]
        told += [{"reads": "text", **each.to_dict(), "offline": near} for each, near in zip(texts, there, strict=True)]
        shown = [_text.catalogue(rows, here)] if reads != "text" else []
        shown += [_text.text_catalogue(texts, there)] if texts or reads == "text" else []
        console.result({"models": told}, [line for lines in shown for line in ("", *lines)][1:])
        return
    of_boxes = detector_row(name) if row(name) is None else None
    if of_boxes is not None:
        return console.result({"task": "detection", **of_boxes.to_dict()}, _text.detector(of_boxes))
    of_masks = segmenter_row(name) if row(name) is None else None
    if of_masks is not None:
        return console.result({"task": "segmentation", **of_masks.to_dict()}, _text.segmenter(of_masks))
    of_texts = text_row(name) if row(name) is None else None
    if of_texts is not None:
        return console.result({"reads": "text", **of_texts.to_dict()}, _text.text_backbone(of_texts))
    entry = row(name)
    # its facts alone: nothing is fetched; a default network's own weights can be read without torch
    backbone = load(name, weights="random" if has_torch() else "pretrained")
    fields = entry.to_dict() if entry else backbone.to_dict()
    console.result(fields, _text.backbone(backbone, entry))


def _of_domain(console: Console, domain: str, reads: str | None, licence: str | None, max_params: float | None) -> None:
    from topwork.backbones import select_domain

    rows = select_domain(domain, reads=reads, licence=licence, max_params=max_params)
    console.result({"models": [row.to_dict() for row in rows]}, _text.domain(rows))


def _faces(console: Console) -> None:
    from topwork.backbones import FACES, face_works_offline

    here = [face_works_offline(each) for each in FACES]
    told = [{"task": "recognition", **each.to_dict(), "offline": near} for each, near in zip(FACES, here, strict=True)]
    console.result({"models": told}, _text.faces(FACES, here))


def _trained_detectors(console: Console, licence: str | None, max_params: float | None) -> None:
    from topwork.backbones import detector_works_offline, select_detectors

    rows = select_detectors(licence=licence, max_params=max_params)
    here = [detector_works_offline(each) for each in rows]
    told = [{"task": "detection", **each.to_dict(), "offline": near} for each, near in zip(rows, here, strict=True)]
    console.result({"models": told}, _text.detectors(rows, here))


def _trained_segmenters(console: Console, licence: str | None, max_params: float | None) -> None:
    from topwork.backbones import segmenter_works_offline, select_segmenters

    rows = select_segmenters(licence=licence, max_params=max_params)
    here = [segmenter_works_offline(each) for each in rows]
    told = [{"task": "segmentation", **each.to_dict(), "offline": near} for each, near in zip(rows, here, strict=True)]
    console.result({"models": told}, _text.segmenters(rows, here))


@command(app, "doctor")
def doctor(console: Console) -> None:
    """Check this installation: versions, devices, engines and the cache."""
    from topwork.doctor import examine

    console.step("looking at this machine")
    health = examine()
    console.result(health.to_dict(), _text.health(health))
    if not health.well:
        console.fail("something that topwork needs does not work on this machine", "see the lines marked with !")


command(app, "data")(data)
command(app, "demo", lambda task: [])(demo)


def main() -> None:
    """Run the program ``topwork``; a Ctrl-C that comes while Python ends is ignored, as nothing else is left to do."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by whoever started us, as in `topwork fit … 2>&-`
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
    wait_considerately()
    gc.set_threshold(_GARBAGE)
    try:
        app()
    finally:
        gc.freeze()  # what is left goes with the process, which ends in a fifth of the time without looking it through
        # freeing torch takes seconds, in which Python hears no signal any more and dies of one instead
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
