"""How a decoded image comes back from another process: over the socket, or through shared memory.

Run it alone on the machine: ``python bench/server_transport.py``. Both ways are as a decoder does it: one image at a
time, 40 kB there, 224 × 224 × 3 bytes back, waited for in an event loop.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable

IMAGE, PIXELS, ROUNDS = 40_000, 224 * 224 * 3, 2_000


def child(number: int, memory: int) -> None:
    """Gets images and gives pixels; through the memory where there is one."""
    connection = socket.socket(fileno=number)
    shared = mmap.mmap(memory, PIXELS) if memory >= 0 else None
    pixels = os.urandom(PIXELS)
    while True:
        got = 0
        while got < IMAGE:
            some = connection.recv(IMAGE - got)
            if not some:
                return
            got += len(some)
        if shared is None:
            connection.sendall(pixels)
        else:
            shared[:] = pixels
            connection.sendall(b"!")


async def measure(with_memory: bool) -> tuple[float, float]:
    """Milliseconds an image, and those of them that this process worked."""
    ours, theirs = socket.socketpair()
    for each in (ours, theirs):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**20)
    memory = os.memfd_create("pixels") if with_memory else -1
    if with_memory:
        os.ftruncate(memory, PIXELS)
    handed = [theirs.fileno()] + [memory] * with_memory
    command = [sys.executable, __file__, str(theirs.fileno()), str(memory)]
    with subprocess.Popen(command, pass_fds=handed) as process:
        theirs.close()
        ours.setblocking(False)
        take = _from_memory(mmap.mmap(memory, PIXELS)) if with_memory else _from_socket()
        image, loop = os.urandom(IMAGE), asyncio.get_running_loop()
        start, worked = 0.0, 0.0
        for number in range(-100, ROUNDS):
            if number == 0:
                start, worked = time.perf_counter(), time.process_time()
            await loop.sock_sendall(ours, image)
            await take(loop, ours)
        found = (time.perf_counter() - start) / ROUNDS * 1e3, (time.process_time() - worked) / ROUNDS * 1e3
        ours.close()
        process.wait()
    return found


def _from_socket() -> Callable[..., object]:
    async def take(loop: asyncio.AbstractEventLoop, ours: socket.socket) -> bytearray:
        content = bytearray(PIXELS)
        view, got = memoryview(content), 0
        while got < PIXELS:
            got += await loop.sock_recv_into(ours, view[got:])
        return content

    return take


def _from_memory(shared: mmap.mmap) -> Callable[..., object]:
    async def take(loop: asyncio.AbstractEventLoop, ours: socket.socket) -> bytes:
        await loop.sock_recv(ours, 1)
        return shared[:]

    return take


if __name__ == "__main__":
    if len(sys.argv) == 3:
        child(int(sys.argv[1]), int(sys.argv[2]))
    else:
        for name, way in (("socket", False), ("shared memory", True)) * 3:
            whole, own = asyncio.run(measure(way))
            print(f"{name}: {whole:.3f} ms an image, {own:.3f} of them work of the server's process")
