"""Progress of what takes a while: a bar on a terminal, and a line every few seconds where there is none."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

Progress = Callable[[int, int], None]

LINE = "progress: "
EVERY = 3.0  # seconds from line to line


class Step:
    """What is under way: called with (done, total), total 0 where nobody knows it; ``tell`` puts words beside it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._words = ""
        self._done = self._total = 0
        self._began = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        self._done, self._total = done, total

    def tell(self, words: str) -> None:
        """Show these words beside the name."""
        self._words = words

    def line(self, say: Callable[[str], str] = str) -> str:
        """The name, how much is done, and how long the rest will take at this rate, as ``say`` gives them."""
        name = f"{self._text}: {self._words}" if self._words else self._text
        return f"{say(name)}, {say(self._so_far())}"

    def _so_far(self) -> str:
        passed, done, total = time.monotonic() - self._began, self._done, self._total
        if not done:
            return f"{duration(passed)} so far"
        if not total:
            return f"{done:,} so far"
        if done >= total:
            return f"all {total:,} done, working on the result"
        return f"{done:,} of {total:,}, about {duration(passed * (total - done) / done)} left"


class Lines:
    """Tells every few seconds what a command is doing, from a thread of its own, so that no step can be silent."""

    def __init__(self, write: Callable[[str], None], say: Callable[[str], str] = str, head: str = LINE) -> None:
        self._write = write
        self._say = say
        self._head = head
        self._began = time.monotonic()
        self._ended = threading.Event()
        self.current = Step("loading")
        self.budget: float | None = None  # seconds for the whole

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Write lines until the block ends; their texts have to be printable as they are."""
        thread = threading.Thread(target=self._tell, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def end(self) -> None:
        """Write no more lines."""
        self._ended.set()

    def step(self, text: str) -> Step:
        """What comes next; the lines tell of it from now on."""
        self.current = Step(text)
        return self.current

    def _tell(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody reads any more, or the stream is closed
            while not self._ended.wait(EVERY):
                self._write(f"{self._head}{self.current.line(self._say)}{self._whole()}")

    def _whole(self) -> str:
        if self.budget is None:
            return ""
        left = self.budget - (time.monotonic() - self._began)
        whole = f"the budget of {duration(self.budget)}"
        return f"; {self._say(f'{duration(left)} of {whole} left' if left > 0 else f'{whole} is used up')}"


class Bars:
    """A bar on a terminal for what is under way; the one before goes."""

    def __init__(self, bars: Any, say: Callable[[str], str]) -> None:
        self._bars = bars
        self._say = say
        self._last: Any = None

    def step(self, text: str) -> _Bar:
        """What comes next."""
        if self._last is not None:
            self._bars.remove_task(self._last)
        self._last = self._bars.add_task(self._say(text), total=None)
        return _Bar(self._bars, self._last, text, self._say)


class _Bar:
    """A progress callback that moves a bar; ``tell`` puts words beside it."""

    def __init__(self, bars: Any, task: Any, text: str, say: Callable[[str], str]) -> None:
        self._bars = bars
        self._task = task
        self._text = text
        self._say = say

    def __call__(self, done: int, total: int) -> None:
        self._change(completed=done, total=total or None)

    def tell(self, words: str) -> None:
        self._change(description=self._say(f"{self._text}: {words}"))

    def _change(self, **what: Any) -> None:
        with contextlib.suppress(KeyError):  # another step has begun
            self._bars.update(self._task, **what)


def duration(seconds: float) -> str:
    """Seconds in words: ``40 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    large, small, units = (*divmod(whole, 60), "min s") if whole < 3600 else (*divmod(round(whole / 60), 60), "h min")
    first, second = units.split()
    return f"{large} {first} {small} {second}" if small else f"{large} {first}"
