"""What uvicorn leaves open on a connection: heads that never end, that are too large, and too many connections.

uvicorn's protocol (httptools' parser where it is installed, else h11's) is taken as it is; this stands around it.
"""

from __future__ import annotations

import asyncio
import importlib.util
from typing import Any

from topwork.server._limits import HEAD_BYTES, LINGER
from topwork.server._refusal import RefusedError
from topwork.server._settings import Settings

_REASONS = {
    400: "Bad Request",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


def protocol(settings: Settings) -> type[asyncio.Protocol]:
    """The protocol for HTTP within these limits."""
    base: Any = _base()

    class Limited(base):  # type: ignore[misc]
        """One connection."""

        _head = 0  # bytes since the last request's head was whole
        _timer: asyncio.TimerHandle | None = None
        _ending = False

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > settings.max_connections:
                self._refuse(RefusedError(503, "too many connections", "try again in a second", {"retry-after": "1"}))
            self._await_head()

        def data_received(self, data: bytes) -> None:
            if self._ending:
                return
            before = self.cycle
            waiting = before is None or before.response_complete
            super().data_received(data)
            if self.cycle is not before:
                self._head = 0
                self._stop_waiting()
            elif waiting and not self._ending:
                self._head += len(data)
                self._await_head()
                if self._head > 2 * HEAD_BYTES:
                    self._refuse(RefusedError(431, f"the request's head has more than {HEAD_BYTES:,} bytes"))

        def eof_received(self) -> None:
            if self._ending:
                self.transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def send_400_response(self, msg: str) -> None:
            self._refuse(RefusedError(400, "the request is not valid HTTP"))

        def _await_head(self) -> None:
            if self._timer is None:
                self._timer = self.loop.call_later(settings.header_seconds, self._late)

        def _stop_waiting(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _late(self) -> None:
            self._timer = None
            if not self._ending and (self.cycle is None or self.cycle.response_complete):
                seconds = settings.header_seconds
                self._refuse(RefusedError(408, f"the request's head was not there within {seconds:g} seconds"))

        def _refuse(self, refusal: RefusedError) -> None:
            """Answer past the parser, and read on for a moment, so that the answer is not lost with the connection."""
            self._stop_waiting()
            if self._ending or self.transport.is_closing():
                return
            self._ending = True
            answered = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
            if answered:
                self.transport.close()
                return
            self.transport.write(_raw(refusal))
            self.transport.resume_reading()
            self.loop.call_later(LINGER, self.transport.close)

    return Limited


def _base() -> Any:
    if importlib.util.find_spec("httptools") is not None:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

        return HttpToolsProtocol
    from uvicorn.protocols.http.h11_impl import H11Protocol

    return H11Protocol


def _raw(refusal: RefusedError) -> bytes:
    body = refusal.body
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
        **refusal.headers,
    }
    lines = [f"HTTP/1.1 {refusal.status} {_REASONS[refusal.status]}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
