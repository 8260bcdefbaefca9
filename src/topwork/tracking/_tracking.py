"""Events on their way to trackers: none waits for another, and none lets a training wait."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from topwork.tracking._events import Artefact, Begun, Ended, Event, Figures
from topwork.tracking._trackers import Opened, Tracker

_PATIENCE = 30.0  # seconds that the end of a run waits for its trackers
_LONGEST = 200  # letters of what a tracker says when it fails
_SECRET = re.compile(r"(?<=//)[^/@\s]+@")  # the name and password of an address, which a note must not tell
_TRIES, _WAIT = 3, 1.0  # of what is left at the end; seconds between them


class Tracking:
    """One run that trackers hear of, as a context: an error that leaves it ends the run as failed.

    Each tracker has a thread, which opens it and hands it the events in order. What it does not take is kept and tried
    again with the next event, and a few times more at the end; then ``notes`` tell how many it never took.

    Args:
        trackers: Any number of them; none is well too.
        patience: Seconds that the end waits for them.

    Attributes:
        notes: After the end, what the user should know: what did not arrive, and why.
    """

    def __init__(self, trackers: Sequence[Opened], patience: float = _PATIENCE) -> None:
        self._lines = [_Line(each) for each in trackers]
        self._patience = patience
        self.notes: tuple[str, ...] = ()

    @property
    def heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._lines)

    def tell(self, event: Event) -> None:
        """Hand an event on; comes back at once."""
        for line in self._lines:
            line.events.put(event)

    def __enter__(self) -> Self:
        for line in self._lines:
            line.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.tell(Ended("finished" if kind is None else "failed" if issubclass(kind, Exception) else "killed"))
        until = time.monotonic() + self._patience
        for line in self._lines:
            line.thread.join(max(0.0, until - time.monotonic()))
        self.notes = tuple(note for line in self._lines if (note := line.note()))


class _Line:
    """The events on their way to one tracker."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._tracker: Tracker | None = None
        self._waiting: deque[Event] = deque()
        self._error = ""
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._run, name=f"tracking-{opened.name}", daemon=True)

    def note(self) -> str:
        """What did not arrive; empty where all did. A thread that still tries has not brought them all either."""
        left = len(self._waiting) + self.events.qsize()
        if not left:
            return ""
        why = self._error or "it does not answer"
        return f"{self._opened.name} did not take {left} events of this run: {why}; history.jsonl has all epochs"

    def _run(self) -> None:
        event: Event | None = None
        while not isinstance(event, Ended):
            event = self.events.get()
            self._waiting.append(event)
            self._hand_over()
        for _ in range(_TRIES - 1):
            if self._waiting:
                time.sleep(_WAIT)
                self._hand_over()

    def _hand_over(self) -> None:
        try:
            while self._waiting:
                self._hear(self._waiting[0])
                self._waiting.popleft()
        except Exception as error:  # each tracker raises its own
            told = _SECRET.sub("", " ".join(str(error).split()))
            self._error = f"{type(error).__name__}: {told[:_LONGEST]}"

    def _hear(self, event: Event) -> None:
        if isinstance(event, Begun):
            self._tracker = self._tracker or self._opened.open(event.name, event.parameters)
        elif self._tracker is not None and isinstance(event, Figures):
            self._tracker.figures(event.values, event.step)
        elif self._tracker is not None and isinstance(event, Artefact):
            self._tracker.artefact(event.path)
        elif self._tracker is not None and isinstance(event, Ended):
            self._tracker.end(event.how)
