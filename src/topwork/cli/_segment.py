"""The command ``segment``: masks of what points and boxes mean, or of everything, by SAM."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from topwork.cli._console import Console
from topwork.cli._options import CacheOption
from topwork.cli._text import printable

if TYPE_CHECKING:
    from topwork.tasks.segmentation.promptable import Promptable

_POINT, _BOX = "across,down", "left,top,right,bottom"

Image = Annotated[Path, typer.Argument(metavar="IMAGE", help="An image file; with --learn the images with masks.")]
Points = Annotated[
    list[str] | None,
    typer.Option(
        "--point",
        metavar="X,Y[,-]",
        help="A point of the object, in pixels from the upper left corner; with ,- one that is not part of it. Can be "
        "given several times.",
        show_default=False,
    ),
]
Boxes = Annotated[
    list[str] | None,
    typer.Option(
        "--box",
        metavar="X0,Y0,X1,Y1",
        help="A box around an object, in pixels. Can be given several times, for an object each.",
        show_default=False,
    ),
]
Detector = Annotated[
    Path | None,
    typer.Option(
        metavar="MODEL",
        help="A detector of topwork's, whose boxes are asked about: its objects as masks, each with its class.",
        show_default=False,
    ),
]
Everything = Annotated[bool, typer.Option("--everything", help="Find everything in the image, without prompts.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        metavar="DIR",
        help="Write masks (PNG), a JSON file with run lengths, and a picture into this folder; with --learn the "
        "trained network.",
        show_default=False,
    ),
]
Backbone = Annotated[str, typer.Option(help="A network that takes prompts (see `topwork models --task segmentation`).")]
Weights = Annotated[
    str,
    typer.Option(help="Weights of the network: pretrained, a folder that transformers saved, or one of --learn."),
]
Grid = Annotated[int, typer.Option(help="Points along each side of the grid of --everything.", min=1, max=256)]
Learn = Annotated[
    bool, typer.Option("--learn", help="Train the mask decoder on images with masks instead; the encoder stays.")
]
OnPage = Annotated[
    bool, typer.Option("--page", help="Open a page instead, on which clicks and boxes become masks that are saved.")
]
Classes = Annotated[
    list[str] | None,
    typer.Option(
        "--class", metavar="NAME", help="A class of --page. Can be given several times; more are added on the page.",
        show_default=False,
    ),
]  # fmt: skip
Collect = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Folder into which --page saves images and masks, for `topwork fit`.", show_default=False
    ),
]
Epochs = Annotated[int, typer.Option(help="Number of passes over the training images of --learn.", min=1)]


def segment(
    console: Console,
    image: Image,
    points: Points = None,
    boxes: Boxes = None,
    detector: Detector = None,
    everything: Everything = False,
    out: Out = None,
    backbone: Backbone = "sam-vit-b",
    weights: Weights = "pretrained",
    grid: Grid = 32,
    learn: Learn = False,
    epochs: Epochs = 10,
    page: OnPage = False,
    classes: Classes = None,
    collect: Collect = None,
    cache: CacheOption = True,
) -> None:
    """Find the mask of what points and boxes mean in IMAGE, or of everything in it, with SAM."""
    ways = (bool(points or boxes), detector is not None, everything, learn, page)
    if ways.count(True) != 1:
        raise typer.BadParameter(
            "give points or boxes (--point, --box), or --detector, --everything, --learn or --page"
            if not any(ways)
            else "only one of prompts, --detector, --everything, --learn and --page can be given"
        )
    if learn and out is None:
        raise typer.BadParameter("--learn needs -o, the folder that the trained network is written to")
    if page and collect is None:
        raise typer.BadParameter("--page needs --collect, the folder into which it saves")
    of_points, of_boxes = [_point(each) for each in points or ()], [_box(each) for each in boxes or ()]
    from topwork.errors import DataError
    from topwork.tasks.segmentation.promptable import EverythingOptions, Promptable, written_masks

    if not image.exists():
        raise DataError(f"{printable(str(image))}: no such file", hint="check the path")
    known = None if detector is None else _boxes_of(detector, image)
    network = Promptable.load(backbone, weights=weights, cache=cache)
    if page:
        assert collect is not None
        return _on_page(console, network, image, classes or ["object"], collect)
    if learn:
        assert out is not None
        return _learnt(console, network, image, out, epochs)
    with console.progress():
        console.step("the image's embedding")
        seen = network.image(str(image))
        if everything:
            progress = console.step("points of the grid")
            masks = seen.everything(EverythingOptions(grid=grid), progress=progress)
        elif known is not None:
            found = seen.masks((), [corners for _, corners in known]) if known else ()
            masks = tuple(replace(each, label=label) for each, (label, _) in zip(found, known, strict=True))
        else:
            masks = seen.masks(of_points, of_boxes)
    written = () if out is None else written_masks(out, seen, masks)
    height, width = seen.size
    fields: dict[str, Any] = {
        "image": str(image),
        "width": width,
        "height": height,
        "network": network.backbone.name,
        "masks": [each.to_dict() for each in masks],
        "files": [str(path) for path in written],
    }
    lines = [
        f"mask {place}: score {each.score:.3f}, {each.area:,} pixels, box {','.join(map(str, each.box))}"
        + (f", {printable(each.label)}" if each.label else "")
        for place, each in enumerate(masks, start=1)
    ]
    count = f"Masks in {printable(str(image))}: {len(masks)}"
    console.result(fields, [count, *lines, *([] if out is None else [f"Written: {printable(str(out))}"])])


def _boxes_of(detector: Path, image: Path) -> list[tuple[str, tuple[float, ...]]]:
    """The class and the corners of each object that a detector finds, as far as it lies in the image."""
    from topwork.errors import ImageError
    from topwork.tasks import load, task

    (found,) = load(detector, task("detection").model).predict([str(image)])
    if found.error:
        raise ImageError(found.error)
    height, width = found.size
    limits = (width, height, width, height)
    inside = [
        (each.label, tuple(min(max(0.0, at), end) for at, end in zip(each.corners, limits, strict=True)))
        for each in found
    ]
    return [(label, (x, y, right, lower)) for label, (x, y, right, lower) in inside if x < right and y < lower]


def _on_page(console: Console, network: Promptable, given: Path, classes: list[str], folder: Path) -> None:
    from topwork.data import IMAGE_SUFFIXES
    from topwork.ui._labelling import label

    images = (
        [each for each in sorted(given.iterdir()) if each.suffix.lower() in IMAGE_SUFFIXES]
        if given.is_dir()
        else [given]
    )
    tell = lambda address: console.note(f"The page is at {address}. Ctrl-C ends it.")  # noqa: E731
    label(network, images, classes, folder, language=console.language, tell=tell)


def _learnt(console: Console, network: Promptable, data: Path, out: Path, epochs: int) -> None:
    from topwork.data import read_masks
    from topwork.tasks.segmentation.promptable import TuneOptions, tuned

    dataset = read_masks(data)
    with console.progress():
        found = tuned(network, dataset, TuneOptions(epochs=epochs), announce=console.step)
    console.notes(found.notes)
    start, best = found.result.start, found.result.best
    fields = {
        "data": str(data),
        "network": network.backbone.name,
        "epochs": len(found.result.history),
        "best_epoch": found.result.best_epoch,
        "iou": {"before": start.accuracy, "after": best.accuracy, "objects": best.samples},
        "written": "",
    }
    told = f"IoU of a mask with its object on {best.samples:,} validation prompts: {start.accuracy:.3f} before, "
    lines = [f"{told}{best.accuracy:.3f} after"]
    if found.result.best_epoch:
        fields["written"] = str(found.promptable.save(out))
        lines.append(f"Written: {printable(str(out))}")
    else:
        lines.append(f"Nothing was written: {printable(str(out))} would be the network as it was")
    console.result(fields, lines)


def _point(text: str) -> tuple[float, float, float]:
    numbers, _, sign = text.rpartition(",")
    inside = 1.0
    if sign.strip() in ("-", "+"):
        inside, text = float(sign.strip() == "+"), numbers
    across, down = _numbers(text, 2, "--point", f"{_POINT}, and perhaps ,-")
    return across, down, inside


def _box(text: str) -> tuple[float, ...]:
    return _numbers(text, 4, "--box", _BOX)


def _numbers(text: str, count: int, option: str, form: str) -> tuple[float, ...]:
    try:
        found = tuple(map(float, text.split(",")))
    except ValueError:
        found = ()
    if len(found) != count:
        raise typer.BadParameter(f"{option} takes {form}, not {printable(text)!r}")
    return found
