"""A small server of files on loopback, and the faults that servers of data sets have."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest


@dataclass(frozen=True)
class Request:
    """One request that arrived."""

    path: str
    range: str
    if_range: str


class Server:
    """Files by their paths; serves them at ``url`` until it is closed.

    Attributes:
        cuts: Each of the next answers breaks off after so many bytes.
        stalls: Each of the next answers says nothing more after so many bytes.
        statuses: What the next requests are answered with.
        ranges: Whether a part of a file may be asked for.
        tags: Whether an ETag is sent.
        lengths: Whether the length is told.
        redirect: Where every request is sent on to.
        odd_range: Whether a part begins elsewhere than asked for.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[Request] = []
        self.cuts: list[int] = []
        self.stalls: list[int] = []
        self.statuses: list[int] = []
        self.ranges = self.tags = self.lengths = True
        self.odd_range = False
        self.redirect = ""
        self.done = Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self.done.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def __init__(self, served: Server, *arguments: Any) -> None:
        self.served = served
        super().__init__(*arguments)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        served, told = self.served, self.headers
        served.requests.append(Request(self.path, told.get("Range", ""), told.get("If-Range", "")))
        content = served.files.get(self.path)
        if served.statuses or content is None:
            return self._send(served.statuses.pop(0) if served.statuses else 404, b"", {})
        if served.redirect:
            return self._send(302, b"", {"Location": served.redirect})
        tag = f'"{hash(content)}"'
        headers = {"ETag": tag} if served.tags else {}
        asked = re.fullmatch(r"bytes=(\d+)-", told.get("Range", ""))
        if asked and served.ranges and told.get("If-Range", tag) == tag:
            start = int(asked[1]) - 3 * served.odd_range
            if start >= len(content):
                return self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return self._send(206, content[start:], headers)
        return self._send(200, content, headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        served = self.served
        cut = served.cuts.pop(0) if served.cuts and body else None
        stall = served.stalls.pop(0) if served.stalls and body else None
        self.close_connection = True
        self.send_response(status)
        length = {"Content-Length": str(len(body))} if served.lengths or not body else {}
        for name, value in {**headers, **length, "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # who asked has heard enough
            self.wfile.write(body[: stall if stall is not None else cut])
        if stall is not None:
            self.wfile.flush()
            served.done.wait(20)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of files; nothing waits before it tries again, no proxy stands between, and nothing is remembered."""
    monkeypatch.setattr("topwork._web._download._PAUSES", (0.0,) * 5)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("TOPWORK_CACHE", str(tmp_path_factory.mktemp("cache")))
    served = Server()
    yield served
    served.close()
