"""The one executor: order, bounds, errors, and no thread that outlives it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from topwork._system import Executor, available_cores


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("topwork-test")]


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
@pytest.mark.parametrize("in_flight", [1, 4, 1000])
def test_results_come_in_the_order_of_the_items(in_flight: int, chunk: int) -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.003 if item % 5 == 0 else 0)
        return item * item

    with Executor("test", 4) as pool:
        found = list(pool.map_ordered(slow_first, range(40), in_flight=in_flight, chunk=chunk))
    assert found == [item * item for item in range(40)]
    assert threads() == []


def test_nothing_to_do_gives_nothing() -> None:
    with Executor("test") as pool:
        assert pool.workers == available_cores()
        assert list(pool.map_ordered(str, [], in_flight=4)) == []


@pytest.mark.parametrize(("in_flight", "chunk"), [(1, 1), (6, 1), (6, 3), (5, 3)])
def test_no_more_is_taken_than_may_be_in_flight(in_flight: int, chunk: int) -> None:
    taken, given = 0, 0

    def items() -> Iterator[int]:
        nonlocal taken
        for item in range(60):
            taken += 1
            yield item

    with Executor("test", 3) as pool:
        for _ in pool.map_ordered(lambda item: item, items(), in_flight=in_flight, chunk=chunk):
            given += 1
            assert taken - given < -(-in_flight // chunk) * chunk
    assert (taken, given) == (60, 60)


def test_items_run_at_once_on_as_many_threads_as_there_are_workers() -> None:
    meet = threading.Barrier(3, timeout=60)  # breaks where fewer run at once
    with Executor("test", 3) as pool:
        found = list(
            pool.map_ordered(lambda item: (meet.wait(), threading.current_thread().name)[1], range(3), in_flight=9)
        )
    assert {name.rpartition("_")[0] for name in found} == {"topwork-test"}
    assert len(set(found)) == 3


def test_an_error_of_the_function_comes_in_its_place_and_ends_it() -> None:
    done: list[int] = []

    def fail(item: int) -> int:
        if item == 5:
            raise ArithmeticError("five")
        done.append(item)
        return item

    with Executor("test", 1) as pool:
        results = pool.map_ordered(fail, range(100), in_flight=8)
        assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
        with pytest.raises(ArithmeticError, match="five"):
            next(results)
    assert max(done) < 14
    assert threads() == []


def test_an_error_of_the_items_comes_out_too() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Executor("test", 2) as pool:
        list(pool.map_ordered(lambda item: item, items(), in_flight=10))
    assert threads() == []


def test_who_leaves_early_leaves_nothing_behind() -> None:
    begun: list[int] = []

    def note(item: int) -> int:
        begun.append(item)
        time.sleep(0.2 if item else 0)  # ten seconds for them all
        return item

    with Executor("test", 1) as pool:
        results = pool.map_ordered(note, range(1000), in_flight=50)
        assert next(results) == 0
    assert len(begun) < 50  # what waited was not begun
    assert threads() == []


PRESSED = """
import signal, sys
from topwork._system import Executor
signal.signal(signal.SIGINT, {"default": signal.default_int_handler, "system": signal.SIG_DFL}[sys.argv[1]])
pool = Executor("test", 1)
end = pool._pool.shutdown
pool._pool.shutdown = lambda **how: (signal.raise_signal(signal.SIGINT), end(**how), print("awaited", flush=True))
try:
    with pool:
        pass
except KeyboardInterrupt:
    print("heard")
else:
    print("lost")
"""


@pytest.mark.parametrize(
    ("heard_by", "code", "said"), [("default", 0, ["awaited", "heard"]), ("system", None, ["awaited"])]
)
def test_ctrl_c_at_the_end_is_held_back_and_then_heard(heard_by: str, code: int | None, said: list[str]) -> None:
    """By Python, and by the system where Python was told to leave it alone: it ends the process."""
    done = subprocess.run([sys.executable, "-c", PRESSED, heard_by], capture_output=True, text=True, check=False)
    assert done.stdout.split() == said
    assert done.returncode == (-signal.SIGINT if code is None else code), done.stderr
