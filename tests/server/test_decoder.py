"""Decoding in other processes gives what decoding here gives, and outlives whatever befalls a process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.server.wire import BAD, PHOTO, TEXTILE, children, command_line, png_bomb
from topwork.backbones import Preprocessing
from topwork.data import decode
from topwork.server._decoder import Decoders, as_bytes
from topwork.server._refusal import RefusedError

SQUARE = Preprocessing(size=64)
MEMORY = 2**31


@asynccontextmanager
async def opened(count: int = 1, **how: Any) -> AsyncIterator[Decoders]:
    decoders = Decoders(count, **{"seconds": 30.0, "memory": MEMORY, **how})
    decoders.open()
    try:
        await until(lambda: decoders.alive == count)
        yield decoders
    finally:
        await decoders.close()
        assert decoders.alive == 0


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.005)


def run(work: Coroutine[Any, Any, None]) -> None:
    before = set(children(os.getpid()))
    asyncio.run(asyncio.wait_for(work, 120))
    assert set(children(os.getpid())) <= before


def test_pixels_are_those_that_decoding_here_gives(photos: list[Path]) -> None:
    """Many at once, of two networks, more than there are processes; a camera's picture is larger than the socket."""
    ways = (SQUARE, Preprocessing(size=320, crop_mode="pad", interpolation="bicubic", rules="timm"))
    files = [PHOTO, TEXTILE, *(path.read_bytes() for path in photos[:4])]

    async def work() -> None:
        async with opened(2) as decoders:
            asked = [(file, way) for file in files for way in ways]
            found = await asyncio.gather(*(decoders(file, as_bytes(way)) for file, way in asked))
            for (file, way), said in zip(asked, found, strict=True):
                whole = decode(file, min_side=way.min_side)
                np.testing.assert_array_equal(said.pixels, way(whole))
                assert (said.height, said.width) == whole.shape[:2]

    run(work())


def test_what_is_no_image_is_refused_in_the_words_of_the_library() -> None:
    async def work() -> None:
        async with opened() as decoders:
            for name in ("half a JPEG", "an SVG that asks another server", "PNG bomb", "zeros"):
                with pytest.raises(RefusedError) as refused:
                    await decoders(BAD[name], as_bytes(SQUARE))
                assert refused.value.status == 422
            assert decoders.replaced == 0
            assert (await decoders(PHOTO, as_bytes(SQUARE))).pixels.shape == (64, 64, 3)

    run(work())


def test_an_image_that_needs_too_much_memory_is_refused() -> None:
    """A process is given what 9,000 × 9,000 pixels do not fit into."""

    async def work() -> None:
        async with opened(memory=2**28) as decoders:
            with pytest.raises(RefusedError) as refused:
                await decoders(png_bomb(9_000), as_bytes(SQUARE))
            assert refused.value.status in (422, 500)
            await until(lambda: decoders.alive == 1)
            assert (await decoders(PHOTO, as_bytes(SQUARE))).pixels.shape == (64, 64, 3)

    run(work())


@pytest.mark.parametrize(("how", "status", "seconds"), [(signal.SIGSTOP, 422, 3.0), (signal.SIGKILL, 500, 30.0)])
def test_a_process_that_hangs_or_dies_costs_its_own_image_and_is_replaced(
    how: signal.Signals, status: int, seconds: float
) -> None:
    async def work() -> None:
        async with opened(2, seconds=seconds) as decoders:
            lost, other = (each.child.pid for each in decoders._all)
            os.kill(lost, signal.SIGSTOP)
            asked = [asyncio.create_task(decoders(PHOTO, as_bytes(SQUARE))) for _ in range(6)]
            await asyncio.sleep(0.05)
            os.kill(lost, how)
            found = await asyncio.gather(*asked, return_exceptions=True)
            failed = [each for each in found if isinstance(each, RefusedError)]
            assert [each.status for each in failed] == [status]
            await until(lambda: decoders.alive == 2)
            assert decoders.replaced == 1
            assert {lost, other} - {each.child.pid for each in decoders._all} == {lost}

    run(work())


def test_an_image_that_nobody_waits_for_has_its_time_limit_too() -> None:
    async def work() -> None:
        async with opened(seconds=2.0) as decoders:
            (process,) = decoders._all
            os.kill(process.child.pid, signal.SIGSTOP)
            asked = [asyncio.create_task(decoders(PHOTO, as_bytes(SQUARE))) for _ in range(3)]
            await asyncio.sleep(0.05)
            asked[0].cancel()  # under way
            asked[1].cancel()  # waits
            assert (await asked[2]).pixels.shape == (64, 64, 3)
            assert decoders.replaced == 1

    run(work())


def test_a_process_is_told_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOPWORK_TOKEN", "secret-of-tests")

    async def work() -> None:
        async with opened() as decoders:
            (process,) = decoders._all
            told = Path(f"/proc/{process.child.pid}/environ").read_bytes()
            assert b"PATH=" in told
            assert b"secret-of-tests" not in told

    run(work())


def test_a_process_ends_with_the_server_whatever_ended_that() -> None:
    code = (
        "import asyncio, os, signal\n"
        "from topwork.server._decoder import Decoders\n"
        "async def main():\n"
        "    decoders = Decoders(1, seconds=1, memory=2**31)\n"
        "    decoders.open()\n"
        "    while not decoders.alive: await asyncio.sleep(0.01)\n"
        "    print(*[each.child.pid for each in decoders._all], flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    (pid,) = map(int, done.stdout.split())

    async def work() -> None:
        await until(lambda: not Path(f"/proc/{pid}").exists() or b"decode" not in command_line(pid))

    run(work())
