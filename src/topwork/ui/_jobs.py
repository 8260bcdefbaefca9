"""Jobs: what takes a while runs in a process of its own, which can be stopped and may die without the page dying too.

In: a ``Work``. Out: messages as they come, and in the end its result or why there is none. It needs no browser: whoever
looks later sees where it is.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import Any, Literal, Protocol

from topwork.advising import Rung
from topwork.errors import TopworkError

_EVERY = 0.2  # seconds from one progress message to the next
_PATIENCE = 3.0  # seconds in which a stopped process may end by itself


@dataclass(frozen=True)
class Failure:
    """Why there is no result, and what to do; English."""

    message: str
    hint: str = ""


@dataclass(frozen=True)
class Done:
    """The result of a work."""

    value: Any


@dataclass(frozen=True)
class Step:
    """What begins, perhaps with words beside it."""

    text: str


@dataclass(frozen=True)
class Moved:
    """How much of the step is done; ``total`` is 0 where nobody knows it."""

    done: int
    total: int


Message = Step | Moved | Rung | Done | Failure


@dataclass(frozen=True)
class Progress:
    """Where a job is.

    Attributes:
        kind: Which one.
        budget: Seconds that it may take; None where there is no such limit.
        step: What it does now, in English.
        done: Of the step.
        total: Of the step; 0 where nobody knows it.
        began: On ``time.monotonic``'s clock.
        step_began: On the same.
        rungs: Of the ladder, as far as it is climbed.
    """

    kind: Literal["check", "fit", "export"]
    budget: float | None = None
    step: str = "loading"
    done: int = 0
    total: int = 0
    began: float = field(default_factory=time.monotonic)
    step_began: float = field(default_factory=time.monotonic)
    rungs: tuple[Rung, ...] = ()

    def after(self, message: Step | Moved | Rung) -> Progress:
        """Where it is once that is told."""
        match message:
            case Step(text):
                return replace(self, step=text, done=0, total=0, step_began=time.monotonic())
            case Moved(done, total):
                return replace(self, done=done, total=total)
            case rung:
                return replace(self, rungs=(*(each for each in self.rungs if each.name != rung.name), rung))


class Voice:
    """What a work says while it runs; silent once nobody listens."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self._last = 0.0

    def say(self, message: Message) -> None:
        """Send a message.

        Raises:
            BrokenPipeError: The page's process is gone, so that nothing is left to work for.
        """
        with self._lock:
            self._pipe.send(message)

    def step(self, text: str) -> _StepProgress:
        """Announce what begins; gives its progress callback."""
        self.say(Step(text))
        return _StepProgress(self, text)

    def moved(self, done: int, total: int) -> None:
        """Tell how much is done, not too often."""
        if time.monotonic() - self._last > _EVERY or done == total:
            self._last = time.monotonic()
            self.say(Moved(done, total))


class _StepProgress:
    """A progress callback; ``tell`` puts words beside the step's name."""

    def __init__(self, voice: Voice, text: str) -> None:
        self._voice = voice
        self._text = text

    def __call__(self, done: int, total: int) -> None:
        self._voice.moved(done, total)

    def tell(self, words: str) -> None:
        self._voice.say(Step(f"{self._text}: {words}"))


class Work(Protocol):
    """What a job does; it travels to another process."""

    def run(self, voice: Voice) -> Any:
        """Do it."""


class Job:
    """A work that runs in a process of its own, and what hears of it: called in a thread, the result comes last."""

    def __init__(self, work: Work, hear: Callable[[Job, Message], None]) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would take the page's threads and sockets along
        self._ours, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_main, args=(work, theirs), name="topwork", daemon=False)
        self._hear = hear
        self._process.start()
        theirs.close()  # so that the end of the process is the end of the pipe
        self._reader = threading.Thread(target=self._read, name="job", daemon=True)
        self._reader.start()

    def stop(self) -> None:
        """End it at once; nothing more is heard of it but that it ended."""
        self._process.terminate()
        self._process.join(_PATIENCE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _read(self) -> None:
        message: Message = Failure("the work ended unexpectedly", "the machine may be out of memory; try again")
        with contextlib.suppress(EOFError, OSError):
            while not isinstance(message := self._ours.recv(), Done | Failure):
                self._hear(self, message)
                message = Failure("the work ended unexpectedly", "the machine may be out of memory; try again")
        self._ours.close()
        self._process.join()
        self._hear(self, message)


def _main(work: Work, pipe: Connection) -> None:
    """What runs in the other process."""
    from topwork._system import wait_considerately

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the page's process, which then stops this one
    wait_considerately()
    voice = Voice(pipe)
    with contextlib.suppress(BrokenPipeError):
        voice.say(_outcome(work, voice))


def _outcome(work: Work, voice: Voice) -> Message:
    try:
        return Done(work.run(voice))
    except TopworkError as error:
        return Failure(error.message, error.hint)
    except BrokenPipeError:
        raise
    except (OSError, MemoryError) as error:
        return Failure(f"{type(error).__name__}: {error}")
    except Exception as error:  # a fault of ours; the page tells it in one line too
        return Failure(f"internal error in topwork: {type(error).__name__}: {error}", "please report it")
