"""The command ``evaluate``: one model on labelled data, or two models on the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from topwork.cli._console import Console
from topwork.cli._options import CacheOption, Columns, FollowLinks, reading
from topwork.cli._text import printable, unlike

if TYPE_CHECKING:
    from topwork.data import ImageDataset
    from topwork.model import Model
    from topwork.tasks import Task, Words


def evaluate(
    console: Console,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL [MODEL] DATA",
            help="A model folder, optionally a second one to compare it with, and labelled images or texts.",
            show_default=False,
        ),
    ],
    seed: Annotated[int, typer.Option(help="Random seed for the bootstrap intervals.", min=0)] = 0,
    cache: CacheOption = True,
    columns: Columns = None,
    follow_links: FollowLinks = False,
    tile: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="Segment each part of a larger image by itself, so many pixels wide and high, as `predict` does.",
            min=16,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure MODEL on labelled data, with 95 % intervals. Two models are compared on the same data."""
    from topwork.tasks import load, task

    if len(paths) not in (2, 3):
        raise typer.BadParameter("give one or two model folders, and then the labelled data")
    first, *other, data = paths
    read = reading(columns, follow_links)
    if other:
        return _compare(console, (first, *other), data, read, {"seed": seed, "cache": cache}, tile)
    model = load(first)
    room = task(model.record.task.name)
    how: dict[str, Any] = {"seed": seed, "cache": cache, **_tile(room, tile)}
    dataset = unseen(console, model, room.read_for(model, data, **read))
    with console.progress():
        found = model.evaluate(dataset, **how, progress=console.step(f"features of {model.thing}s"))
    console.notes([*dataset.notes, *unlike(getattr(found, "shift", None), model.thing)])
    fields = {"model": str(first), "data": str(data), **room.words.fields(found)}
    console.result(fields, room.words.evaluated(found))


def _tile(room: Task, tile: int | None) -> dict[str, int]:
    """What ``evaluate`` is given for it; nothing where it is not wanted."""
    if tile is not None and not room.tiled:
        raise typer.BadParameter(f"--tile is for models that segment images, and this is of {room.name}")
    return {} if tile is None else {"tile": tile}


def unseen(console: Console, model: Model, dataset: ImageDataset, other: Model | None = None) -> ImageDataset:
    """Of a model's own data the images that trained neither it nor the other, which is told; other data as it is."""
    from topwork.fitting import held_out_again

    if other is not None and other.record.data.held_out_contents != model.record.data.held_out_contents:
        return dataset
    found = held_out_again(model, dataset)
    if found is None:
        return dataset
    who, whom = ("the model was", "it") if other is None else ("both models were", "either")
    console.note(
        f"note: {who} made from this data; the {len(found)} {model.thing}s that did not train {whom} are measured"
    )
    return found


def _compare(
    console: Console, folders: tuple[Path, ...], data: Path, read: dict[str, Any], how: dict[str, Any], tile: int | None
) -> None:
    from topwork.errors import ModelError
    from topwork.tasks import load, task

    first = load(folders[0])
    room = task(first.record.task.name)
    words: Words = room.words
    if room.compare is None or words.compared is None:
        raise ModelError(
            f"{folders[0]}: this command cannot use a model of the task {room.name}",
            hint="its models cannot be compared; evaluate each by itself",
        )
    how = {**how, **_tile(room, tile)}
    second = load(folders[1], room.model)
    dataset = unseen(console, first, room.read_for(first, data, **read), second)
    with console.progress():
        found = room.compare(first, second, dataset, **how, progress=console.step(f"features of {first.thing}s"))
    names = [printable(str(folder)) for folder in folders]
    notes = [
        f"{name}: {told}"
        for name, each in zip(names, (found.first, found.second), strict=True)
        for told in (*words.caveats(each), *unlike(getattr(each, "shift", None), first.thing))
    ]
    console.notes([*dataset.notes, *notes])
    fields = {
        "data": str(data),
        "first": {"model": str(folders[0]), **words.fields(found.first)},
        "second": {"model": str(folders[1]), **words.fields(found.second)},
        "comparison": found.comparison.to_dict(),
    }
    console.result(fields, words.compared(names, found))
