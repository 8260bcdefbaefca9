"""The door: who may ask anything of the page, which reads any folder of this machine that is named to it.

The address that is opened holds a token that works once and is changed for a cookie: another user of the machine who
reads it from the list of processes comes too late. The names in Host and Origin are checked, so that a page from the
internet, which a browser may show at the same time, can neither ask nor read (DNS rebinding, cross-site requests).
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; frame-src 'self'; base-uri 'none'; frame-ancestors 'self'"
)
"""What a page may load and do: nothing that is not this server's, and nothing that stands in the page itself."""

_HEADERS = {  # a referrer to nowhere would make the Origin of our own forms null
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_TOKEN = "token"
_SAFE = ("GET", "HEAD")
_OPEN = "/ui/"  # the style of the page that says no


class Door:
    """Lets in who has the cookie, and gives it to who brings the token, once.

    Args:
        port: On which the page is served.
        renewed: Called with a new address when somebody came with one that was used up, or with none.
    """

    def __init__(self, port: int, renewed: Callable[[str], None] = lambda address: None) -> None:
        self.hosts = tuple(f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))
        self._cookie = f"topwork-{port}"  # cookies do not tell ports apart
        self._secret = secrets.token_urlsafe(32)
        self._renewed = renewed
        self._lock = threading.Lock()
        self._token = ""

    def address(self) -> str:
        """An address that opens the page, once; the same one until it has."""
        with self._lock:
            self._token = self._token or secrets.token_urlsafe(32)
            return f"http://{self.hosts[0]}/?{_TOKEN}={self._token}"

    def guard(self, app: ASGIApp, refused: Callable[[], str]) -> ASGIApp:
        """The app behind the door; ``refused`` gives the page of who may not come in."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await app(scope, receive, send)
                return
            if scope["type"] != "http":  # there are no web sockets here
                return
            await (self._answer(scope, refused) or app)(scope, receive, _with_headers(send))

        return guarded

    def _answer(self, scope: Scope, refused: Callable[[], str]) -> Response | None:
        """What is answered in the app's place; None where it may answer."""
        headers, method = Headers(scope=scope), scope["method"]
        if headers.get("host", "") not in self.hosts or not self._is_ours(headers, method):
            return Response("This address is not the page's own.", 403)
        token = parse_qs(scope["query_string"].decode("latin-1")).get(_TOKEN, [""])[-1]
        known = self._knows(headers)
        if scope["path"] == "/" and token and (known or self._takes(token)):
            return self._welcome()
        if known or scope["path"].startswith(_OPEN):
            return None
        if scope["path"] == "/" and method == "GET":
            self._renewed(self.address())
        return HTMLResponse(refused(), 403)

    def _is_ours(self, headers: Mapping[str, str], method: str) -> bool:
        """Whether a request comes from the page itself, or from no page."""
        origin = headers.get("origin")
        if origin is not None:
            return origin in [f"http://{host}" for host in self.hosts]
        return method in _SAFE or headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")

    def _takes(self, token: str) -> bool:
        with self._lock:
            right = bool(self._token) and hmac.compare_digest(token.encode(), self._token.encode())
            if right:
                self._token = ""
            return right

    def _knows(self, headers: Headers) -> bool:
        pairs = (each.strip().partition("=") for each in headers.get("cookie", "").split(";"))
        given = next((value for name, _, value in pairs if name == self._cookie), "")
        return hmac.compare_digest(given.encode(), self._secret.encode())

    def _welcome(self) -> Response:
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self._cookie, self._secret, httponly=True, samesite="strict", path="/")
        return answer


def _with_headers(send: Send) -> Send:
    """Send with the headers that every answer has; one that has its own keeps it."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
