"""A load client in a process of its own: raw HTTP/1.1 over asyncio, so that it takes little of what it measures.

Closed loop: so many clients, each sends again as soon as it has its answer. Open loop: requests leave at fixed times
whether or not earlier ones were answered, and a latency counts from the time when its request was due, so a server that
stalls cannot hide it. Bodies are JPEGs, each in a multipart form as a browser or ``curl -F`` sends it, or bare.

    python bench/_load.py URL IMAGES --seconds 10 (--clients 32 | --rate 1000)     one JSON object on stdout
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 30.0  # seconds until an answer is given up
CONNECTIONS = 2000  # open at once in the open loop at most; what finds none free is counted as lost
_BOUNDARY = "topwork-bench"
_LOST = 0  # the status of a request whose connection failed or that was given up


@dataclass(frozen=True)
class Shot:
    """One request: when it was due and answered, in seconds from the start, and the status; 0 where none came."""

    due: float
    done: float
    status: int

    @property
    def latency(self) -> float:
        return self.done - self.due


@dataclass(frozen=True)
class Load:
    """What came of a load. Latencies in milliseconds."""

    seconds: float
    late_p99: float
    shots: tuple[Shot, ...]

    @property
    def statuses(self) -> dict[int, int]:
        return dict(Counter(shot.status for shot in self.shots))

    @property
    def rate(self) -> float:
        """Requests that were answered with 200 while the load lasted, a second."""
        return sum(shot.status == 200 and shot.done <= self.seconds for shot in self.shots) / self.seconds

    @property
    def accepted(self) -> list[float]:
        return sorted(1000 * shot.latency for shot in self.shots if shot.status == 200)

    @property
    def refused(self) -> list[float]:
        return sorted(1000 * shot.latency for shot in self.shots if shot.status == 503)


def quantile(values: list[float], share: float) -> float:
    """Of ascending values, by the nearest rank; NaN of none."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def run(url: str, images: Path, seconds: float, **options: float | str) -> Load:
    """Load a server from another process, until every answer is there."""
    command = [sys.executable, __file__, url, str(images), "--seconds", str(seconds)]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return Load(found["seconds"], found["late_p99"], tuple(Shot(*shot) for shot in found["shots"]))


class _Connection(asyncio.Protocol):
    """One keep-alive connection with one request at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[int] | None = None
        self._bytes = bytearray()
        self._transport: Any = None
        self.usable = False

    def connection_made(self, transport: Any) -> None:
        self._transport, self.usable = transport, True

    def connection_lost(self, error: Exception | None) -> None:
        self.usable = False
        self._end(_LOST)

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        head, found, body = self._bytes.partition(b"\r\n\r\n")
        if not found:
            return
        lines = bytes(head).lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        if len(body) >= length:
            self.usable = b"connection: close" not in lines
            self._bytes.clear()
            self._end(int(lines[0][9:12]))

    async def ask(self, request: bytes) -> int:
        self._answer = self._loop.create_future()
        self._transport.write(request)
        try:
            return await asyncio.wait_for(self._answer, PATIENCE)
        except TimeoutError:
            self.close()
            return _LOST

    def close(self) -> None:
        self.usable = False
        self._transport.close()

    def _end(self, status: int) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(status)


class _Client:
    """Sends requests over connections that it keeps, and notes when each was answered."""

    def __init__(self, host: str, port: int, requests: list[bytes]) -> None:
        self._where = (host, port)
        self._requests = requests
        self._free: deque[_Connection] = deque()  # the oldest first, so that none lies idle until it is closed
        self._open = 0
        self._sent = 0
        self._start = time.perf_counter()
        self.shots: list[Shot] = []
        self.lateness: list[float] = []

    def now(self) -> float:
        return time.perf_counter() - self._start

    async def shoot(self, due: float) -> None:
        status = await self._status()
        self.shots.append(Shot(round(due, 5), round(self.now(), 5), status))

    async def _status(self) -> int:
        request = self._requests[self._sent % len(self._requests)]
        self._sent += 1
        try:
            connection = await self._connection()
        except OSError:
            return _LOST
        status = await connection.ask(request)
        if connection.usable:
            self._free.append(connection)
        else:
            self._open -= 1
        return status

    async def _connection(self) -> _Connection:
        while self._free:
            if (kept := self._free.popleft()).usable:
                return kept
            self._open -= 1
        if self._open >= CONNECTIONS:
            raise OSError("too many connections are waiting")
        self._open += 1
        try:
            return (await asyncio.get_running_loop().create_connection(_Connection, *self._where))[1]
        except OSError:
            self._open -= 1
            raise

    async def closed(self, clients: int, seconds: float) -> None:
        async def client() -> None:
            while self.now() < seconds:
                await self.shoot(self.now())

        await asyncio.gather(*(client() for _ in range(clients)))

    async def opened(self, rate: float, seconds: float) -> None:
        flying: set[asyncio.Task[None]] = set()
        for number in range(int(rate * seconds)):
            due = number / rate
            if (early := due - self.now()) > 0:
                await asyncio.sleep(early)
            self.lateness.append(1000 * max(0.0, self.now() - due))
            task = asyncio.create_task(self.shoot(due))
            flying.add(task)
            task.add_done_callback(flying.discard)
        await asyncio.gather(*flying)


def requests(url: str, images: Path, form: bool) -> list[bytes]:
    """Whole requests, ready to be written, one for each image of a folder."""
    parts = urlsplit(url)
    kind = f"multipart/form-data; boundary={_BOUNDARY}" if form else "image/jpeg"
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    found = []
    for path in sorted(images.iterdir()):
        body = _form(path) if form else path.read_bytes()
        fields = {"Host": parts.netloc, "Content-Type": kind, "Content-Length": str(len(body))}
        head = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        found.append("\r\n".join([*head, "", ""]).encode() + body)
    return found


def _form(path: Path) -> bytes:
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="{path.name}"\r\n'
    return f"{head}Content-Type: image/jpeg\r\n\r\n".encode() + path.read_bytes() + f"\r\n--{_BOUNDARY}--\r\n".encode()


async def _load(options: argparse.Namespace) -> dict[str, Any]:
    parts = urlsplit(options.url)
    client = _Client(
        str(parts.hostname), int(parts.port or 80), requests(options.url, options.images, options.body == "form")
    )
    if options.rate:
        await client.opened(options.rate, options.seconds)
    else:
        await client.closed(options.clients, options.seconds)
    shots = [list(asdict(shot).values()) for shot in client.shots]
    late = quantile(sorted(client.lateness), 0.99) if options.rate else 0.0
    return {"seconds": options.seconds, "late_p99": late, "shots": shots}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("images", type=Path)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rate", type=float, default=0, help="open loop: requests a second")
    parser.add_argument("--body", choices=("form", "raw"), default="form")
    print(json.dumps(asyncio.run(_load(parser.parse_args()))))


if __name__ == "__main__":
    main()
