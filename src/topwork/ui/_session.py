"""The session: data → checked → fitted → exported. One a process; its states are frozen, and one lock changes them.

Whoever asks gets the state as it is now. A job goes on whether anybody asks or not.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topwork.advising import Rung
from topwork.checking import Checkup
from topwork.data import printable
from topwork.errors import DataError, TopworkError
from topwork.tasks import alike, task, told_by
from topwork.ui._jobs import Done, Failure, Job, Message, Progress, Work
from topwork.ui._mending import UNCHANGED, Mending, has_manifest, write
from topwork.ui._work import CheckWork, ExportWork, FitWork, Made

if TYPE_CHECKING:
    from topwork._texts import Language

_RESULTS = {"check": "check", "fit": "report", "export": "export"}  # where what came of a job is seen

PAGES = ("data", "check", "fit", "report", "try", "export")
"""The steps, each with a page of its own."""


@dataclass(frozen=True)
class Data:
    """What was named or uploaded, and where lies beside it what is made of it: nothing is written into it."""

    path: Path
    task: str

    @property
    def name(self) -> str:
        """Of a folder, or of a table without its suffix."""
        return self.path.stem if self.path.is_file() else self.path.name

    @property
    def kind(self) -> str:
        """The name, and the task where a person had to say it: its model replaces none of the other task's."""
        return self.name if alike(self.task)[0] == self.task else f"{self.name}-{self.task}"

    @property
    def manifest(self) -> Path:
        """Where the data stand as a person has mended them."""
        return self.path.with_name(f"{self.kind}-mended.csv")

    @property
    def model(self) -> Path:
        """Where its model goes."""
        return self.path.with_name(f"{self.kind}-model")

    @property
    def corrected(self) -> Path:
        """Where images or texts go whose answer a person has corrected, by their class."""
        return self.path.with_name(f"{self.name}-corrected")

    def exported(self, to: str) -> Path:
        """Where the model goes as something else; beside it lies the same as a zip."""
        return self.path.with_name(f"{self.kind}-{to}")


@dataclass(frozen=True)
class Fitted:
    """A model on disk.

    Attributes:
        model: Its folder.
        made: What is known of it.
        rungs: The ladder that was climbed.
    """

    model: Path
    made: Made
    rungs: tuple[Rung, ...]


@dataclass(frozen=True)
class State:
    """Where the session is.

    Attributes:
        version: Another one after every change but progress.
        language: Of the page.
        data: None to begin with.
        checkup: Of the data with the changes of ``checked``.
        checks: How many checkups there were: rows are numbered anew in each.
        mending: A person's changes.
        checked: The changes that the checkup knows.
        fitted: The model of the data.
        exports: What it was exported to: format -> a zip.
        job: What is being done; None while nothing is.
        failure: Why the last job of a kind came to nothing.
        done: The kind of the last job that came to something; empty where none did.
    """

    version: int = 0
    language: Language = "en"
    data: Data | None = None
    checkup: Checkup | None = None
    checks: int = 0
    mending: Mending = UNCHANGED
    checked: Mending = UNCHANGED
    fitted: Fitted | None = None
    exports: tuple[tuple[str, Path], ...] = ()
    job: Progress | None = None
    failure: tuple[str, Failure] | None = None
    done: str = ""

    @property
    def at(self) -> str:
        """The page on which something is to be done or seen next."""
        if self.job is not None:
            return self.job.kind
        if self.failure is not None:
            return self.failure[0] if self.has(self.failure[0]) else "data"
        return _RESULTS.get(self.done, "data")

    def has(self, page: str) -> bool:
        """Whether there is something on a page by now."""
        job = self.job.kind if self.job is not None else ""
        there = {"data": True, "check": self.checkup is not None, "fit": self.checkup is not None}
        return there.get(page, self.fitted is not None) or page == job


