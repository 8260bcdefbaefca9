"""The command ``explain``: pictures of what a network sees."""

from __future__ import annotations

import itertools
import re
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from topwork.cli._console import Console, Progress, fail, one_line
from topwork.cli._evaluate import unseen
from topwork.cli._options import CacheOption, SeedOption, require_heard
from topwork.cli._text import printable
from topwork.errors import ExplainError, ImageError

if TYPE_CHECKING:
    from topwork.explain import Result, Subject
    from topwork.model import Classifier


class WhatName(StrEnum):
    """What is drawn."""

    evidence = "evidence"
    features = "features"
    attack = "attack"
    filters = "filters"
    ideal = "ideal"
    channels = "channels"
    space = "space"
    robustness = "robustness"
    corruptions = "corruptions"


class MethodName(StrEnum):
    """Ways to find where an image speaks for a class."""

    grad_cam = "grad-cam"
    attention = "attention"
    rollout = "rollout"
    occlusion = "occlusion"
    integrated_gradients = "integrated-gradients"


class NormName(StrEnum):
    """Ways to measure a change."""

    linf = "linf"
    l2 = "l2"


class ProjectionName(StrEnum):
    """Ways into the plane."""

    pca = "pca"
    tsne = "tsne"
    umap = "umap"


_NAME = 200  # bytes of a picture's name; a file system takes 255, and a number may follow
_OUT = Path("explained")
_MOST_IDEAL = 20  # classes of a model that are painted without being named; each takes half a minute
_IMAGES = (WhatName.evidence, WhatName.features, WhatName.attack)
_DATA = (WhatName.channels, WhatName.space, WhatName.robustness, WhatName.corruptions)
_CLASSLESS = (WhatName.features, WhatName.filters, WhatName.channels, WhatName.space)  # no head takes part
_READERS = {
    "method": (WhatName.evidence,),
    "label": (WhatName.evidence, WhatName.attack, WhatName.ideal),
    "data": _DATA,
    "stage": (WhatName.channels,),
    "channel": (WhatName.channels,),
    "norm": (WhatName.attack, WhatName.robustness),
    "projection": (WhatName.space,),
    "most": (WhatName.robustness, WhatName.corruptions),
    "seed": (WhatName.ideal, WhatName.space, WhatName.robustness, WhatName.corruptions),
    "cache": (WhatName.channels, WhatName.space),
}
"""Which pictures read an option, by its parameter's name; all of them, where it is not here."""


class _Asked(NamedTuple):
    """What was asked of a picture."""

    what: WhatName
    method: MethodName
    label: str | None
    data: Path | None
    stage: str | None
    channel: tuple[int, ...]
    norm: NormName
    projection: ProjectionName
    most: int
    seed: int
    cache: bool


def explain(
    console: Console,
    context: typer.Context,
    model: Annotated[str | None, typer.Argument(help="Model folder; left out with --backbone.")] = None,
    images: Annotated[list[str] | None, typer.Argument(help="Image files: for evidence, features, attack.")] = None,
    what: Annotated[
        WhatName,
        typer.Option(
            help="evidence: where an image speaks for a class; features: what each stage makes of it; attack: the "
            "smallest change that makes it be taken for another class; filters: the first layer's; ideal: what the "
            "network would like best to see as --class; and of --data: channels, with the images that excite them; "
            "space, a map of the features; robustness, against attacks; corruptions."
        ),
    ] = WhatName.evidence,
    backbone: Annotated[
        str | None, typer.Option(help="No model, but this network with its own ImageNet classes.")
    ] = None,
    method: Annotated[MethodName, typer.Option(help="For evidence: what finds it.")] = MethodName.grad_cam,
    label: Annotated[
        str | None,
        typer.Option(
            "--class",
            help="For evidence: asked for, not the one that is named; for attack: wanted; for ideal: only this one of "
            "the model's.",
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Labelled images, as of the other commands.")] = None,
    stage: Annotated[str | None, typer.Option(help="For channels: the stage; the last if not given.")] = None,
    channel: Annotated[
        list[int] | None,
        typer.Option(help="For channels: this one of the stage, again for more; those that tell most if not given."),
    ] = None,
    norm: Annotated[NormName, typer.Option(help="For attack, robustness: how a change is measured.")] = NormName.linf,
    projection: Annotated[ProjectionName, typer.Option(help="For space: the way into the plane.")] = ProjectionName.pca,
    most: Annotated[int, typer.Option(help="For robustness, corruptions: images drawn of the data.", min=1)] = 50,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the pictures.")] = _OUT,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Put the pictures into the model's folder instead, for `topwork report` to show."),
    ] = False,
    page: Annotated[
        Path | None, typer.Option("--report", help="HTML page to write as well: the pictures and their numbers.")
    ] = None,
    seed: SeedOption = 0,
    cache: CacheOption = True,
) -> None:
    """Draw why a network answers as it does: picture files, and what they show in words."""
    from topwork import report
    from topwork.data import read
    from topwork.model import EXPLAINED, Classifier
    from topwork.tasks import load

    require_heard(context, "--what", what, _READERS)
    if backbone is not None and model is not None:  # no model: every argument is an image
        images = [model, *(images or [])]
    if backbone is None and model is None:
        raise typer.BadParameter("name a model folder, or a network with --backbone")
    if keep and (backbone is not None or out != _OUT):
        raise typer.BadParameter("--keep is for a model, whose folder it writes to; it takes neither --backbone nor -o")
    _require_what_it_needs(what, bool(images), data is not None, bool(label) or backbone is None)
    if page is not None:
        report.require_free(page)
    asked = _Asked(what, method, label, data, stage, tuple(channel or ()), norm, projection, most, seed, cache)
    shelf = _Shelf(Path(model or "") / EXPLAINED if keep else out, what, results=page is not None)
    failed = 0
    with console.progress():
        shelf.try_place("make it so" if keep else "name a folder that can be written to with -o")
        own = load(model, Classifier) if model is not None and backbone is None else None
        subject = _subject(own, backbone or "", what)
        if what in _IMAGES:
            failed = _each_image(console, shelf, subject, images or [], asked)
        else:
            for result, name in _whole(console, subject, own, asked):
                shelf.keep(result, name)
    if page is not None:
        dataset = None if data is None else read(data)
        report.write_page(report.explained_page(shelf.results, name=backbone or model or "", dataset=dataset), page)
    skipped = {"skipped": shelf.skipped} if shelf.skipped else {}
    told = (
        [f"Next:  topwork report {printable(model or '')} --data DATA    (the model's page shows it)"] if keep else []
    )
    console.result({"pictures": shelf.fields, **skipped}, "\n".join([*shelf.lines, *told]))
    if failed:
        fail(
            f"{failed} {'image' if failed == 1 else 'images'} could not be used",
            "each one's line says why; the others are not affected",
        )


