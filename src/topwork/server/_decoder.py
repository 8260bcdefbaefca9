"""Decoding in processes of its own, which may die or hang: the image that did it is refused, the process replaced.

A question and its answer go over a socket pair: encoded bytes there, pixels back (docs/decisions/server.md has the
figures beside shared memory). A process works on one image at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import numpy as np

from topwork._arrays import UInt8Array
from topwork.backbones import Preprocessing
from topwork.data import shrunk_size
from topwork.server._decode_worker import ANSWER, LONGEST, QUESTION
from topwork.server._log import log
from topwork.server._refusal import RefusedError, unusable

_SOCKET_BYTES = 2**20  # asked of the system, so that an image goes through in one piece
_COMMAND = (sys.executable, "-P", "-m", "topwork.server._decode_worker")  # -P: nothing from the working folder
_PAUSE = 0.5  # seconds before a process that did not even start is tried again


@dataclass(frozen=True, eq=False)
class Decoded:
    """An image as a network takes it, or whole.

    Attributes:
        pixels: uint8 (size, size, 3); of a whole one (h, w, 3), smaller than it is shown where it is large.
        height: Of the image as it is shown.
        width: The same.
    """

    pixels: UInt8Array
    height: int
    width: int


def as_bytes(preprocessing: Preprocessing) -> bytes:
    """A preprocessing as a decoder is told of it."""
    return json.dumps(preprocessing.to_dict()).encode()


def whole(longest: int) -> bytes:
    """What a decoder is told where the whole picture is wanted, with no side longer than that."""
    return json.dumps({LONGEST: longest}).encode()


class Decoders:
    """So many processes, kept up from ``open`` to ``close``.

    Attributes:
        count: How many there are to be; none while it is not open.
        replaced: How many were lost.

    Args:
        count: Processes.
        seconds: That one image may take.
        memory: Bytes that each may take.
    """

    def __init__(self, count: int, *, seconds: float, memory: int) -> None:
        self.count = self.replaced = 0
        self.seconds = seconds
        self._wanted, self._memory = count, memory
        self._all: set[_Process] = set()
        self._free: deque[_Process] = deque()
        self._waiting: deque[asyncio.Future[_Process]] = deque()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def alive(self) -> int:
        """Processes that can take an image, or work on one."""
        return sum(each.alive for each in self._all)

    def open(self) -> None:
        """Start the processes, in the event loop, where they are not there yet; they are ready a moment later."""
        for _ in range(self._wanted - self.count):
            self._begin(self._started(0.0))
        self.count = self._wanted

    async def close(self) -> None:
        """End them."""
        self.count = 0
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for each in list(self._all):
            each.kill()
            await asyncio.to_thread(each.child.wait)

    async def __call__(self, image: bytes, preprocessing: bytes) -> Decoded:
        """Decode one image.

        Args:
            image: A file's content.
            preprocessing: ``as_bytes`` of one, or ``whole``.

        Raises:
            RefusedError: 422 for what is no usable image or takes too long, 500 where the process died.
        """
        process = await self._next()
        # Whoever asked may leave; the process then goes on alone, and is free when it is done.
        fine, height, width, content = await asyncio.shield(process.ask(image, preprocessing))
        if not fine:
            raise unusable(*json.loads(content))
        how = json.loads(preprocessing)
        size = shrunk_size(height, width, how[LONGEST]) if LONGEST in how else (how["size"], how["size"])
        return Decoded(np.frombuffer(content, np.uint8).reshape(*size, 3), height, width)

    async def _next(self) -> _Process:
        while self._free:
            if (process := self._free.popleft()).alive:
                return process
        waiting: asyncio.Future[_Process] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled():  # it was handed one in the same moment
                self.is_free(waiting.result())
            raise

    def is_free(self, process: _Process) -> None:
        """A process has nothing to do."""
        while self._waiting:
            if not (waiting := self._waiting.popleft()).done():
                waiting.set_result(process)
                return
        self._free.append(process)

    def is_lost(self, process: _Process) -> None:
        """A process has ended; another one takes its place."""
        self._all.discard(process)
        self._begin(asyncio.to_thread(process.child.wait))
        if self.count:
            self.replaced += 1
            log("decoder replaced", replaced=self.replaced)
            self._begin(self._started(0.0 if process.was_ready else _PAUSE))

    def _begin(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _started(self, pause: float) -> None:
        while True:
            await asyncio.sleep(pause)
            with contextlib.suppress(OSError):  # no memory, no process to be had: those that are there go on
                return await self._connected()
            pause = _PAUSE

    async def _connected(self) -> None:
        ours, child = _spawned(self._memory, self.seconds)
        process = _Process(self, child)
        self._all.add(process)
        await asyncio.get_running_loop().create_connection(lambda: process, sock=ours)


def _spawned(memory: int, seconds: float) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """A new process, which imports no more than it needs, and our end of the connection to it."""
    ours, theirs = socket.socketpair()
    with theirs:
        for each in (ours, theirs):
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
        child = subprocess.Popen(
            [*_COMMAND, *map(str, (theirs.fileno(), memory, seconds))],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=_surroundings(),
        )
    ours.setblocking(False)
    return ours, child


def _surroundings() -> dict[str, str]:
    """The environment of a process that meets strangers' files: one thread, and no token that it could tell."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().endswith("TOKEN")}
    return kept | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