class Session:
    """The state and the one job that there may be.

    Args:
        language: To begin with.
        start: Makes a job of a work and what hears of it.
    """

    def __init__(self, language: Language = "en", start: Callable[..., Job] = Job) -> None:
        self._state = State(language=language)
        self._start = start
        self._job: Job | None = None
        self._lock = threading.RLock()

    @property
    def state(self) -> State:
        """As it is now."""
        return self._state

    def speak(self, language: Language) -> None:
        """Change the page's language."""
        self._change(language=language)

    def give(self, path: Path, meant: str = "") -> None:
        """Take data, and check them.

        Args:
            path: Where they are.
            meant: Their task, where data of several look as these do; the first of these where it is empty.

        Raises:
            DataError: There is nothing at that path, data of the task meant look otherwise, or a job is running.
        """
        if not os.path.exists(path):  # which takes any name
            raise DataError(f"{printable(str(path))}: no such folder or file", hint="check the path")
        tasks = alike(told_by(path))
        if meant and meant not in tasks:
            raise DataError(f"data for {printable(meant)} look otherwise", hint="let the data tell what they are for")
        data = Data(path, meant or tasks[0])
        with self._lock:
            self._require_idle()
            fresh = State(self._state.version, self._state.language, data, checks=self._state.checks)
            self._change(**{**vars(fresh), "version": self._state.version})
            self.check()

    def refuse(self, kind: str, error: TopworkError) -> None:
        """Keep why something was not begun, for the page of its kind."""
        self._change(failure=(kind, Failure(error.message, error.hint)))

    def mend(self, change: Callable[[State], Mending], check: int) -> None:
        """Change the data, and write the manifest.

        Args:
            change: Gives the mending that there is to be.
            check: Which checkup its rows are of.

        Raises:
            DataError: There is a newer checkup or none, the manifest cannot be written, or a job is running.
        """
        with self._lock:
            self._require_idle()
            state = self._state
            if state.checkup is None or state.data is None or check != state.checks:
                raise DataError("the data were checked again meanwhile", hint="reload the page")
            mending = change(state)
            if has_manifest(state.checkup.dataset):
                write(mending.applied(state.checkup.dataset), state.data.manifest)
            self._change(mending=mending)

    def forget_changes(self) -> None:
        """Take back all changes, and check the data as they are.

        Raises:
            DataError: A job is running, or there are no data.
        """
        with self._lock:
            self._require_idle()
            self._change(mending=UNCHANGED)
            self.check()

    def check(self) -> None:
        """Check the data with all changes.

        Raises:
            DataError: A job is running, or there are no data.
        """
        state = self._state
        work = CheckWork(self._data.path, self._data.task, state.mending)

        def checked(checkup: Checkup) -> dict[str, Any]:
            return {"checkup": checkup, "checks": state.checks + 1, "checked": state.mending}

        self._begin(work, Progress("check"), checked)

    def fit(self, budget: float, allow: tuple[str, ...] = (), decision: Mapping[str, Any] | None = None) -> None:
        """Fit a model to the data with all changes; an earlier one of these data is replaced.

        Args:
            budget: Seconds, where the task's way to a model takes any.
            allow: Findings in spite of which it goes on.
            decision: How the model is to decide, by the names that its task has for that.

        Raises:
            DataError: A job is running, or there are no data.
        """
        data, state = self._data, self._state
        if not all(map(task(data.task).decides_on, decision or {})):
            raise DataError("for these data nothing of that kind can be decided", hint="train without it")
        written = state.checkup is not None and has_manifest(state.checkup.dataset)
        path, mending = (data.manifest, UNCHANGED) if written and state.mending else (data.path, state.mending)
        work = FitWork(path, data.task, data.model, budget, allow, decision or {}, state.language, mending)

        def fitted(made: Made) -> dict[str, Any]:
            assert self._state.job is not None
            return {"fitted": Fitted(data.model, made, self._state.job.rungs), "exports": ()}

        timed = task(data.task).strategies()[0].takes_budget
        self._begin(work, Progress("fit", budget if timed else None), fitted)

    def export(self, to: str) -> None:
        """Write the model as something else, and pack it.

        Raises:
            DataError: A job is running, or there is no model.
        """
        fitted = self._state.fitted
        if fitted is None:
            raise DataError("there is no model yet", hint="train one first")
        data, language = self._data, self._state.language
        work = ExportWork(fitted.model, data.path, to, data.exported(to), data.name, language)

        def exported(packed: Path) -> dict[str, Any]:
            others = [each for each in self._state.exports if each[0] != to]
            return {"exports": (*others, (to, packed))}

        self._begin(work, Progress("export"), exported)

    def stop(self) -> None:
        """End the job that runs; what there was before stays."""
        with self._lock:
            job, self._job = self._job, None
            if self._state.job is not None:
                kind = self._state.job.kind
                self._change(job=None, failure=(kind, Failure("stopped", "nothing was saved; you can start it again")))
        if job is not None:
            job.stop()

    def close(self) -> None:
        """End what runs."""
        self.stop()

    @property
    def _data(self) -> Data:
        if self._state.data is None:
            raise DataError("there are no data yet", hint="give them first")
        return self._state.data

    def _require_idle(self) -> None:
        if self._state.job is not None:
            raise DataError("something is being done already", hint="wait for it, or stop it")

    def _begin(self, work: Work, progress: Progress, result: Callable[[Any], dict[str, Any]]) -> None:
        def hear(job: Job, message: Message) -> None:
            with self._lock:
                if job is not self._job or self._state.job is None:
                    return  # it was stopped
                match message:
                    case Done(value):
                        self._change(job=None, done=progress.kind, **result(value))
                    case Failure():
                        self._change(job=None, failure=(progress.kind, message))
                    case _:
                        self._state = replace(self._state, job=self._state.job.after(message))

        with self._lock:
            self._require_idle()
            self._change(job=progress, failure=None)
            self._job = self._start(work, hear)

    def _change(self, **what: Any) -> None:
        with self._lock:
            self._state = replace(self._state, **{**what, "version": self._state.version + 1})
