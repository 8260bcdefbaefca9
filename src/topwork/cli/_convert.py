"""The command ``convert``: boxes or masks from one format of annotations to another."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from topwork._text import first_of
from topwork.cli._console import Console
from topwork.cli._text import printable

_LEFT_OUT = 5  # lines of what could not be used

Boxed = Annotated[
    Path,
    typer.Argument(
        help="Images with boxes: COCO JSON, a folder in the form of Pascal VOC or YOLO, a table of image paths with "
        "labels and boxes, or a saved Hugging Face data set. Or images with masks, as `fit` reads them."
    ),
]


def convert(
    console: Console,
    data: Boxed,
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="Folder to write; or a .json (coco) or .csv file, beside which images stay."),
    ],
    to: Annotated[
        Literal["coco", "voc", "yolo", "csv", "png"],
        typer.Option(help="Format of the annotations; png is for masks, coco for both."),
    ],
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy the images; they are linked where the file system can otherwise.")
    ] = False,
) -> None:
    """Write the boxes or masks of DATA in another format. Nothing is overwritten."""
    from topwork.data import looks_like_masks, read_boxes, read_masks, write_boxes, write_masks

    console.step("reading the annotations")
    masked = to == "png" or (to == "coco" and looks_like_masks(data))
    dataset: Any = read_masks(data) if masked else read_boxes(data)
    console.step("writing the file" if out.suffix.lower() in (".json", ".csv") else "writing the folder")
    if masked:
        written: Any = write_masks(dataset, out, "png" if to == "png" else "coco", copy=copy)
        things = {"masks": written.images, "objects": written.objects}
    else:
        written = write_boxes(dataset, out, to, copy=copy)  # type: ignore[arg-type]
        things = {"boxes": written.boxes}
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
        **things,
        "classes": list(dataset.classes),
        "notes": [*dataset.notes, *written.notes],
        "left_out": [{"path": item.path, "reason": item.reason} for item in dataset.left_out],
        "flaws": [asdict(flaw) for flaw in dataset.flaws],
    }
    counted = "1 image" if written.images == 1 else f"{written.images:,} images"
    boxes = "" if masked else "1 box" if written.boxes == 1 else f"{written.boxes:,} boxes"
    console.result(fields, f"Written: {counted} with {boxes or 'masks'} as {to}: {printable(str(out))}")
