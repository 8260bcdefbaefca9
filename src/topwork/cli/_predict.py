"""The command ``predict``: its images (files, folders, patterns, manifests, addresses, stdin) and what it answers."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import glob
import http.client
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from topwork.cli import _text
from topwork.cli._console import Console
from topwork.cli._fit import Pickle, Rules, Weights
from topwork.cli._options import Columns, reading, require_network
from topwork.cli._table import csv_table, parquet_table
from topwork.cli._text import no_model

if TYPE_CHECKING:
    from topwork.metrics import Shift
    from topwork.tasks import Task, Words

    Judge = Callable[[list[float | None]], Shift | None]
    Predict = Callable[[list[str]], Iterator[Any]]

_JUDGED = 1_000  # images of which it is told whether they are of another kind: a stream may have no end
_CHUNK = 256  # names that are handed on together
_SECONDS = 30  # to wait for an address
_NO_IMAGES = "name images: files, folders, patterns such as '*.jpg', a manifest, or - for names from stdin"
_ADDRESSES = ("http://", "https://")

ModelOrNone = Annotated[str | None, typer.Argument(help="Model folder; leave it out when --backbone is given.")]
Images = Annotated[
    list[str] | None,
    typer.Argument(help="Image files, folders, patterns such as '*.jpg', or manifests; - reads names from stdin."),
]
Backbone = Annotated[
    str | None,
    typer.Option(help="Use this pretrained network instead of a model, and show its 5 most probable ImageNet classes."),
]
Stdin = Annotated[bool, typer.Option("--stdin", help="Read file names from standard input, one per line, as - does.")]
CsvFile = Annotated[Path | None, typer.Option("--csv", help="Write a CSV file with a row for each image.")]
ParquetFile = Annotated[Path | None, typer.Option("--parquet", help="Write the same as a Parquet file.")]
Everything = Annotated[bool, typer.Option("--all", help="Include the probability of every class in these files.")]
AllowUrl = Annotated[bool, typer.Option("--allow-url", help="Download images given as http(s) addresses.")]
Coverage = Annotated[
    float | None,
    typer.Option(
        help="List as many classes as needed to include the true class in this share of images, such as 0.95.",
        min=0,
        max=1,
        show_default=False,
    ),
]
Abstain = Annotated[
    float | None,
    typer.Option(
        help="Abstain (print ?) unless the expected accuracy, on average, is at least this, such as 0.99.",
        min=0,
        max=1,
        show_default=False,
    ),
]


def predict(
    console: Console,
    model: ModelOrNone = None,
    images: Images = None,
    backbone: Backbone = None,
    weights: Weights = "pretrained",
    allow_pickle: Pickle = False,
    preprocessing: Rules = "topwork",
    stdin: Stdin = False,
    csv: CsvFile = None,
    parquet: ParquetFile = None,
    everything: Everything = False,
    columns: Columns = None,
    allow_url: AllowUrl = False,
    coverage: Coverage = None,
    abstain: Abstain = None,
) -> None:
    """Classify images. Each image gives one line, or one JSON object with --json."""
    from topwork.model import Classifier, Model
    from topwork.tasks import DEFAULT, load, task

    if backbone is not None and model is not None:  # no model: every argument is an image
        images = [model, *(images or [])]
    made_by: Any = {"weights": weights, "allow_pickle": allow_pickle, "preprocessing": preprocessing}
    require_network(model, backbone, **made_by)
    if stdin == bool(images):
        both = "give either image files or --stdin" if stdin else ""
        raise typer.BadParameter(both or no_model(model, backbone) or _NO_IMAGES)
    if (coverage, abstain) != (None, None) and (backbone is not None or None not in (coverage, abstain)):
        raise typer.BadParameter("--coverage and --abstain need a model, and only one of them can be used at a time")
    if everything and csv is None and parquet is None:
        raise typer.BadParameter("--all is about the files of --csv and --parquet; --json prints all classes anyway")
    asked = {} if (coverage, abstain) == (None, None) else {"coverage": coverage, "accuracy": abstain}
    loaded: Any = load(model or "", Classifier if asked else Model) if backbone is None else None
    room = task(DEFAULT if loaded is None else loaded.record.task.name)
    if loaded is None:
        predict_each = _untrained(room, backbone or "", made_by)
    else:
        predict_each = functools.partial(loaded.predict_each, **asked)
    names = _batches(images or ["-"], reading(columns, False).get("columns"), allow_url)
    classes, failed = getattr(loaded, "classes", ()) if everything else (), 0
    with contextlib.ExitStack() as stack:
        tables = [stack.enter_context(csv_table(csv))] if csv else []
        tables += [stack.enter_context(parquet_table(parquet))] if parquet else []
        fetched = stack.enter_context(_Fetched(allow_url))
        for prediction in _answers(console, names, fetched, predict_each, room.words, getattr(loaded, "shift", None)):
            failed += bool(prediction.error)
            for write in tables:
                write(room.words.row(prediction, classes))
    console.require_none_failed(failed)


def _untrained(room: Task, backbone: str, made_by: Mapping[str, Any]) -> Predict:
    """What a network answers without a model."""
    from topwork.backbones import load

    if room.untrained is None:
        raise typer.BadParameter(
            f"--backbone cannot be used for the task {room.name}: a pretrained network makes no predictions for it"
        )
    return room.untrained(load(backbone, **made_by))


def _answers(
    console: Console,
    batches: Iterator[list[str]],
    fetched: _Fetched,
    predict_each: Predict,
    words: Words,
    shift: Judge | None,
) -> Iterator[Any]:
    """Print what is said of each image as it comes, and pass it on."""
    typicalities: list[float | None] = []
    step, done = console.step("images"), 0
    for names in batches:
        for name, found in zip(names, predict_each(fetched.files(names)), strict=True):
            prediction = fetched.named(found, name)
            if shift is not None:
                typicalities.append(getattr(prediction, "typicality", None))
                if len(typicalities) == _JUDGED:
                    console.notes(_text.unlike(shift(typicalities)))
                    typicalities.clear()
            if prediction.error and not console.as_json:
                console.failure(_text.refused(prediction))
            else:
                console.result(prediction.to_dict(), words.predicted(prediction))
            yield prediction
            done += 1
            if step is not None:
                step(done, 0)
        sys.stdout.flush()
    console.notes(_text.unlike(shift(typicalities)) if shift is not None else ())


def _batches(given: Iterable[str], columns: Mapping[str, str] | None, allow_url: bool) -> Iterator[list[str]]:
    """The names of all images, some at a time; those from stdin as they come.

    Raises:
        typer.BadParameter: A pattern that no file matches, a folder without images, or an address without permission.
    """
    names: list[str] = []
    for each in given:
        if each == "-":
            yield names
            names = []
            yield from _lines_as_they_come()
            continue
        for name in _names(each, columns, allow_url):
            names.append(name)
            if len(names) == _CHUNK:
                yield names
                names = []
    yield names


def _names(given: str, columns: Mapping[str, str] | None, allow_url: bool) -> Iterator[str]:
    from topwork.data import image_files, is_manifest, manifest_paths

    if given.startswith(_ADDRESSES):
        if not allow_url:
            raise typer.BadParameter(f"{given} is an address; --allow-url lets topwork fetch it")
        yield given
    elif os.path.isdir(given):
        names = image_files(given)
        first = next(names, None)
        if first is None:
            raise typer.BadParameter(f"there is no image in the folder {given}")
        yield first
        yield from names
    elif is_manifest(given):
        yield from manifest_paths(Path(given), columns)
    elif not os.path.lexists(given) and glob.has_magic(given):
        matches = sorted(glob.glob(given, recursive=True))
        if not matches:
            raise typer.BadParameter(f"no file matches {given}")
        yield from matches
    else:
        yield given


def _lines_as_they_come() -> Iterator[list[str]]:
    """File names from stdin in batches of what is there: whole files fast, a typing person without delay."""
    rest = b""
    while block := sys.stdin.buffer.read1(65536):  # type: ignore[union-attr]
        *lines, rest = (rest + block).split(b"\n")
        yield _decoded(lines)
    yield _decoded([rest])


def _decoded(lines: Iterable[bytes]) -> list[str]:
    return [os.fsdecode(line.rstrip(b"\r")) for line in lines if line.strip()]


class _Fetched:
    """Addresses as files: each batch's are fetched into a folder that is emptied before the next."""

    def __init__(self, allowed: bool) -> None:
        self._allowed = allowed
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._faults: dict[str, str] = {}  # address -> why it could not be fetched

    def __enter__(self) -> _Fetched:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def files(self, names: list[str]) -> list[str]:
        """The files of a batch; for an address that could not be fetched, one that is not there."""
        if not any(name.startswith(_ADDRESSES) for name in names):
            return names
        self.__exit__()
        self._folder = tempfile.TemporaryDirectory(prefix="topwork-")
        places = (os.path.join(self._folder.name, str(place)) for place in range(len(names)))
        return [
            self._file(name, place) if name.startswith(_ADDRESSES) else name
            for name, place in zip(names, places, strict=True)
        ]

    def named(self, found: Any, name: str) -> Any:
        """A prediction under the name that was given: an address, where its file was fetched."""
        if found.source == name:
            return found
        error = self._faults.get(name) or found.error.replace(f"{found.source}: ", "")
        return dataclasses.replace(found, source=name, error=error)

    def _file(self, name: str, place: str) -> str:
        from urllib.request import urlopen

        from topwork.data import MAX_FILE_BYTES

        if not self._allowed:  # a line of stdin, which a program may have written
            self._faults[name] = "is an address; --allow-url lets topwork fetch it"
            return place
        try:
            with urlopen(name, timeout=_SECONDS) as answer, open(place, "wb") as out:
                out.write(answer.read(MAX_FILE_BYTES + 1))
        except (OSError, ValueError, http.client.HTTPException) as error:
            self._faults[name] = f"cannot be fetched: {error}"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(place)
        return place
