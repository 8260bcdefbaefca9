"""The command ``explain``: pictures of what a network sees."""

from __future__ import annotations

import itertools
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Protocol

import typer

from topwork.cli._console import Console, fail
from topwork.cli._text import printable
from topwork.errors import ImageError

if TYPE_CHECKING:
    from topwork.explain import Subject


class EvidenceName(StrEnum):
    """Ways to find where an image speaks for a class."""

    grad_cam = "grad-cam"


class _Asked(NamedTuple):
    """What was asked of a picture."""

    method: EvidenceName
    label: str | None


class _Result(Protocol):
    """What every result of the room ``explain`` can do."""

    @property
    def headline(self) -> str: ...

    def to_dict(self) -> dict[str, Any]: ...

    def picture(self) -> Any: ...


def explain(
    console: Console,
    model: Annotated[str | None, typer.Argument(help="Model folder; left out with --backbone.")] = None,
    images: Annotated[list[str] | None, typer.Argument(help="Image files.")] = None,
    backbone: Annotated[
        str | None, typer.Option(help="No model, but this network with its own ImageNet classes.")
    ] = None,
    method: Annotated[EvidenceName, typer.Option(help="What finds the evidence.")] = EvidenceName.grad_cam,
    label: Annotated[
        str | None, typer.Option("--class", help="The class that is asked for; if not given, the one that is named.")
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the pictures.")] = Path("explained"),
) -> None:
    """Draw why a network answers as it does: one picture file for each image."""
    if backbone is not None and model is not None:  # no model: every argument is an image
        images = [model, *(images or [])]
    if backbone is None and model is None:
        raise typer.BadParameter("name a model folder, or a network with --backbone")
    if not images:
        raise typer.BadParameter("name an image")
    asked = _Asked(method, label)
    subject = _subject(model or "", backbone)
    shelf, done, failed = _Shelf(out), [], 0
    with console.progress():
        step = console.step("images")
        for place, source in enumerate(images, start=1):
            try:
                square = subject.squares([source])
            except ImageError as error:
                failed += 1
                console.failure(error.message)
                continue
            result = _evidence(subject, square, asked)
            done.append(shelf.keep(result, f"{Path(source).stem}-{method.value}", source))
            if step is not None:
                step(place, len(images))
    console.result({"pictures": [each.fields for each in done]}, "\n".join(each.line for each in done))
    if failed:
        fail(
            f"{failed} {'image' if failed == 1 else 'images'} could not be used",
            "each one's line says why; the others are not affected",
        )


def _subject(model: str, backbone: str | None) -> Subject:
    from topwork.explain import Subject

    if backbone is None:
        from topwork.model import load

        return Subject.of_model(load(model))
    from topwork.backbones import load as load_backbone

    return Subject.of_backbone(load_backbone(backbone))


def _evidence(subject: Subject, square: Any, asked: _Asked) -> _Result:
    from topwork import explain

    return explain.grad_cam(subject, square, asked.label)[0]


class _Kept(NamedTuple):
    """A result whose picture is written."""

    fields: dict[str, Any]
    line: str


class _Shelf:
    """Where the pictures go, no two under one name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: set[str] = set()

    def keep(self, result: _Result, name: str, source: str = "") -> _Kept:
        """Write a result's picture under a name, with a number behind it where that is taken."""
        from topwork.explain import write_picture

        plain = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "picture"
        numbered = (f"{plain}{f'-{number}' if number > 1 else ''}.png" for number in itertools.count(1))
        file = next(each for each in numbered if each.lower() not in self._taken)
        self._taken.add(file.lower())
        path = write_picture(result.picture(), self._folder / file)
        fields = {**({"source": source} if source else {}), "picture": str(path), **result.to_dict()}
        return _Kept(fields, f"{printable(str(path))}: {result.headline}")
