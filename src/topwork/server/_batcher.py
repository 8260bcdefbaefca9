"""A micro-batcher: what waits is handed on together, as many as suit the engine, whenever a caller of it is free.

Nothing is waited for: while all callers are at work the queue fills, and the next batch is as large as that. What
nobody waits for any more (the client has left, the deadline has passed) is dropped before any work.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Stands before a function that takes several items at once; to be used in one event loop.

    How many may wait is limited at the door (``Admission``), where a request is refused before it is read.

    Args:
        run: Called on a thread of its own; gives a result for each item, or an exception in its place.
        size: Items a call, at most.
        callers: Calls at once.
        observe: Told how many items each call took.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        *,
        size: int,
        callers: int,
        observe: Callable[[int], object] = lambda count: None,
    ) -> None:
        self._run, self._size, self._observe = run, size, observe
        self._threads = ThreadPoolExecutor(callers, "topwork-engine")
        self._free = callers
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()

    @property
    def waiting(self) -> int:
        """Items that no caller has taken yet."""
        return len(self._waiting)

    async def __call__(self, item: Item) -> Result:
        """The result for one item; cancelling this drops the item where it still waits."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._hand_on()
        return await future

    def close(self) -> None:
        """End the threads, once what they do is done; the batcher is not to be called any more."""
        self._threads.shutdown(wait=False)

    def _hand_on(self) -> None:
        while self._free and (batch := self._next()):
            self._free -= 1
            self._observe(len(batch))
            call = asyncio.get_running_loop().run_in_executor(self._threads, self._results, [item for item, _ in batch])
            call.add_done_callback(lambda done, batch=batch: self._deliver(batch, done.result()))  # type: ignore[misc]

    def _next(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        while self._waiting and len(batch) < self._size:
            item, future = self._waiting.popleft()
            if not future.done():
                batch.append((item, future))
        return batch

    def _results(self, items: list[Item]) -> Sequence[Result | Exception]:
        try:
            return self._run(items)
        except Exception as error:  # of the whole call; each that waits is told
            return [error] * len(items)

    def _deliver(self, batch: list[tuple[Item, asyncio.Future[Result]]], results: Sequence[Result | Exception]) -> None:
        self._free += 1
        self._hand_on()
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
