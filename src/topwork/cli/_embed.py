"""The command ``embed``: a network's features of images, as a file for other tools."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from topwork.cli import _given
from topwork.cli._console import Console
from topwork.cli._fit import Data, Pickle, Size, Weights
from topwork.cli._options import CacheOption, Columns, FollowLinks, reading
from topwork.data import printable
from topwork.errors import DataError, TopworkError

if TYPE_CHECKING:
    from topwork.data import Dataset
    from topwork.features import FeatureTable

KINDS = (".npz", ".csv", ".parquet")


def embed(
    console: Console,
    data: Data,
    out: Annotated[Path, typer.Option("-o", "--out", help="File to write: .npz, .csv or .parquet.")],
    backbone: Annotated[str, typer.Option(help="The network whose features are taken.")] = "lite0",
    weights: Weights = "pretrained",
    allow_pickle: Pickle = False,
    size: Size = None,
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
    from topwork.backbones import load
    from topwork.features import extract

    network = load(backbone, weights=weights, size=size, allow_pickle=allow_pickle)
    outputs = network.outputs(stages if stages in ("last", "all") else [name.strip() for name in stages.split(",")])
    dataset: Any = _dataset(data, reading(columns, follow_links))
    with console.progress():
        found = extract(dataset, network, outputs=outputs, cache=cache, progress=console.step("features"))
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


def _dataset(data: Path, how: dict[str, Any]) -> Dataset:
    """The images with their classes, or a folder's images alone where it has none."""
    from topwork.data import Dataset, image_files, read

    try:
        return read(data, **how)
    except DataError:
        if how or not data.is_dir():
            raise
        names = [Path(name).relative_to(data).as_posix() for name in image_files(str(data))]
        if not names:
            raise
        return Dataset(data, tuple(names), np.full(len(names), ""))


def _write(found: FeatureTable, out: Path) -> None:
    try:
        if out.suffix.lower() == ".npz":
            np.savez(out, values=found.values, **_labels(found))
            return
        rows = _rows(found)
        with _given.table(out, None) if out.suffix.lower() == ".csv" else _given.table(None, out) as write:
            for row in rows:
                write(row)
    except OSError as error:
        raise TopworkError(
            f"{printable(str(out))} cannot be written: {error.strerror or error}", hint="name another file with -o"
        ) from error


def _labels(found: FeatureTable) -> dict[str, Any]:
    """Beside the values: each image's path, and its class and split where there are any."""
    dataset: Any = found.dataset
    known = {"paths": np.array([printable(path) for path in dataset.paths])}
    if hasattr(dataset, "labels"):
        known |= {"labels": np.array(dataset.classes)[dataset.labels]}
    return known | ({"splits": np.asarray(dataset.splits)} if (dataset.splits != "").any() else {})


def _rows(found: FeatureTable) -> Iterator[dict[str, Any]]:
    known = {
        {"paths": "file", "labels": "class", "splits": "split"}[name]: values.tolist()
        for name, values in _labels(found).items()
    }
    names = [f"f{place}" for place in range(found.values.shape[1])]
    for place, values in enumerate(found.values):
        row = {name: cells[place] for name, cells in known.items()}
        yield {**row, **dict(zip(names, values.tolist(), strict=True))}
