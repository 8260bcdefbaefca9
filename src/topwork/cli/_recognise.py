"""The commands of recognition: ``enroll``, ``forget``, ``verify`` and ``group``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from topwork.cli._console import Console
from topwork.cli._sources import Faults, Fetched, file_batches
from topwork.cli._table import csv_table
from topwork.cli._text import printable

if TYPE_CHECKING:
    from topwork.tasks.recognition import Recognizer

Folder = Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a model made with --task recognition.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of who or what the images show.")]
Several = Annotated[
    list[str], typer.Argument(metavar="IMAGE...", help="Image files, folders, or patterns such as '*.jpg'.")
]
One = Annotated[str, typer.Argument(metavar="IMAGE", help="An image file.")]
CsvFile = Annotated[Path | None, typer.Option("--csv", help="Write a CSV file with a row for each image.")]


def enroll(console: Console, model: Folder, name: Name, images: Several) -> None:
    """Put NAME into the gallery of MODEL, or add images of NAME. The images themselves are not kept."""
    loaded, given = _loaded(model), _files(images)
    console.step("images")
    found = loaded.enroll(name, given)
    console.notes([f"{printable(source)}: {why}" for source, why in found.errors.items()])
    if found.alike:
        console.note(f"note: {printable(found.alike)} in the gallery looks like {printable(name)} to this model")
    crowd = found.people * loaded.record.task.promise.false_accept
    if crowd > 1:
        console.note(
            f"note: with {found.people:,} enrolled most strangers will be taken for somebody; "
            "fit with a smaller --false-accept"
        )
    images_of = f"{found.images} image{'s' * (found.images != 1)}"
    lines = [f"Enrolled: {printable(name)}, {images_of}", f"In the gallery: {found.people:,}"]
    console.result({"model": str(model), **found.to_dict()}, lines)
    console.require_none_failed(len(found.errors), "image")


def forget(console: Console, model: Folder, name: Name) -> None:
    """Remove NAME from the gallery of MODEL, and from every file of it."""
    loaded = _loaded(model)
    images = loaded.forget(name)
    left = loaded.gallery.people
    lines = [f"Forgotten: {printable(name)}, {images} image{'s' * (images != 1)}", f"In the gallery: {left:,}"]
    console.result({"model": str(model), "name": name, "images": images, "people": left}, lines)


def verify(console: Console, model: Folder, first: One, second: One) -> None:
    """Tell whether two images show the same identity; nobody needs to be enrolled."""
    found = _loaded(model).verify(first, second)
    for source, remarks in zip((first, second), found.remarks, strict=True):
        console.notes(f"{printable(source)}: {each}" for each in remarks)
    answer = "the same" if found.same else "not the same"
    line = f"{answer}\tsimilarity {found.similarity:.4f}\tthreshold {found.threshold:.4f}"
    console.result({"first": first, "second": second, **found.to_dict()}, [line])


def group(console: Console, model: Folder, images: Several, csv: CsvFile = None) -> None:
    """Sort images by who they seem to show; nobody needs to be enrolled."""
    loaded, given = _loaded(model), _files(images)
    console.step("images")
    found = loaded.group(given)
    rows = sorted(zip(found.groups, found.sources, strict=True))
    if csv is not None:
        with csv_table(csv) as write:
            for number, source in rows:
                write({"path": source, "group": number or "", "error": found.errors.get(source, "")})
    console.notes([f"{printable(source)}: {why}" for source, why in found.errors.items()])
    used = sum(number > 0 for number, _ in rows)
    lines = [f"{number}\t{printable(source)}" for number, source in rows if number]
    console.result(found.to_dict(), [f"{used:,} images in {found.count:,} groups", *([] if csv else lines)])
    console.require_none_failed(len(found.errors), "image")


def _loaded(model: Path) -> Recognizer:
    from topwork.tasks import load
    from topwork.tasks.recognition import Recognizer

    return load(model, Recognizer)


def _files(given: Sequence[str]) -> list[str]:
    with Fetched(False, Faults()) as fetched:
        return [source for batch in file_batches(given, None, fetched) for _, source in batch]
