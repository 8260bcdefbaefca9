"""The command ``embed``: a network's features of images, as a file for other tools."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from topwork.cli._console import Console
from topwork.cli._fit import Data, Pickle, Rules, Size, Weights
from topwork.cli._options import CacheOption, Columns, FollowLinks, reading
from topwork.cli._table import csv_table, parquet_table
from topwork.data import printable
from topwork.errors import DataError, TopworkError

if TYPE_CHECKING:
    from topwork._arrays import Float32Array
    from topwork.data import Dataset
    from topwork.features import FeatureTable

KINDS = (".npz", ".csv", ".parquet")
_ARRAYS = {"file": "paths", "class": "labels", "split": "splits"}  # column of a table -> array of an .npz


def embed(
    console: Console,
    data: Data,
    out: Annotated[Path, typer.Option("-o", "--out", help="File to write: .npz, .csv or .parquet.")],
    backbone: Annotated[str, typer.Option(help="The network whose features are taken.")] = "lite0",
    weights: Weights = "pretrained",
    allow_pickle: Pickle = False,
    size: Size = None,
    preprocessing: Rules = "topwork",
    stages: Annotated[
        str, typer.Option(help="Which features: last, all, or names of stages with commas (see `topwork models NAME`).")
    ] = "last",
    cache: CacheOption = True,
    columns: Columns = None,
    follow_links: FollowLinks = False,
) -> None:
    """Write a network's features of every image of DATA to a file."""
    if out.suffix.lower() not in KINDS:
        raise typer.BadParameter(f"-o takes a file that ends in {', '.join(KINDS)}, not {out.name}")
    if not out.absolute().parent.is_dir():  # told before any work
        raise _unwritable(out, "there is no such folder")
    from topwork.backbones import load
    from topwork.features import extract

    network = load(backbone, weights=weights, size=size, allow_pickle=allow_pickle, preprocessing=preprocessing)
    outputs = network.outputs(stages if stages in ("last", "all") else [name.strip() for name in stages.split(",")])
    dataset: Any = _dataset(console, data, reading(columns, follow_links))
    with console.progress():
        found = extract(dataset, network, outputs=outputs, cache=cache, progress=console.step("features of images"))
    console.step("writing the file")
    _write(found, out)
    console.notes([f"note: left out: {printable(item.path)}: {item.reason}" for item in found.dataset.left_out])
    fields = {
        "file": str(out),
        "images": len(found),
        "features": found.values.shape[1],
        "outputs": outputs,
        "left_out": len(found.dataset.left_out),
    }
    text = f"{len(found):,} images with {found.values.shape[1]:,} features each: {printable(str(out))}"
    console.result(fields, text)


def _dataset(console: Console, data: Path, how: dict[str, Any]) -> Dataset:
    """The images with their classes, or a folder's images alone where it has none, which is told."""
    from topwork.data import Dataset, image_files, read

    try:
        return read(data, **how)
    except DataError as error:
        names = [] if how or not data.is_dir() else list(image_files(str(data)))
        if not names:
            raise
        console.note(f"note: the images are embedded without classes: {error.message}")
        paths = tuple(Path(name).relative_to(data).as_posix() for name in names)
        return Dataset(data, paths, np.full(len(paths), ""))


def _write(found: FeatureTable, out: Path) -> None:
    known = _known(found)
    try:
        if out.suffix.lower() == ".npz":
            with out.open("wb") as file:
                np.savez(file, values=found.values, **{_ARRAYS[name]: column for name, column in known.items()})
            return
        with (csv_table if out.suffix.lower() == ".csv" else parquet_table)(out) as write:
            for row in _rows(known, found.values):
                write(row)
    except OSError as error:
        raise _unwritable(out, error.strerror or str(error)) from error


def _unwritable(out: Path, why: str) -> TopworkError:
    return TopworkError(f"{printable(str(out))} cannot be written: {why}", hint="name another file with -o")


def _known(found: FeatureTable) -> dict[str, Any]:
    """What is known of each image beside its features: its file, and its class and split where there are any."""
    dataset: Any = found.dataset
    known = {"file": np.array([printable(path) for path in dataset.paths])}
    if hasattr(dataset, "labels"):
        known["class"] = np.array(dataset.classes)[dataset.labels]
    if (dataset.splits != "").any():
        known["split"] = np.asarray(dataset.splits)
    return known


def _rows(known: dict[str, Any], values: Float32Array) -> Iterator[dict[str, Any]]:
    names = [f"f{place}" for place in range(values.shape[1])]
    for place, row in enumerate(values):
        cells = {name: column[place].item() for name, column in known.items()}
        yield cells | dict(zip(names, row.tolist(), strict=True))
