"""Who may ask: a bearer token, the names under which the server may be called, and pages of other sites."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit

from topwork.server._limits import App, Receive, Send, send_refusal
from topwork.server._refusal import RefusedError
from topwork.server._settings import Settings, is_loopback

_OPEN = ("/", "/healthz", "/readyz", "/v2/health/live", "/v2/health/ready")
_OPEN_UNDER = "/static/"
"""What needs no token: what a load balancer looks at, and the page, which then asks for the token."""


class Access:
    """ASGI middleware: lets a request through, or refuses it with 401 or 403.

    A page of another site can make a browser call this machine: under a name of its own (so names are checked, unless a
    token is asked for, which that browser does not have), or across origins (so ``Origin`` has to be our own).
    """

    def __init__(self, app: App, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._names = {name.lower() for name in (settings.host, *settings.allow_hosts)}
        self._any = not is_loopback(settings.host) and settings.token is not None and not settings.allow_hosts

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http":
            try:
                self._check(scope["path"], dict(scope["headers"]))
            except RefusedError as refusal:
                return await send_refusal(send, refusal)
        await self._app(scope, receive, send)

    def _check(self, path: str, headers: dict[bytes, bytes]) -> None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        name = host_name(host)
        if not (self._any or self._is_ours(name)):
            raise RefusedError(403, f"this server is not called {name[:80]!r}", "start it with --allow-host NAME")
        origin = headers.get(b"origin")
        if origin is not None and _address(origin.decode("latin-1").lower()) != host:
            raise RefusedError(403, "a page of another site may not use this server", "open the server's own page")
        token = self._settings.token
        if token is None or path in _OPEN or path.startswith(_OPEN_UNDER):
            return
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(given, token.encode()):
            needed = {"www-authenticate": "Bearer"}
            raise RefusedError(401, "this server needs a token", "send the header Authorization: Bearer TOKEN", needed)

    def _is_ours(self, name: str) -> bool:
        if is_loopback(name) or name in self._names:
            return True
        return not is_loopback(self._settings.host) and _is_address(name)


def host_name(host: str) -> str:
    """A ``Host`` header without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host


def _address(origin: str) -> str | None:
    """The name and port of an ``Origin``; None where it has none."""
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
