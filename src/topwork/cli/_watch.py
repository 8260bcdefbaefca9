"""The command ``watch``: what a model says of the files that appear in a folder."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from topwork.cli import _text
from topwork.cli._console import Console
from topwork.cli._predict import Abstain, Coverage, Everything

ModelFolder = Annotated[Path, typer.Argument(help="Model folder.")]
Watched = Annotated[
    Path,
    typer.Argument(
        help="Folder to watch, with the folders below it: images, or .txt files with a text each for a model of texts."
    ),
]
Table = Annotated[Path, typer.Option("--csv", help="CSV file with a row for each file; an earlier one is continued.")]
Every = Annotated[float, typer.Option(help="Seconds between two looks at the folder.", min=0.1)]
Once = Annotated[bool, typer.Option("--once", help="End when every file that is there has been predicted.")]


def watch(
    console: Console,
    model: ModelFolder,
    folder: Watched,
    csv: Table,
    every: Every = 2.0,
    once: Once = False,
    everything: Everything = False,
    coverage: Coverage = None,
    abstain: Abstain = None,
) -> None:
    """Predict every image or text that appears in FOLDER, each once. Ctrl-C ends it; the same command goes on."""
    from topwork import watching

    if None not in (coverage, abstain):
        raise typer.BadParameter("only one of --coverage and --abstain can be used at a time")
    stop, done, failed, thing = threading.Event(), 0, 0, "image"
    with _stopped_by_signals(stop):
        found = watching.watch(
            model,
            folder,
            csv,
            every=every,
            once=once,
            coverage=coverage,
            accuracy=abstain,
            everything=everything,
            stop=stop,
            tell=lambda note: console.note(f"note: {note}"),
        )
        with contextlib.closing(found):
            if not once:
                console.be_still()
                console.note(f"note: watching {folder}; Ctrl-C ends it")
            for each in found:
                done, failed = done + 1, failed + bool(each.prediction.error)
                thing = each.task.model.kind.thing
                _show(console, each)
    if not once:
        console.note(f"note: predicted: {done:,}, of which {failed:,} could not be used")
        return
    console.require_none_failed(failed, thing)


def _show(console: Console, found: Any) -> None:
    prediction, room = found.prediction, found.task
    if prediction.error and not console.as_json:
        console.failure(_text.refused(prediction))
    else:
        console.result(room.beside(prediction.to_dict(), found.source), room.words.predicted(prediction))
    sys.stdout.flush()


@contextlib.contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the batch that is under way first; a second one ends at once."""

    def hear(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():  # the only one that hears signals
        yield
        return
    before = {each: signal.signal(each, hear) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
