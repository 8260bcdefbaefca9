"""The micro-batcher alone: what it hands on together, what it drops, and what an error of the engine does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from topwork.server._batcher import Batcher


class Gate:
    """Squares numbers; each call waits until it is let through, so that a test decides what is under way."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self._open = threading.Semaphore(0)

    def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.calls.append(list(items))
        self._open.acquire()
        return [ValueError("odd") if item == 13 else item**2 for item in items]

    def let(self, calls: int) -> None:
        self._open.release(calls)


@contextmanager
def batcher(gate: Callable[..., Any], **how: int) -> Iterator[Batcher[int, int]]:
    found = Batcher(gate, **{"size": 4, "callers": 1, **how})
    yield found
    found.close()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 10))


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.001)


def test_what_waits_while_the_engine_works_goes_together_in_its_order() -> None:
    async def work() -> None:
        gate = Gate()
        with batcher(gate) as ask:
            tasks = [asyncio.create_task(ask(number)) for number in range(10)]
            await until(lambda: gate.calls == [[0]])
            assert ask.waiting == 9
            gate.let(4)
            assert await asyncio.gather(*tasks) == [number**2 for number in range(10)]
            assert gate.calls == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9]]

    run(work())


def test_all_callers_work_at_once() -> None:
    async def work() -> None:
        gate = Gate()
        with batcher(gate, size=1, callers=3) as ask:
            tasks = [asyncio.create_task(ask(number)) for number in range(4)]
            await until(lambda: len(gate.calls) == 3)
            gate.let(4)
            assert await asyncio.gather(*tasks) == [0, 1, 4, 9]

    run(work())


def test_what_nobody_waits_for_is_dropped_before_the_engine_sees_it() -> None:
    async def work() -> None:
        gate = Gate()
        with batcher(gate, size=1) as ask:
            tasks = [asyncio.create_task(ask(number)) for number in range(3)]
            await until(lambda: gate.calls == [[0]])
            tasks[0].cancel()  # under way: its result is for nobody
            tasks[1].cancel()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await ask(7)
            gate.let(2)
            assert await tasks[2] == 4
            assert gate.calls == [[0], [2]]

    run(work())


def test_an_error_is_told_to_whom_it_concerns_and_the_next_are_answered() -> None:
    async def work() -> None:
        gate = Gate()
        gate.let(3)
        with batcher(gate) as ask:
            found = await asyncio.gather(ask(12), ask(13), ask(14), return_exceptions=True)
            assert found[0] == 144
            assert isinstance(found[1], ValueError)
            assert found[2] == 196

        def broken(items: Sequence[int]) -> list[int]:
            raise MemoryError

        with batcher(broken) as ask:
            found = await asyncio.gather(ask(1), ask(2), return_exceptions=True)
            assert [type(each) for each in found] == [MemoryError, MemoryError]

    run(work())
