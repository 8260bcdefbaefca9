"""Freed memory: it stays while the block lasts, and goes back to the system at its end. Page faults are the oracle."""

from __future__ import annotations

import resource
import sys
import threading
from pathlib import Path

import pytest

from topwork._system import _memory, freed_memory_kept
from topwork.train import train

BLOCK = 64 * 2**20  # bytes: glibc maps blocks of this size one by one
PAGES = BLOCK // resource.getpagesize()

glibc = pytest.mark.skipif(_memory._glibc() is None, reason="this C library is not glibc")


def faults(turns: int = 5) -> int:
    """Pages that the system had to find while a large block was taken and freed again and again."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for turn in range(turns):
        bytes([turn]) * BLOCK
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@glibc
def test_a_page_is_found_once() -> None:
    with freed_memory_kept():
        faults(1)
        assert faults() < PAGES // 2


@glibc
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_at_the_end_it_goes_back() -> None:
    before = resident()
    with freed_memory_kept():
        faults(1)
        assert resident() > before + BLOCK // 2
    assert resident() < before + BLOCK // 2


@glibc
def test_a_block_within_a_block_ends_nothing() -> None:
    with freed_memory_kept():
        with freed_memory_kept():
            faults(1)
        assert faults() < PAGES // 2


@glibc
def test_it_ends_with_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[int, int]] = []
    monkeypatch.setattr(_memory, "_set", told.append)

    @freed_memory_kept()
    def broken() -> None:
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            broken()
    assert len(told) == 4
    assert told[1] == told[3] == _memory._USUAL


def test_threads_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[int, int]] = []
    monkeypatch.setattr(_memory, "_set", told.append)
    both, done = threading.Barrier(2), threading.Event()

    def short() -> None:
        with freed_memory_kept():
            both.wait(10)
        done.set()

    with freed_memory_kept():
        other = threading.Thread(target=short)
        other.start()
        both.wait(10)
        assert done.wait(10)
        assert len(told) == 1
    other.join()
    assert len(told) == 2


def test_without_glibc_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_memory, "_glibc", lambda: None)
    with freed_memory_kept():
        faults(1)


def test_what_is_wrapped_keeps_its_name_and_words() -> None:
    assert train.__name__ == "train"
    assert (train.__doc__ or "").startswith("Train the layers of a model")
