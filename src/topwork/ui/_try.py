"""Trying the model: the server's own routes and page over the session's model, below ``/model/``.

A model that is fitted again in the same folder is read again by the server itself; another folder opens another.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from topwork.server import Settings
from topwork.server import create_app as create_server
from topwork.ui._session import Data, Session

BELOW = "/model"

_PATIENCE = 30.0  # seconds
_PAUSE = 0.05


class Trying:
    """The server of the model that the session has, opened when somebody asks."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._open = contextlib.AsyncExitStack()
        self._lock = asyncio.Lock()
        self._path: Path | None = None
        self._app: FastAPI | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request below ``BELOW``."""
        state = self._session.state
        if state.fitted is None or state.data is None:
            await Response(status_code=404)(scope, receive, send)
            return
        async with self._lock:
            if self._path != state.fitted.model or self._app is None:
                await self._begin(state.fitted.model, state.data)
            app = self._app
        path = scope["path"].removeprefix(BELOW) or "/"
        assert app is not None
        if path == "/predict":
            await _prepared(app)
        await app({**scope, "path": path, "raw_path": path.encode()}, receive, _framed(send))

    async def _begin(self, path: Path, data: Data) -> None:
        await self.close()
        app = create_server(Settings(models=(path,), collect=data.corrected))
        await self._open.enter_async_context(app.state.service.running())
        self._path, self._app = path, app

    async def close(self) -> None:
        """End what the server holds."""
        await self._open.aclose()
        self._path = self._app = None


async def _prepared(app: FastAPI) -> None:
    """Wait for a model that was only just opened: one person need not hear that the server is busy."""
    end = time.monotonic() + _PATIENCE
    service = app.state.service
    while service.lacking() and service.failure is None and time.monotonic() < end:
        await asyncio.sleep(_PAUSE)


def _framed(send: Send) -> Send:
    """Let the page stand in ours, which it would not in any other."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if policy := headers.get("content-security-policy"):
                headers["content-security-policy"] = policy.replace("frame-ancestors 'none'", "frame-ancestors 'self'")
        await send(message)

    return sending
