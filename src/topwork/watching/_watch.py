"""What appears in a folder is predicted, batch by batch, until somebody says stop."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topwork.data import IMAGE_SUFFIXES, printable
from topwork.errors import ModelError, TopworkError, WatchError
from topwork.model import Classifier, Model
from topwork.tasks import Task, load, task
from topwork.watching._arrivals import Arrival, Arrivals
from topwork.watching._journal import GONE, Journal

Tell = Callable[[str], None]

_FILES_HINT = "name a folder that is there; files may come later"


@dataclass(frozen=True)
class Watched:
    """A file that was answered: what the model says of it, what it holds, and the task of the model."""

    prediction: Any
    source: Any
    task: Task


def watch(
    model: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    table: str | os.PathLike[str],
    *,
    every: float = 2.0,
    once: bool = False,
    coverage: float | None = None,
    accuracy: float | None = None,
    everything: bool = False,
    stop: threading.Event | None = None,
    tell: Tell = lambda note: None,
) -> Generator[Watched]:
    """Predict each file that is in a folder or appears in it, once, and keep the answers in a table.

    A row is in the table before its answer is given here. What was done is known again after any end, by the journal
    ``TABLE.watch`` beside the table: nothing is lost, and nothing doubled. A file is read once it no longer changes;
    one that is renamed keeps its row, and one whose content was replaced gets another. A model that is replaced answers
    from the next batch on.

    Args:
        model: The model's folder.
        folder: What is watched, with all folders below it: images, or for a model of texts ``.txt`` files.
        table: A CSV file with the columns of ``predict --csv``; made, or gone on with.
        every: Seconds from look to look.
        once: Whether to end when everything that is there has been answered.
        coverage: As in ``Classifier.predict``.
        accuracy: The same.
        everything: Whether the probability of every class is a column too.
        stop: Ends it once the batch that is under way is in the table.
        tell: Called with notes.

    Raises:
        WatchError: There is no such folder, the table is another's, or it cannot be written.
        ModelError: The model cannot be read, or has no classes where they are asked about.
        DataError: It cannot promise what is asked.
    """
    root, stop = os.fspath(folder), stop or threading.Event()
    if not os.path.isdir(root):
        raise WatchError(f"{printable(root)}: there is no such folder", hint=_FILES_HINT)
    return _watched(
        root, Path(table), _Current(Path(model), tell, _Asked(coverage, accuracy, everything)), every, once, stop
    )


def _watched(
    root: str, table: Path, current: _Current, every: float, once: bool, stop: threading.Event
) -> Generator[Watched]:
    with Journal(table, root) as journal:
        written = current.task.written
        suffixes = IMAGE_SUFFIXES if written is None else written.suffixes
        arrivals = Arrivals(root, suffixes, bytes if written is None else written.of_file, journal.seen)
        while True:
            began = time.monotonic()
            for batch in arrivals.batches():
                yield from _answered(batch, current, root, journal)
                if stop.is_set():
                    return
            if (once and not arrivals.waiting) or stop.wait(max(every, time.monotonic() - began)):
                return


def _answered(batch: Sequence[Arrival], current: _Current, root: str, journal: Journal) -> list[Watched]:
    """What is said of the new files of a batch, once that is in the table."""
    new = [each for each in batch if each.is_new]
    if new:
        current.look()
    room = current.task
    empty = b"" if room.written is None else room.written.of_file(b"")
    sources = [empty if each.fault else each.source for each in new]
    found = []
    for each, source, said in zip(new, sources, current.predict_each(sources) if new else (), strict=True):
        name = os.path.join(root, each.name) if room.written is None else each.name.replace(os.sep, "/")
        fault = each.fault or said.error.removeprefix(f"{said.source}: ")
        found.append(Watched(dataclasses.replace(said, source=name, error=fault), source, room))
    rows = [
        room.beside(row, each.source) for each in found for row in room.words.rows(each.prediction, current.columns)
    ]
    journal.add({each.was: GONE for each in batch if each.was} | {each.name: each.seen for each in batch}, rows)
    return found


@dataclass(frozen=True)
class _Asked:
    """What is asked beside the answers: see ``watch``."""

    coverage: float | None
    accuracy: float | None
    everything: bool

    @property
    def promises(self) -> dict[str, float | None]:
        """Arguments of ``Classifier.predict_each``; none where nothing is asked, for a model of any kind."""
        given = {"coverage": self.coverage, "accuracy": self.accuracy}
        return {} if set(given.values()) == {None} else given

    def load(self, folder: Path) -> Any:
        """The model of a folder, which can give what is asked."""
        model: Any = load(folder, Classifier if self.promises or self.everything else Model)
        list(model.predict_each((), **self.promises))
        return model


class _Current:
    """The model of a folder as it is now; the last one that could be used, where it is being replaced."""

    def __init__(self, folder: Path, tell: Tell, asked: _Asked) -> None:
        self._folder, self._tell, self._asked = folder, tell, asked
        self._stamp = self._changed()
        self._model = asked.load(folder)
        self.task = task(self._model.record.task.name)

    @property
    def columns(self) -> tuple[str, ...]:
        """Classes whose probabilities are columns."""
        return tuple(self._model.classes) if self._asked.everything else ()

    def predict_each(self, sources: Sequence[Any]) -> Iterator[Any]:
        """What the model says."""
        found: Iterator[Any] = self._model.predict_each(sources, **self._asked.promises)
        return found

    def look(self) -> None:
        """Take the model that is there now."""
        stamp = self._changed()
        if stamp not in (self._stamp, None):
            self._stamp = stamp
            try:
                found = self._asked.load(self._folder)
                if found.record.task.name != self.task.name:
                    raise ModelError(f"{self._folder}: it is of the task {found.record.task.name} now")
                self._model = found
                self._tell("the model was replaced: the new one answers from here on")
            except TopworkError as error:
                self._tell(f"{error.message}; the model that was there before goes on")

    def _changed(self) -> tuple[int, int] | None:
        """What tells one model from another in its place; None while there is none."""
        try:
            facts = (self._folder / "model.json").stat()
        except OSError:
            return None
        return facts.st_ino, facts.st_mtime_ns
