"""The command ``embed``: a network's features of images or texts, as a file for other tools."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from topwork.cli._console import Console
from topwork.cli._fit import Pickle, Rules, Size, Weights
from topwork.cli._options import CacheOption, Columns, FollowLinks, reading
from topwork.cli._shards import On, ShardOption, ShardSize, Source, fill, is_folder, require_plain, require_shards
from topwork.cli._table import csv_table, parquet_table
from topwork.cli._text import printable
from topwork.errors import DataError, TopworkError

if TYPE_CHECKING:
    from topwork._arrays import Float32Array
    from topwork.data import Dataset
    from topwork.features import FeatureTable
    from topwork.tasks import Task

KINDS = (".npz", ".csv", ".parquet")
_ARRAYS = {"file": "paths", "class": "labels", "split": "splits"}  # column of a table -> array of an .npz


def embed(
    console: Console,
    data: Source,
    out: Annotated[
        str,
        typer.Option(
            "-o",
            "--out",
            help="File to write: .npz, .csv or .parquet; or a folder for shards, OUT/, which a rerun continues.",
        ),
    ],
    backbone: Annotated[
        str | None,
        typer.Option(help="The network whose features are taken; lite0 or minilm if not given.", show_default=False),
    ] = None,
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
    shard: ShardOption = None,
    shard_size: ShardSize = None,
    on: On = "local",
    **given: Any,
) -> None:
    """Write a network's features of every image or text of DATA to a file."""
    in_shards = is_folder(out)
    file = Path(out)
    require_shards(in_shards, {"--shard": shard, "--shard-size": shard_size}, on)
    if not in_shards and file.suffix.lower() not in KINDS:
        raise typer.BadParameter(f"-o takes a file that ends in {', '.join(KINDS)}, not {file.name}")
    if not in_shards and not file.absolute().parent.is_dir():  # told before any work
        raise _unwritable(file, "there is no such folder")
    from topwork.features import extract
    from topwork.tasks import task

    room = task(given["task"])
    thing, made_by = room.examination().thing, {"allow_pickle": allow_pickle, "preprocessing": preprocessing}
    network = room.load(backbone or room.backbone, weights=weights, size=size, **made_by)
    outputs = network.outputs(stages if stages in ("last", "all") else [name.strip() for name in stages.split(",")])
    if in_shards:
        require_plain(columns, follow_links)
        from topwork.sharding import embedding

        return fill(console, data, out, embedding(network, outputs), shard=shard, size=shard_size, on=on, thing=thing)
    dataset: Any = _dataset(console, room, Path(data), reading(columns, follow_links))
    with console.progress():
        found = extract(dataset, network, outputs=outputs, cache=cache, progress=console.step(f"features of {thing}s"))
    console.step("writing the file")
    _write(found, file)
    console.notes([f"note: left out: {printable(item.path)}: {item.reason}" for item in found.dataset.left_out])
    fields = {
        "file": str(out),
        f"{thing}s": len(found),
        "features": found.values.shape[1],
        "outputs": outputs,
        "left_out": len(found.dataset.left_out),
    }
    text = f"{len(found):,} {thing}s with {found.values.shape[1]:,} features each: {printable(str(out))}"
    console.result(fields, text)


def _dataset(console: Console, room: Task, data: Path, how: dict[str, Any]) -> Dataset:
    """The data with their classes, or the images or texts alone where there are none, which is told."""
    try:
        found: Dataset = room.read(data, **how)
        return found
    except DataError as error:
        bare = _without_classes(room, data, how)
        if bare is None or not len(bare):
            raise
        console.note(f"note: the {room.examination().thing}s are embedded without classes: {error.message}")
        return bare


def _without_classes(room: Task, data: Path, how: dict[str, Any]) -> Dataset | None:
    """A folder's images, or the texts of a table or folder; None where there are none."""
    import numpy as np

    from topwork.data import Dataset, TextStore, image_files

    if room.written is None:
        files = [] if how or not data.is_dir() else list(image_files(str(data)))
        paths = tuple(Path(name).relative_to(data).as_posix() for name in files)
        return Dataset(data, paths, np.full(len(paths), ""))
    names: list[str] = []

    def texts() -> Iterator[str]:
        for name, text in rows:
            if text.strip():
                names.append(name)
                yield text

    rows = room.written.rows(str(data), how.get("columns"))
    try:
        store = TextStore.of(texts())
    except DataError:
        return None
    return Dataset(data, tuple(names), np.full(len(names), ""), store=store, keys=np.arange(len(names)))


def _write(found: FeatureTable, out: Path) -> None:
    import numpy as np

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
    import numpy as np

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