def _require_what_it_needs(asked: WhatName, images: bool, data: bool, label: bool) -> None:
    """Refuse a command line that lacks what a picture is made of, or names what it is not made of."""
    if asked in _IMAGES and not images:
        raise typer.BadParameter(f"--what {asked} needs an image")
    if asked not in _IMAGES and images:
        raise typer.BadParameter(f"--what {asked} is of no image" + ("; name --data" if asked in _DATA else ""))
    if asked in _DATA and not data:
        raise typer.BadParameter(f"--what {asked} needs --data")
    if asked == WhatName.ideal and not label:
        raise typer.BadParameter("--what ideal needs --class")


def _subject(model: Classifier | None, backbone: str, what: WhatName) -> Subject:
    from topwork.backbones import load
    from topwork.explain import Subject

    if model is not None:
        return Subject.of_model(model)
    if what in _CLASSLESS:
        return Subject.without_head(load(backbone))
    return Subject.of_backbone(load(backbone))


def _each_image(console: Console, shelf: _Shelf, subject: Subject, images: list[str], asked: _Asked) -> int:
    """Draw what was asked for of each image; gives the number of those that could not be used."""
    failed = 0
    if asked.label is not None:
        subject.index(asked.label)  # what is wrong for all is said once
    several = len(images) > 1
    bar = console.step("images") if several else None
    step = console.step("attack") if not several and asked.what == WhatName.attack else None
    for done, source in enumerate(images, start=1):
        try:
            square = subject.squares([source])
            if several and _is_it_already(subject, square, asked):
                shelf.skip(source, f"taken for {asked.label!r} already")
                console.note(f"note: {source}: skipped: it is taken for {asked.label!r} already")
            else:
                name = f"{Path(source).stem}-{asked.method if asked.what == WhatName.evidence else asked.what}"
                shelf.keep(_of_image(subject, square, asked, step), name, source)
        except ImageError as error:
            failed += 1
            console.failure(error.message)
        except ExplainError as error:
            if not several:
                raise
            failed += 1
            console.failure(f"{source}: {error.message}")
        if bar is not None:
            bar(done, len(images))
    if shelf.skipped and not shelf.fields and not failed:
        fail(f"no image was attacked: each is taken for {asked.label!r} already", "name another class")
    return failed


def _is_it_already(subject: Subject, square: Any, asked: _Asked) -> bool:
    """Whether an image is taken for the class that an attack is to make of it."""
    if asked.what != WhatName.attack or asked.label is None:
        return False
    return int(subject.probabilities(square)[0].argmax()) == subject.index(asked.label)


def _of_image(subject: Subject, square: Any, asked: _Asked, progress: Progress | None) -> Result:
    from topwork import explain

    match asked.what, asked.method:
        case WhatName.features, _:
            return explain.feature_maps(subject, square[0])
        case WhatName.attack, _:
            return explain.fool(subject, square[0], asked.label, norm=asked.norm.value, progress=progress)
        case _, MethodName.rollout:
            return explain.attention_rollout(subject, square, asked.label)[0]
        case _, MethodName.attention:
            return explain.weighted_attention(subject, square, asked.label)[0]
        case _, MethodName.occlusion:
            return explain.occlusion(subject, square, asked.label)[0]
        case _, MethodName.integrated_gradients:
            return explain.integrated_gradients(subject, square, asked.label)[0]
        case _:
            return explain.grad_cam(subject, square, asked.label)[0]


