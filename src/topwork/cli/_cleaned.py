"""Where ``check --write`` writes data without what can only do harm."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import typer


def require_cleaned(dataset: Any, path: Path, task: str) -> None:
    """Refuse, before any work is done, a place that cannot be written, and data that no table holds.

    Raises:
        DataError: Something stands there that is not to be replaced, or the name is no table's.
        typer.BadParameter: The rows have neither a class nor boxes.
    """
    from topwork.data import BoxDataset, LabelledDataset, printable, require_free
    from topwork.errors import DataError

    if isinstance(dataset, LabelledDataset):
        require_free(dataset, path)
        return
    if not isinstance(dataset, BoxDataset):
        raise typer.BadParameter(f"--write needs a class for each image, and data of the task {task} have none")
    if path.suffix.lower() != ".csv":
        name = printable(str(path))
        raise DataError(f"{name}: the name of a manifest must end in .csv", hint=f"call it {name}.csv")
    if os.path.lexists(path):
        raise DataError(f"{printable(str(path))}: it is there already", hint="choose another name")
    if os.path.relpath(os.path.realpath(dataset.root), os.path.realpath(path.parent)).startswith(".."):
        raise DataError(
            f"{printable(str(path))} cannot name '{printable(str(dataset.root))}', which lies outside its folder",
            hint="write it to a folder that holds all images",
        )


def write_cleaned(dataset: Any, path: Path) -> None:
    """Write rows and their classes or boxes as a table."""
    from topwork.data import BoxDataset, write_boxes, write_manifest

    if isinstance(dataset, BoxDataset):
        write_boxes(dataset, path, "csv")
    else:
        write_manifest(dataset, path)
