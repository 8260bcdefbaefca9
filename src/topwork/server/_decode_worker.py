"""A decoder's process: encoded images in, pixels as the network takes them out, over a socket. It may die.

It imports no network, no server and no task. It ends when the socket does, or when one image takes far too long.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import socket
import struct
import sys

from topwork._arrays import UInt8Array
from topwork.backbones import Preprocessing
from topwork.data import decode, image_size, shrunk
from topwork.errors import ImageError

QUESTION = struct.Struct("!II")
"""Bytes of the preprocessing's fields as JSON, and of the image; both follow."""

LONGEST = "longest"
"""The only field where the whole picture is wanted: to which side it may be made smaller."""

ANSWER = struct.Struct("!?III")
"""Whether it worked, the image's height and width as it is shown, and the bytes that follow."""


def serve(connection: socket.socket, seconds: float) -> None:
    """Answer until the other end is closed.

    Args:
        connection: Gets questions and gives answers.
        seconds: After which the process ends itself, where an image takes longer and nobody is left to end it.
    """
    connection.sendall(ANSWER.pack(True, 0, 0, 0))  # ready
    while head := _received(connection, QUESTION.size):
        fields, image = (_received(connection, size) for size in QUESTION.unpack(head))
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 2 * seconds)
        connection.sendall(_answer(fields, image))
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)


def _answer(fields: bytes, image: bytes) -> bytes:
    try:
        content, size = _pixels(fields, image).tobytes(), image_size(image)  # a large JPEG is decoded at a scale
    except ImageError as error:
        return _refused(error.message, error.hint)
    except MemoryError:
        return _refused("too large to decode safely: it needs more memory than a decoder may take", "make it smaller")
    return ANSWER.pack(True, *size, len(content)) + content


def _pixels(fields: bytes, image: bytes) -> UInt8Array:
    """The network's square; or the whole picture, made smaller where it is large."""
    how = json.loads(fields)
    if LONGEST in how:
        return shrunk(decode(image), how[LONGEST])
    preprocessing = _preprocessing(fields)
    return preprocessing(decode(image, min_side=preprocessing.min_side))


def _refused(error: str, hint: str) -> bytes:
    content = json.dumps([error, hint]).encode()
    return ANSWER.pack(False, 0, 0, len(content)) + content


@functools.lru_cache(maxsize=64)
def _preprocessing(fields: bytes) -> Preprocessing:
    return Preprocessing.from_dict(json.loads(fields))


def _received(connection: socket.socket, size: int) -> bytes:
    """So many bytes; none where the other end is closed."""
    content = bytearray(size)
    view, got = memoryview(content), 0
    while got < size:
        some = connection.recv_into(view[got:])
        if not some:
            return b""
        got += some
    return bytes(content)


def limit_memory(limit: int) -> None:
    """Let this process take no more memory than that, where the system can."""
    try:
        import resource
    except ImportError:
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def main() -> None:
    """The process: the socket's number, the bytes of memory and the seconds an image may take, as arguments."""
    number, memory, seconds = sys.argv[1:4]
    for name in ("SIGINT", "SIGTERM"):  # they reach the whole group; the server ends its decoders itself
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    limit_memory(int(memory))
    with contextlib.suppress(ConnectionError):
        serve(socket.socket(fileno=int(number)), float(seconds))
    os._exit(0)  # without what a process does at its end: there is nothing to keep


if __name__ == "__main__":
    main()
