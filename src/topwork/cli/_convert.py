"""The command ``convert``: boxes from one format of annotations to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from topwork._text import first_of
from topwork.cli._console import Console
from topwork.cli._text import printable

_LEFT_OUT = 5  # lines of what could not be used

Boxed = Annotated[
    Path,
    typer.Argument(
        help="Images with boxes: COCO JSON, a folder in the form of Pascal VOC or YOLO, a table of image paths with "
        "labels and boxes, or a saved Hugging Face data set."
    ),
]


def convert(
    console: Console,
    data: Boxed,
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="Folder to write; or a .json (coco) or .csv file, beside which images stay."),
    ],
    to: Annotated[Literal["coco", "voc", "yolo", "csv"], typer.Option(help="Format of the annotations.")],
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy the images; they are linked where the file system can otherwise.")
    ] = False,
) -> None:
    """Write the boxes of DATA in another format. Nothing is overwritten."""
    from topwork.data import read_boxes, write_boxes

    console.step("reading the annotations")
    dataset = read_boxes(data)
    console.step("writing the file" if out.suffix.lower() in (".json", ".csv") else "writing the folder")
    written = write_boxes(dataset, out, to, copy=copy)
    left_out = [f"left out: {printable(item.path)}: {item.reason}" for item in dataset.left_out]
    console.notes(
        [
            *dataset.notes,
            *first_of(left_out, _LEFT_OUT, "left out: … and {} more; --json lists them all"),
            *written.notes,
        ]
    )
    fields = {
        "path": str(out),
        "format": to,
        "images": written.images,
        "boxes": written.boxes,
        "classes": list(dataset.classes),
        "notes": [*dataset.notes, *written.notes],
        "left_out": [{"path": item.path, "reason": item.reason} for item in dataset.left_out],
        "flaws": [
            {"path": flaw.path, "kind": flaw.kind, "detail": flaw.detail, "box": flaw.box, "used": flaw.used}
            for flaw in dataset.flaws
        ],
    }
    counted = "1 image" if written.images == 1 else f"{written.images:,} images"
    boxes = "1 box" if written.boxes == 1 else f"{written.boxes:,} boxes"
    console.result(fields, f"Written: {counted} with {boxes} as {to}: {printable(str(out))}")
