"""The one executor: many items, a few threads, results in order, and never more under way than fit the memory."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_CGROUP_V2 = Path("/sys/fs/cgroup/cpu.max")
_CGROUP_V1 = Path("/sys/fs/cgroup/cpu")


class Executor:
    """Hands that do the same to many items: threads today, so what they run has to release the GIL.

    Use it as a context manager: at its end nothing that waits is begun any more, what runs is waited for, and no
    thread is left, whatever ended it. Whatever is to be done many times goes through here, so that other machines can
    stand behind it one day; a function therefore takes all it needs from its item, and gives all it has in its result.

    Args:
        name: What the threads are for; they are called ``topwork-NAME``.
        workers: How many; one for each core that this process may use when None.
    """

    def __init__(self, name: str, workers: int | None = None) -> None:
        self.workers = workers or available_cores()
        self._pool = ThreadPoolExecutor(self.workers, f"topwork-{name}")

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *error: object) -> None:
        # What runs is waited for however often Ctrl-C is pressed: where Python (3.11) is kept from awaiting a thread's
        # end it takes it for ended, and C++ code that still runs in it aborts the whole process.
        with _held_back_interrupts():
            self._pool.shutdown(cancel_futures=True)

    def map_ordered(
        self,
        function: Callable[[_Item], _Result],
        items: Iterable[_Item],
        *,
        in_flight: int,
        chunk: int = 1,
    ) -> Iterator[_Result]:
        """The function's results in the order of the items, which are taken one after another on the caller's thread.

        An exception, of the function or of the items, comes out in its chunk's place, and nothing further is begun.

        Args:
            function: Called on any thread, several times at once.
            items: As many as there are; taken only when there is room for them.
            in_flight: Items that may wait, run, or have a result that nobody has taken, at most (in whole chunks).
            chunk: Items that a thread does one after another, where one alone is not worth the handing over.
        """
        pending: deque[Future[list[_Result]]] = deque()
        source = iter(items)
        try:
            while some := list(islice(source, chunk)):
                with _held_back_interrupts():  # inside submit, it would leave a thread that the pool never waits for
                    pending.append(self._pool.submit(_each, function, some))
                if len(pending) * chunk >= in_flight:
                    yield from pending.popleft().result()
            while pending:
                yield from pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


@contextlib.contextmanager
def _held_back_interrupts() -> Iterator[None]:
    """Ctrl-C is heard when the body is done. Threads other than the main one never hear it."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is None:  # None: set by other than Python
        yield
        return
    pressed: list[tuple[int, FrameType | None]] = []
    try:
        signal.signal(signal.SIGINT, lambda number, frame: pressed.append((number, frame)))
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed and callable(before):
        before(*pressed[0])
    elif pressed:  # Python leaves it to the system
        signal.raise_signal(signal.SIGINT)


def _each(function: Callable[[_Item], _Result], items: list[_Item]) -> list[_Result]:
    return [function(item) for item in items]


def available_cores() -> int:
    """Cores by the process's affinity and its container's quota, at least 1.

    ``os.cpu_count`` counts the machine's cores; in a container that was given one core of 64 it would start
    64 threads that wait for each other.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota()
    return affinity if quota is None else max(1, min(affinity, int(quota)))


def _quota() -> float | None:
    """Cores that the container's control group grants, or None where there is no limit."""
    try:
        if _CGROUP_V2.exists():
            limit, period = _CGROUP_V2.read_text().split()
            return None if limit == "max" else int(limit) / int(period)
        micros = int((_CGROUP_V1 / "cpu.cfs_quota_us").read_text())
        return None if micros <= 0 else micros / int((_CGROUP_V1 / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError, ZeroDivisionError):
        return None