def _whole(console: Console, subject: Subject, model: Classifier | None, asked: _Asked) -> Iterator[tuple[Result, str]]:
    """What is drawn of a network alone, or of a network and a data set; each with its picture's name."""
    from topwork import explain

    if asked.what == WhatName.filters:
        yield explain.filters(subject), asked.what
    elif asked.what == WhatName.ideal:
        if not asked.label and len(subject.classes) > _MOST_IDEAL:
            raise ExplainError(
                f"an ideal image takes half a minute, and there are {len(subject.classes)} classes",
                hint="name one with --class",
            )
        for label in (asked.label,) if asked.label else subject.classes:
            bar = console.step(f"ideal image of {printable(label)}")
            try:
                found = explain.ideal_image(subject, label, seed=asked.seed, progress=bar)
            except ExplainError as error:
                if asked.label:
                    raise
                console.note(f"note: {printable(label)}: skipped: {error.message}")
            else:
                yield found, f"{asked.what}-{label}"
    else:
        yield _of_data(console, subject, model, asked), asked.what


def _of_data(console: Console, subject: Subject, model: Classifier | None, asked: _Asked) -> Result:
    """What is drawn of a network and a data set; accuracy is measured on images that did not train it."""
    from topwork import explain
    from topwork.data import read

    dataset = read(asked.data or "")
    if asked.what in (WhatName.channels, WhatName.space):
        dataset = dataset.split("train") if (dataset.splits == "train").any() else dataset
        bar = console.step("features")
        if asked.what == WhatName.channels:
            channels = asked.channel or None
            return explain.exciting(
                subject, dataset, stage=asked.stage, channels=channels, cache=asked.cache, progress=bar
            )
        return explain.feature_space(
            dataset,
            subject.backbone,
            projection=asked.projection.value,
            seed=asked.seed,
            cache=asked.cache,
            progress=bar,
        )
    if dataset.held_out_split:
        dataset = dataset.split(dataset.held_out_split)
    elif model is not None:
        dataset = unseen(console, model, dataset)
    images, labels = explain.labelled_squares(subject, dataset, asked.most, seed=asked.seed)
    if asked.what == WhatName.corruptions:
        bar = console.step("corruptions")
        return explain.corruption_accuracy(subject, images, labels, seed=asked.seed, progress=bar)
    options = explain.AttackOptions(norm=asked.norm.value, seed=asked.seed)
    return explain.robust_accuracy(subject, images, labels, options=options, progress=console.step("attacks"))


class _Shelf:
    """Where the pictures go, no two under one name.

    Attributes:
        fields: Of each, what --json tells.
        lines: Of each, what is said otherwise.
        results: Each with the image that it is of, where they are wanted.
        skipped: Images that there is nothing to draw of, and why.

    Args:
        folder: It is made when it is needed.
        what: What was asked for.
        results: Whether ``results`` are wanted; they hold every pixel.
    """

    def __init__(self, folder: Path, what: WhatName, *, results: bool) -> None:
        self.fields: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self.results: list[tuple[str, Result]] = []
        self.skipped: list[dict[str, str]] = []
        self._folder = folder
        self._what = what
        self._taken: set[str] = set()
        self._wanted = results

    def try_place(self, hint: str) -> None:
        """Find out before the work, which takes minutes, whether the pictures can be written.

        Raises:
            ExplainError: They cannot be.
        """
        there = next(place for place in (self._folder, *self._folder.absolute().parents) if place.exists())
        try:
            with tempfile.TemporaryFile(dir=there):
                return
        except OSError as error:
            raise ExplainError(f"{self._folder}: cannot be written: {error.strerror or error}", hint=hint) from error

    def keep(self, result: Result, name: str, source: str = "") -> None:
        """Write a result's picture under a name, with a number behind it where that is taken."""
        from topwork.explain import write_result

        shortened = re.sub(r"[^\w.-]+", "-", name).encode()[:_NAME].decode(errors="ignore")
        plain = shortened.strip("-.") or "picture"
        numbered = (f"{plain}{f'-{number}' if number > 1 else ''}.png" for number in itertools.count(1))
        file = next(each for each in numbered if each.lower() not in self._taken)
        self._taken.add(file.lower())
        path = write_result(result, self._folder / file, what=self._what.value, source=source)
        self.fields.append({**({"source": source} if source else {}), "picture": str(path), **result.to_dict()})
        if self._wanted:
            self.results.append((source, result))
        self.lines.append(f"{printable(str(path))}: {one_line(result.headline)}")

    def skip(self, source: str, reason: str) -> None:
        """Note an image that there is nothing to draw of."""
        self.skipped.append({"source": source, "reason": reason})
