"""The command ``predict``: what a model answers, line by line, and the tables that hold it."""

from __future__ import annotations

import contextlib
import functools
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from topwork.cli import _text
from topwork.cli._console import Console
from topwork.cli._drawings import Folders
from topwork.cli._fit import Pickle, Rules, Weights
from topwork.cli._options import Columns, reading, require_network
from topwork.cli._shards import On, ShardOption, ShardSize, fill, require_shards
from topwork.cli._sources import Batch, Faults, Fetched, file_batches, row_batches
from topwork.cli._table import csv_table, parquet_table
from topwork.cli._text import no_model, printable

if TYPE_CHECKING:
    from topwork.metrics import Shift
    from topwork.tasks import Task

    Judge = Callable[[list[float | None]], Shift | None]
    Predict = Callable[[list[Any]], Iterator[Any]]

_JUDGED = 1_000  # images of which it is told whether they are of another kind: a stream may have no end
_NOTHING = (
    "name images: files, folders, patterns such as '*.jpg', a manifest, or - for names from stdin; "
    "or texts: tables, .txt files, folders of them, --text, or - for lines of stdin"
)

ModelOrNone = Annotated[str | None, typer.Argument(help="Model folder; leave it out when --backbone is given.")]
Images = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="IMAGES|TEXTS",
        help="Image files, folders, patterns such as '*.jpg', or manifests; - reads names from stdin. For a model of "
        "texts: tables with a column of texts (CSV, TSV, JSONL, Parquet), .txt files with a text in each line, folders "
        "of .txt files; - reads lines from stdin.",
    ),
]
Backbone = Annotated[
    str | None,
    typer.Option(help="Use this pretrained network instead of a model, and show its 5 most probable ImageNet classes."),
]
Texts = Annotated[
    list[str] | None, typer.Option("--text", help="A text to classify. Can be given several times.", show_default=False)
]
Stdin = Annotated[
    bool, typer.Option("--stdin", help="Read file names, or texts, from standard input, one per line, as - does.")
]
CsvFile = Annotated[
    Path | None,
    typer.Option("--csv", help="Write a CSV file with a row for each image or text, or each object that is found."),
]
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

