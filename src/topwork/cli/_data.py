"""The command ``data``: open data sets by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from topwork._text import facts, table
from topwork.cli._console import Console
from topwork.cli._text import in_shell, printable

if TYPE_CHECKING:
    from topwork.datasets import DataRow

_UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def data(
    console: Console,
    what: Annotated[Literal["list", "get"], typer.Argument(help="list: show the data sets. get: bring one here.")],
    name: Annotated[str | None, typer.Argument(help="Data set; with list, show its details.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Folder to write; the data set's name if not given.", show_default=False),
    ] = None,
    task: Annotated[
        Literal["classification", "detection", "segmentation", "text"] | None,
        typer.Option(help="Show only data sets for this task."),
    ] = None,
) -> None:
    """List open data sets, or download one and prepare it as `fit` reads it. A broken download goes on."""
    from topwork.datasets import data_row, get, is_here, select_data

    if what == "list":
        if out is not None:
            raise typer.BadParameter("-o is for `topwork data get`")
        if name is not None:
            row = data_row(name)
            return console.result({**row.to_dict(), "offline": is_here(row)}, _details(row, is_here(row)))
        rows = select_data(task)
        here = [is_here(row) for row in rows]
        told = [{**row.to_dict(), "offline": near} for row, near in zip(rows, here, strict=True)]
        return console.result({"data": told}, _listed(rows, here))
    if name is None:
        raise typer.BadParameter("name a data set: `topwork data list` lists those that there are")
    if task is not None:
        raise typer.BadParameter("--task is for `topwork data list`")
    row = data_row(name)
    console.note(f"note: licence of {row.name}: {row.licence}; {row.source}")
    with console.progress():
        found = get(row, out or Path(row.name), console.step)
    place = printable(str(found.data))
    of_task = "" if row.task == "classification" else f" --task {row.task}"  # a folder may hold masks beside its boxes
    console.result(found.to_dict(), [f"Data:  {place}", f"Next:  topwork fit {in_shell(found.data)} -o MODEL{of_task}"])


def _size(count: int) -> str:
    return next((f"{count / unit:.3g} {name}" for unit, name in _UNITS if count >= unit), "-")


def _listed(rows: Sequence[DataRow], here: Sequence[bool]) -> list[str]:
    cells = [
        (
            row.name,
            row.task,
            f"{row.rows:,}",
            str(row.classes),
            "in a package" if row.package else _size(row.bytes),
            row.licence,
            "yes" if offline else "-",
        )
        for row, offline in zip(rows, here, strict=True)
    ]
    return [
        table(("name", "task", "rows", "classes", "download", "licence", "offline"), cells),
        "",
        "`topwork data get NAME` brings one here; `topwork data list NAME` shows its details.",
    ]


def _details(row: DataRow, offline: bool) -> list[str]:
    checksums = "known for every file" if row.checked else "not known for every file"
    package = f"{row.package}{'' if offline else ', which is not installed'}"
    found = [
        ("name", row.name),
        ("title", row.title),
        ("task", row.task),
        ("rows", f"{row.rows:,} in {row.classes} classes" if row.classes > 1 else f"{row.rows:,} in 1 class"),
        ("licence", row.licence),
        ("source", row.source),
        ("package", package) if row.package else ("download", _size(row.bytes)),
        *([] if row.package else [("checksums", checksums)]),
        ("advice", row.advice),
    ]
    return [facts(found)]
