"""Limits on what comes in, before any application sees it: heads, bodies, and the memory and time that they take.

A request that is refused before its body was read is answered at once; what still comes is read and thrown away for a
while, since a connection that is closed on a client that still sends may take the answer with it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from topwork.server._refusal import RefusedError, too_busy
from topwork.server._settings import Settings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

HEAD_BYTES = 16 * 1024
"""Of a request's head: its address and its headers."""

LINGER = 2.0
"""Seconds in which the rest of what was refused is still read."""

_HEADERS = 100
_SMALL = 256 * 1024  # bytes of a body that are always taken, however much the others hold
_ANSWERING = ("/predict", "/infer", "/collect")  # what these paths end in takes a place among what is under way


async def send_refusal(send: Send, refusal: RefusedError, accept: bytes = b"") -> None:
    """Answer with a refusal, outside of any framework; in the language of an ``Accept-Language``."""
    body = refusal.body_for(accept.decode("latin-1"))
    headers = {"content-type": "application/json", "content-length": str(len(body)), **refusal.headers}
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


class Limits:
    """ASGI middleware: the largest head and body, all bodies together, and how long a body may take to come.

    Args:
        app: What answers; it hears of a limit as a ``RefusedError`` out of ``receive``.
        settings: With the limits.
        is_full: Whether nothing more is taken: then what asks for answers is refused here, before any routing, so that
            the rest of the processor is left to what was accepted.
    """

    def __init__(self, app: App, settings: Settings, is_full: Callable[[], bool]) -> None:
        self._app, self._settings, self._is_full = app, settings, is_full
        self._held = _Held(settings.held_bytes)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        body = _Body(scope, receive, send, self._settings, self._held)
        try:
            body.check()
            if scope["path"].endswith(_ANSWERING) and self._is_full():
                raise too_busy()
            await self._app(scope, body.receive, body.send)
        except RefusedError as refusal:  # where the application let it pass
            if body.answered:
                raise
            await send_refusal(body.send, refusal, dict(scope["headers"]).get(b"accept-language", b""))
        finally:
            body.release()


class _Held:
    """Bytes of the large bodies of all requests that are not answered yet."""

    def __init__(self, most: int) -> None:
        self.most, self.now = most, 0


class _Body:
    """One request's body on its way in, and its answer on the way out."""

    def __init__(
        self, scope: MutableMapping[str, Any], receive: Receive, send: Send, settings: Settings, held: _Held
    ) -> None:
        self._scope, self._receive, self._send, self._settings, self._held = scope, receive, send, settings, held
        named = dict(scope["headers"])
        length = named.get(b"content-length", b"0")
        self._declared = int(length) if length.isdigit() else 0
        self._twice = b"transfer-encoding" in named and b"content-length" in named
        self._unread = self._declared > 0 or b"transfer-encoding" in named
        self._got = self._kept = 0
        self._close = self._twice
        self._until: float | None = None
        self.answered = False

    def check(self) -> None:
        """Refuse what the head alone tells."""
        headers = self._scope["headers"]
        size = sum(len(name) + len(value) for name, value in headers)
        if len(headers) > _HEADERS or size > HEAD_BYTES:
            raise RefusedError(431, f"the request has more than {_HEADERS} headers or {HEAD_BYTES:,} bytes of them")
        if len(self._scope["raw_path"]) + len(self._scope["query_string"]) > HEAD_BYTES:
            raise RefusedError(414, f"the address has more than {HEAD_BYTES:,} bytes")
        if self._twice:  # a proxy may believe the one and we the other, and see another request in the body
            raise RefusedError(400, "the request tells the length of its body in two ways")
        if dict(headers).get(b"content-encoding", b"identity").strip().lower() != b"identity":
            raise RefusedError(415, "a compressed body is not taken", "send it as it is; images are compressed already")
        if self._declared > self._settings.max_bytes:
            raise self._too_large()

    async def receive(self) -> Message:
        """The next piece.

        Raises:
            RefusedError: 413 where it is too much, 503 where all bodies together are, 408 where it takes too long.
        """
        if not self._unread:
            return await self._receive()
        loop = asyncio.get_running_loop()
        self._until = self._until or loop.time() + self._settings.upload_seconds
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            self._close = True
            seconds = self._settings.upload_seconds
            raise RefusedError(408, f"the body was not there within {seconds:g} seconds", "send less at once") from None
        size = self._note(message)
        if self._got > self._settings.max_bytes:
            raise self._too_large()
        more = min(size, max(self._got - _SMALL, 0))
        if self._held.now + more > self._held.most:
            raise too_busy()
        self._kept += more
        self._held.now += more
        return message

    async def send(self, message: Message) -> None:
        """The answer; before its end the rest of the body is read, as far as that is worth while."""
        if message["type"] == "http.response.start":
            self.answered = True
            if self._close:
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        elif self._unread and not message.get("more_body", False):
            self.release()
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    def release(self) -> None:
        """The body is not held any more."""
        self._held.now -= self._kept
        self._kept = 0

    async def _linger(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                while self._unread and self._got <= 2 * self._settings.max_bytes:
                    self._note(await self._receive())

    def _note(self, message: Message) -> int:
        size = len(message.get("body", b""))
        self._got += size
        self._unread = message["type"] == "http.request" and message.get("more_body", False)
        return size

    def _too_large(self) -> RefusedError:
        self._close = True
        most = self._settings.max_bytes
        return RefusedError(413, f"the body has more than {most:,} bytes", "send a smaller image, or fewer at once")
