"""The command ``explain``: pictures of what a network sees."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol

import typer

from topwork.cli._choices import CacheOption, SeedOption, require_heard
from topwork.cli._console import Console, Progress, fail, one_line
from topwork.cli._text import printable
from topwork.errors import ImageError

if TYPE_CHECKING:
    from topwork.explain import Subject


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


_NAME = 150  # characters of a picture's name; a file system takes 255 bytes
_IMAGES = (WhatName.evidence, WhatName.features, WhatName.attack)
_DATA = (WhatName.channels, WhatName.space, WhatName.robustness, WhatName.corruptions)
_READERS = {
    "method": (WhatName.evidence,),
    "label": (WhatName.evidence, WhatName.attack, WhatName.ideal),
    "data": _DATA,
    "stage": (WhatName.channels,),
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
    norm: NormName
    projection: ProjectionName
    most: int
    seed: int
    cache: bool


class _Result(Protocol):
    """What every result of the room ``explain`` can do."""

    @property
    def headline(self) -> str: ...

    def to_dict(self) -> dict[str, Any]: ...

    def picture(self) -> Any: ...


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
            "--class", help="For evidence: asked for, not the one that is named; for attack and ideal: wanted."
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Labelled images, as of the other commands.")] = None,
    stage: Annotated[str | None, typer.Option(help="For channels: the stage; the last if not given.")] = None,
    norm: Annotated[NormName, typer.Option(help="For attack, robustness: how a change is measured.")] = NormName.linf,
    projection: Annotated[ProjectionName, typer.Option(help="For space: the way into the plane.")] = ProjectionName.pca,
    most: Annotated[int, typer.Option(help="For robustness, corruptions: images drawn of the data.", min=1)] = 50,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the pictures.")] = Path("explained"),
    page: Annotated[
        Path | None, typer.Option("--report", help="HTML page to write as well: the pictures and their numbers.")
    ] = None,
    seed: SeedOption = 0,
    cache: CacheOption = True,
) -> None:
    """Draw why a network answers as it does: picture files, and what they show in words."""
    from topwork import report
    from topwork.data import read

    require_heard(context, "--what", what, _READERS)
    if backbone is not None and model is not None:  # no model: every argument is an image
        images = [model, *(images or [])]
    if backbone is None and model is None:
        raise typer.BadParameter("name a model folder, or a network with --backbone")
    _require_what_it_needs(what, bool(images), data is not None, bool(label))
    if page is not None:
        report.require_free(page)
    asked = _Asked(what, method, label, data, stage, norm, projection, most, seed, cache)
    shelf = _Shelf(out)
    failed = 0
    with console.progress():
        subject = _subject(model or "", backbone)
        if what in _IMAGES:
            failed = _each_image(console, shelf, subject, images or [], asked)
        else:
            shelf.keep(_whole(subject, asked, console.step), f"{what}-{label}" if label else what)
    if page is not None:
        dataset = None if data is None else read(data)
        report.write_page(report.explained_page(shelf.results, name=backbone or model or "", dataset=dataset), page)
    console.result({"pictures": shelf.fields}, "\n".join(shelf.lines))
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


def _subject(model: str, backbone: str | None) -> Subject:
    from topwork.explain import Subject

    if backbone is None:
        from topwork.model import load

        return Subject.of_model(load(model))
    from topwork.backbones import load as load_backbone

    return Subject.of_backbone(load_backbone(backbone))


def _each_image(console: Console, shelf: _Shelf, subject: Subject, images: list[str], asked: _Asked) -> int:
    """Draw what was asked for of each image; gives the number of those that could not be used."""
    failed = 0
    bar = console.step("images") if len(images) > 1 else None
    step = console.step("attack") if len(images) == 1 and asked.what == WhatName.attack else None
    for done, source in enumerate(images, start=1):
        try:
            square = subject.squares([source])
        except ImageError as error:
            failed += 1
            console.failure(error.message)
        else:
            name = asked.method if asked.what == WhatName.evidence else asked.what
            shelf.keep(_of_image(subject, square, asked, step), f"{Path(source).stem}-{name}", source)
        if bar is not None:
            bar(done, len(images))
    return failed


def _of_image(subject: Subject, square: Any, asked: _Asked, progress: Progress | None) -> _Result:
    from topwork import explain

    match asked.what, asked.method:
        case WhatName.features, _:
            return explain.feature_maps(subject, square[0])
        case WhatName.attack, _:
            return explain.fool(subject, square[0], asked.label, norm=asked.norm.value, progress=progress)
        case _, MethodName.rollout:
            return explain.attention_rollout(subject, square)[0]
        case _, MethodName.attention:
            return explain.weighted_attention(subject, square, asked.label)[0]
        case _, MethodName.occlusion:
            return explain.occlusion(subject, square, asked.label)[0]
        case _, MethodName.integrated_gradients:
            return explain.integrated_gradients(subject, square, asked.label)[0]
        case _:
            return explain.grad_cam(subject, square, asked.label)[0]


def _whole(subject: Subject, asked: _Asked, step: Callable[[str], Progress | None]) -> _Result:
    """What is drawn of a network alone, or of a network and a data set."""
    from topwork import explain
    from topwork.data import read

    if asked.what == WhatName.filters:
        return explain.filters(subject)
    if asked.what == WhatName.ideal:
        return explain.ideal_image(subject, asked.label or "", seed=asked.seed, progress=step("ideal image"))
    dataset = read(asked.data or "")
    if asked.what in (WhatName.channels, WhatName.space):
        dataset = dataset.part("train") if (dataset.parts == "train").any() else dataset
        bar = step("features")
        if asked.what == WhatName.channels:
            return explain.exciting(subject, dataset, stage=asked.stage, cache=asked.cache, progress=bar)
        return explain.feature_space(
            dataset,
            subject.backbone,
            projection=asked.projection.value,
            seed=asked.seed,
            cache=asked.cache,
            progress=bar,
        )
    dataset = dataset.part(dataset.held_out_part) if dataset.held_out_part else dataset
    images, labels = explain.labelled_squares(subject, dataset, asked.most, seed=asked.seed)
    if asked.what == WhatName.corruptions:
        bar = step("corruptions")
        return explain.corruption_accuracy(subject, images, labels, seed=asked.seed, progress=bar)
    options = explain.AttackOptions(norm=asked.norm.value, seed=asked.seed)
    return explain.robust_accuracy(subject, images, labels, options=options, progress=step("attacks"))


class _Shelf:
    """Where the pictures go, no two under one name.

    Attributes:
        fields: Of each, what --json tells.
        lines: Of each, what is said otherwise.
        results: Each with the image that it is of.
    """

    def __init__(self, folder: Path) -> None:
        self.fields: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self.results: list[tuple[str, _Result]] = []
        self._folder = folder
        self._taken: set[str] = set()

    def keep(self, result: _Result, name: str, source: str = "") -> None:
        """Write a result's picture under a name, with a number behind it where that is taken."""
        from topwork.explain import write_picture

        plain = re.sub(r"[^\w.-]+", "-", name)[:_NAME].strip("-.") or "picture"
        numbered = (f"{plain}{f'-{number}' if number > 1 else ''}.png" for number in itertools.count(1))
        file = next(each for each in numbered if each.lower() not in self._taken)
        self._taken.add(file.lower())
        path = write_picture(result.picture(), self._folder / file)
        self.fields.append({**({"source": source} if source else {}), "picture": str(path), **result.to_dict()})
        self.results.append((source, result))
        self.lines.append(f"{printable(str(path))}: {one_line(result.headline)}")