Threshold = Annotated[
    float | None,
    typer.Option(
        help="Show objects from this score on, such as 0.5; the thresholds that fit chose for each class if not given.",
        min=0,
        max=1,
        show_default=False,
    ),
]
Tile = Annotated[
    int | None,
    typer.Option(
        metavar="PIXELS",
        help="Also look at each part of a larger image, so many pixels wide and high: finds what is small.",
        min=16,
        show_default=False,
    ),
]
Draw = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Write each image with the objects that were found into this folder.", show_default=False
    ),
]
MaskFolder = Annotated[
    Path | None,
    typer.Option(
        "--masks",
        metavar="DIR",
        help="Write each image's mask into this folder: a PNG of classes, or of objects where these are told apart.",
        show_default=False,
    ),
]
Outlines = Annotated[
    Path | None,
    typer.Option(
        "--geojson",
        metavar="DIR",
        help="Write the outlines of each image's objects, or of its classes' regions, into this folder: a GeoJSON file "
        "that QuPath reads.",
        show_default=False,
    ),
]
CertaintyFolder = Annotated[
    Path | None,
    typer.Option(
        "--certainty",
        metavar="DIR",
        help="Write a grey PNG of each image into this folder: 255 where the class of a pixel is certain, by the "
        "pixels of held-out images that the model was as sure of.",
        show_default=False,
    ),
]
ShardsFolder = Annotated[
    str | None,
    typer.Option(
        "--shards",
        metavar="OUT/",
        help="Write probabilities in shards into this folder, which a rerun continues: for more images than one run.",
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
    texts: Texts = None,
    stdin: Stdin = False,
    csv: CsvFile = None,
    parquet: ParquetFile = None,
    everything: Everything = False,
    columns: Columns = None,
    allow_url: AllowUrl = False,
    coverage: Coverage = None,
    abstain: Abstain = None,
    threshold: Threshold = None,
    tile: Tile = None,
    draw: Draw = None,
    masks: MaskFolder = None,
    geojson: Outlines = None,
    certainty: CertaintyFolder = None,
    shards: ShardsFolder = None,
    shard: ShardOption = None,
    shard_size: ShardSize = None,
    on: On = "local",
) -> None:
    """Classify images or texts, find objects, or segment. Each gives one line, or one JSON object with --json."""
    from topwork.model import Classifier, Model
    from topwork.tasks import DEFAULT, load, task

    if backbone is not None and model is not None:  # no model: every argument is an image
        images = [model, *(images or [])]
    made_by: Any = {"weights": weights, "allow_pickle": allow_pickle, "preprocessing": preprocessing}
    require_shards(shards is not None, {"--shard": shard, "--shard-size": shard_size}, on)
    if shards is not None:
        others: dict[str, Any] = {"--backbone": backbone, "--csv": csv, "--parquet": parquet, "--coverage": coverage}
        others |= {"--abstain": abstain, "--draw": draw, "--masks": masks, "--geojson": geojson}
        others |= {"--certainty": certainty, "--text": texts, "--columns": columns}
        return _in_shards(console, model or "", images or [], shards, others, shard=shard, size=shard_size, on=on)
    require_network(model, backbone, **made_by)
    if (stdin, bool(images), bool(texts)).count(True) != 1:
        both = "give only one of files, --text and --stdin" if stdin or texts else ""
        raise typer.BadParameter(both or no_model(model, backbone) or _NOTHING)
    if (coverage, abstain) != (None, None) and (backbone is not None or None not in (coverage, abstain)):
        raise typer.BadParameter("--coverage and --abstain need a model, and only one of them can be used at a time")
    if everything and csv is None and parquet is None:
        raise typer.BadParameter("--all is about the files of --csv and --parquet; --json prints all classes anyway")
    asked = {} if (coverage, abstain) == (None, None) else {"coverage": coverage, "accuracy": abstain}
    loaded: Any = load(model or "", Classifier if asked else Model) if backbone is None else None
    room = task(DEFAULT if loaded is None else loaded.record.task.name)
    wanted = {"draw": draw, "masks": masks, "geojson": geojson, "certainty": certainty}
    asked |= _of_objects(room, {"threshold": threshold, "tile": tile, "draw": draw}) | _of_pixels(room, wanted)
    if texts and room.written is None:
        this = "a network without a model answers to images" if loaded is None else f"this is one of {loaded.thing}s"
        raise typer.BadParameter(f"--text is for models of texts; {this}")
    if loaded is None:
        predict_each = _untrained(room, backbone or "", made_by)
    else:
        predict_each = functools.partial(loaded.predict_each, **asked)
    thing = "image" if loaded is None else loaded.thing
    classes, failed = getattr(loaded, "classes", ()) if everything else (), 0
    called = reading(columns, False).get("columns")
    with contextlib.ExitStack() as stack:
        tables = [stack.enter_context(csv_table(csv))] if csv else []
        tables += [stack.enter_context(parquet_table(parquet))] if parquet else []
        folders = Folders(room, wanted)
        faults, given = Faults(), images or (["-"] if stdin else [])
        fetched = stack.enter_context(Fetched(allow_url, faults))
        if room.written is None:
            batches = file_batches(given, called, fetched)
        else:
            batches = row_batches(room.written, given, texts or (), called, faults)
        answers = _Answers(console, predict_each, faults, room, thing, getattr(loaded, "shift", None))
        for prediction, source in answers.of(batches):
            failed += bool(prediction.error)
            for write, row in itertools.product(tables, room.words.rows(prediction, classes)):
                write(room.beside(row, source))
            folders.add(prediction, source)
    for note in folders.notes:
        console.note(note)
    if certainty is not None and not loaded.certainty_is_calibrated:
        console.note("note: the certainty is the model's own probability: no held-out image says how often it is right")
    console.require_none_failed(failed, thing)


def _in_shards(
    console: Console, model: str, images: list[str], out: str, others: Mapping[str, Any], **how: Any
) -> None:
    """Fill a folder with the model's answers to one source."""
    wrong = next((name for name, value in others.items() if value), None)
    if wrong is not None:
        raise typer.BadParameter(f"{wrong} cannot be used with a folder of shards")
    if len(images) != 1:
        raise typer.BadParameter("--shards takes a model and one source: a folder, an archive or an address")
    from topwork.model import Classifier
    from topwork.sharding import Predicting
    from topwork.tasks import load

    fill(console, images[0], out, Predicting(load(model, Classifier)), **how)


def _of_objects(room: Task, given: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked of a model that finds objects, by the names of its arguments; others are asked for none of it."""
    known = {name: value for name, value in given.items() if value is not None}
    if known and room.drawn is None:
        raise typer.BadParameter(f"--{next(iter(known))} is for models that find objects, and this is of {room.name}")
    return {name: value for name, value in known.items() if name != "draw"}


def _of_pixels(room: Task, wanted: Mapping[str, Path | None]) -> dict[str, Any]:
    """The same of a model that segments; refuses folders that other tasks have no files for."""
    can = {"masks": room.masks, "geojson": room.write_outlines, "certainty": room.tells_certainty}
    for name, known in can.items():
        if wanted[name] is not None and not known:
            raise typer.BadParameter(f"--{name} is for models that segment images, and this is of {room.name}")
    geojson = wanted["geojson"]
    if geojson is not None and geojson.suffix.lower() in (".geojson", ".json"):
        raise typer.BadParameter("--geojson takes a folder, in which each image has a file")
    pictures = [(name, wanted[name]) for name in ("draw", "masks", "certainty") if wanted[name] is not None]
    for (one, first), (other, second) in itertools.combinations(pictures, 2):
        if first is not None and second is not None and first.resolve() == second.resolve():
            raise typer.BadParameter(f"--{one} and --{other} give their files the same names, so each needs a folder")
    return {"certainty": True} if wanted["certainty"] is not None else {}


def _untrained(room: Task, backbone: str, made_by: Mapping[str, Any]) -> Predict:
    """What a network answers without a model."""
    from topwork.backbones import load

    if room.untrained is None:
        raise typer.BadParameter(
            f"--backbone cannot be used for the task {room.name}: a pretrained network makes no predictions for it"
        )
    return room.untrained(load(backbone, **made_by))


class _Answers:
    """Prints what is said of each source as it comes, and passes it on."""

    def __init__(
        self, console: Console, predict_each: Predict, faults: Faults, room: Task, thing: str, shift: Judge | None
    ) -> None:
        self._console, self._predict_each, self._faults = console, predict_each, faults
        self._room, self._thing, self._shift = room, thing, shift
        self._typicalities: list[float | None] = []

    def of(self, batches: Iterator[Batch]) -> Iterator[tuple[Any, Any]]:
        """Each prediction, and its source."""
        step, done = self._console.step(f"{self._thing}s"), 0
        for batch in batches:
            predictions = self._predict_each([source for _, source in batch])
            for (name, source), found in zip(batch, predictions, strict=True):
                prediction = self._faults.named(found, name)
                self._print(prediction, source)
                yield prediction, source
                done += 1
                if step is not None:
                    step(done, 0)
            sys.stdout.flush()
        self._judge()

    def _print(self, prediction: Any, source: Any) -> None:
        self._typicalities.append(getattr(prediction, "typicality", None))
        if len(self._typicalities) == _JUDGED:
            self._judge()
        if prediction.error and not self._console.as_json:
            self._console.failure(_text.refused(prediction))
        else:
            fields = self._room.beside(prediction.to_dict(), source)
            self._console.result(fields, self._room.words.predicted(prediction))
            self._console.notes(
                f"{printable(prediction.source)}: {each}" for each in getattr(prediction, "remarks", ())
            )

    def _judge(self) -> None:
        """Tell whether the sources since the last time are of another kind than the model was trained on."""
        if self._shift is not None:
            self._console.notes(_text.unlike(self._shift(self._typicalities), self._thing))
        self._typicalities.clear()
