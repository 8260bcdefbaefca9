"""How ``explain`` draws one image after another, and what it asks of a model that finds objects in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from topwork.cli._console import Console
from topwork.cli._explain_options import ExplainOptions, MethodName
from topwork.cli._shelf import Shelf
from topwork.errors import ExplainError, ImageError

if TYPE_CHECKING:
    from topwork.model import Model
    from topwork.tasks import Task


def each_image(console: Console, images: Sequence[str], draw: Callable[[str], None]) -> int:
    """Draw each image; gives the number of those that could not be used. What is wrong with the only one is raised."""
    several, failed = len(images) > 1, 0
    bar = console.step("images") if several else None
    for done, source in enumerate(images, start=1):
        try:
            draw(source)
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
    return failed


def explain_boxes(
    console: Console,
    shelf: Shelf,
    room: Task,
    model: Model | None,
    images: Sequence[str],
    options: ExplainOptions,
    method: MethodName | None,
) -> int:
    """Draw what a box or region in each image rests on; gives the number of images that could not be used."""
    if method not in (None, MethodName.occlusion):
        raise ExplainError(f"--method {method} is not for models that find objects", hint="use --method occlusion")
    assert room.evidence is not None
    if len(images) == 1:
        console.step("evidence")
    where = {} if options.point is None else {"point": options.point}
    explain = room.evidence(model, label=options.label, number=options.box or 1, seed=options.seed, **where)

    def draw(source: str) -> None:
        found = explain(source)
        shelf.keep(found, f"{Path(source).stem}-{found.name}", source)
        shelf.lines += found.lines[1:]

    return each_image(console, images, draw)
