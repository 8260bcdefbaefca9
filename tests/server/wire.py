"""A server in a process of its own, and a client that says what it likes: raw HTTP/1.1 over a socket.

A library for HTTP would refuse to send much of what these tests send.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from PIL import Image

from tests.model.samples import photos, textiles

BOUNDARY = "a-boundary-of-tests"
MOST, QUEUE, PARTS = 2**20, 8, 4  # what the shared server takes: bytes, inputs under way, parts of a form
SECONDS = 2.0  # that it gives a head, a body
REFUSED = (400, 413, 415, 422)
PATIENCE = 60.0  # seconds for what should take far less, on a machine where others run too
Part = tuple[str, str | None, bytes]  # the field's name, the file's, and the content


@dataclass(frozen=True)
class Reply:
    """What a server answered; ``status`` 0 where it closed the connection without a word."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def refused(self, *statuses: int) -> str:
        """The error of a refusal that has one of these statuses and the shape that all have."""
        assert self.status in statuses, self
        assert set(self.json) == {"error", "hint"}, self
        assert self.json["error"], self
        return str(self.json["error"])


class Wire:
    """One connection."""

    def __init__(self, port: int, patience: float = PATIENCE) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
        self._left = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Bytes as they are; a server that has closed already is no error: its answer counts."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            self._socket.sendall(data)

    def patient(self, seconds: float) -> None:
        """How long to wait for the other side from here on."""
        self._socket.settimeout(seconds)

    def reply(self) -> Reply:
        """The next answer."""
        head = self._until(b"\r\n\r\n")
        if not head:
            return Reply(0)
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return Reply(int(first.split()[1]), headers, self._exactly(int(headers.get("content-length", 0))))

    def closed(self) -> bool:
        """Whether the other side has closed, or does so in time."""
        with contextlib.suppress(ConnectionError):
            while self._socket.recv(65536):
                pass
        return True

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._left and self._more():
            pass
        found, _, self._left = self._left.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._left) < size and self._more():
            pass
        found, self._left = self._left[:size], self._left[size:]
        return found

    def _more(self) -> bool:
        try:
            some = self._socket.recv(65536)
        except ConnectionError:
            some = b""
        self._left += some
        return bool(some)


@dataclass(frozen=True)
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def wire(self) -> Wire:
        return Wire(self.port)

    def ask(self, method: str, target: str, body: bytes = b"", **headers: str) -> Reply:
        """One request over a connection of its own; ``content_type="image/jpeg"`` is a header."""
        with self.wire() as wire:
            wire.send(request(self.port, method, target, body, **headers))
            return wire.reply()

    def predict(self, *parts: Part, asked: str = "", **headers: str) -> Reply:
        return self.ask("POST", f"/predict{asked}", form(*parts), content_type=FORM, **headers)

    def image(self, content: bytes, asked: str = "") -> Reply:
        return self.predict(("image", "photo.jpg", content), asked=asked)

    def ready(self) -> bool:
        with contextlib.suppress(OSError):
            return self.ask("GET", "/readyz").status == 200
        return False

    def reachable(self) -> bool:
        """Whether anybody listens."""
        with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", self.port), 5):
            return True
        return False

    def await_ready(self, patience: float = 60) -> None:
        end = time.monotonic() + patience
        while time.monotonic() < end and self.process.poll() is None:
            if self.ready():
                return
            time.sleep(0.02)
        raise AssertionError(f"not ready:\n{self.log.read_text()}")

    def decoders(self) -> list[int]:
        """Numbers of the processes that decode."""
        return [pid for pid in children(self.process.pid) if b"decode" in command_line(pid)]

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


FORM = f"multipart/form-data; boundary={BOUNDARY}"


def request(port: int, method: str, target: str, body: bytes = b"", **headers: str) -> bytes:
    """A request; each header may be given otherwise, and is left out where it is empty."""
    fields = {"host": f"127.0.0.1:{port}", "content_length": str(len(body)), **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items() if value]
    return "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode("latin-1") + body


def form(*parts: Part) -> bytes:
    """The body of a form."""
    found = b""
    for name, file, content in parts:
        said = f'form-data; name="{name}"' + (f'; filename="{file}"' if file is not None else "")
        found += f"--{BOUNDARY}\r\nContent-Disposition: {said}\r\n\r\n".encode() + content + b"\r\n"
    return found + f"--{BOUNDARY}--\r\n".encode()