_Answer = tuple[bool, int, int, bytearray]  # whether it worked, height, width, pixels or why not


class _Process(asyncio.BufferedProtocol):
    """One process, and the question that it works on.

    Attributes:
        child: The process.
        alive: Whether it can take an image, or works on one.
        was_ready: Whether it ever could.
    """

    def __init__(self, decoders: Decoders, child: subprocess.Popen[bytes]) -> None:
        self.child, self.alive, self.was_ready = child, False, False
        self._decoders = decoders
        self._transport: Any = None
        self._head, self._content, self._got = bytearray(ANSWER.size), bytearray(), 0
        self._answer: asyncio.Future[_Answer] | None = None
        self._overdue: asyncio.TimerHandle | None = None

    def ask(self, image: bytes, preprocessing: bytes) -> asyncio.Future[_Answer]:
        """Begin with an image; it has so many seconds, whether anybody waits or not."""
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        self._answer.add_done_callback(lambda answer: answer.cancelled() or answer.exception())  # nobody may wait
        self._overdue = loop.call_later(self._decoders.seconds, self._give_up)
        self._transport.writelines([QUESTION.pack(len(preprocessing), len(image)), preprocessing, image])
        return self._answer

    def kill(self) -> None:
        """End it."""
        self.child.kill()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: Any) -> None:
        """The socket is open; the process says by itself when it is ready."""
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go: first the head, then what it announces."""
        head = len(self._head)
        return (
            memoryview(self._head)[self._got :] if self._got < head else memoryview(self._content)[self._got - head :]
        )

    def buffer_updated(self, nbytes: int) -> None:
        """So many have come."""
        self._got += nbytes
        head = len(self._head)
        if self._got < head:
            return
        fine, height, width, size = ANSWER.unpack(self._head)
        if self._got == head:
            self._content = bytearray(size)
        if self._got == head + size:
            content, self._content, self._got = self._content, bytearray(), 0
            self._done((fine, height, width, content))

    def connection_lost(self, error: Exception | None) -> None:
        """The process has ended, or was ended."""
        self.alive = False
        self._settle(RefusedError(500, "the decoder failed at this image", "send it in another format"))
        self.child.kill()
        self._decoders.is_lost(self)

    def _done(self, answer: _Answer) -> None:
        self.alive = self.was_ready = True
        self._settle(answer)
        self._decoders.is_free(self)

    def _give_up(self) -> None:
        self._settle(unusable(f"this image took more than {self._decoders.seconds:g} seconds to decode"))
        self.alive = False
        self.kill()

    def _settle(self, found: _Answer | RefusedError) -> None:
        answer, self._answer = self._answer, None
        if self._overdue is not None:
            self._overdue.cancel()
        if answer is None or answer.done():
            return
        if isinstance(found, RefusedError):
            answer.set_exception(found)
        else:
            answer.set_result(found)