def children(pid: int) -> list[int]:
    """Processes that a process has started and that live."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread may end meanwhile
            found += map(int, task.read_text().split())
    return found


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended meanwhile
        return b""


@contextlib.contextmanager
def started(command: Sequence[object], folder: Path, **environment: str) -> Iterator[Server]:
    """A server on a port that it takes itself, so that nobody else has it; ended at last whatever happens."""
    handle, name = tempfile.mkstemp(".log", "server-", folder)
    log = Path(name)
    with os.fdopen(handle, "wb") as out:
        process = subprocess.Popen(
            [str(each) for each in command], stdout=out, stderr=out, env={**os.environ, **environment}
        )
    try:
        server = Server(process, _port_of(process, log), log)
        server.await_ready()
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
        if process.poll() is None:
            process.kill()
            process.wait()


def _port_of(process: subprocess.Popen[bytes], log: Path) -> int:
    """The port that a server says it listens on."""
    assert until(lambda: b'"listening"' in log.read_bytes() or process.poll() is not None)
    found = re.search(r'"address": "http://[^"]*:(\d+)"', log.read_text())
    assert found, f"it listens nowhere:\n{log.read_text()}"
    return int(found[1])


def with_settings(folder: Path, models: Sequence[Path], **settings: Any) -> contextlib.AbstractContextManager[Server]:
    """A server with limits that the command line does not have; those of time are for a machine that others use too."""
    ample = dict.fromkeys(("deadline", "decode_seconds", "header_seconds", "upload_seconds"), PATIENCE)
    given = {"models": tuple(models), "port": 0, **ample, **settings}
    code = f"from pathlib import *; from topwork.server import Settings, run; run(Settings(**{given!r}))"
    return started([sys.executable, "-c", code], folder)


def from_command_line(
    folder: Path, *arguments: object, **environment: str
) -> contextlib.AbstractContextManager[Server]:
    """``topwork serve``."""
    return started([sys.executable, "-m", "topwork", "serve", *arguments, "--port", 0], folder, **environment)


def at_once(work: Callable[[int], Reply], count: int, threads: int = 16) -> list[Reply]:
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, range(count)))


def labels(reply: Reply) -> list[str]:
    assert reply.status == 200, reply
    return [each.get("label", each.get("error")) for each in reply.json["predictions"]]


def alike(found: Any, expected: Any, within: float = 1e-4) -> None:
    """The same but for rounding: on some processors an image among others has other last bits than alone."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            alike(found[name], value, 0.02 if name == "bbox" else within)  # pixels, told to a hundredth
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            alike(one, other, within)
    elif isinstance(expected, float):
        assert abs(found - expected) <= within, (found, expected)
    else:
        assert found == expected


def figure(server: Server, name: str) -> float:
    """A gauge of /metrics."""
    text = server.ask("GET", "/metrics").body.decode()
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found, text
    return float(found[1])


def until(true: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return False


def jpeg(path: Path, width: int = 400, height: int = 360, **options: Any) -> bytes:
    with Image.open(path) as picture:
        small = picture.convert("RGB").resize((width, height))
    with io.BytesIO() as file:
        small.save(file, "JPEG", **options)
        return file.getvalue()


PHOTO = jpeg(photos()[9])
TEXTILE = jpeg(textiles("nominal")[9])


def png_bomb(side: int) -> bytes:
    """A true one: a few kilobytes that unpack to ``side`` × ``side`` black pixels."""
    row = zlib.compressobj(9)
    data = b"".join(row.compress(bytes(side // 8 + 1)) for _ in range(side)) + row.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def of_another_size(image: bytes, marker: bytes, width: int, height: int) -> bytes:
    """A JPEG whose header says another size."""
    place = image.index(marker) + 5
    return image[:place] + struct.pack(">HH", height, width) + image[place + 4 :]


BAD = {
    "PNG bomb": png_bomb(20_000),
    "JPEG bomb": of_another_size(PHOTO, b"\xff\xc0", 65_500, 65_500),
    "progressive JPEG bomb": of_another_size(jpeg(photos()[0], progressive=True), b"\xff\xc2", 65_500, 65_500),
    "progressive JPEG, large and short": of_another_size(jpeg(photos()[0], progressive=True), b"\xff\xc2", 9000, 9000),
    "half a JPEG": PHOTO[: len(PHOTO) // 2],
    "three bytes": PHOTO[:3],
    "a text": b"not an image" * 100,
    "an SVG that asks another server": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1:1/"/></svg>',
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
    "zeros": bytes(100_000),
}
