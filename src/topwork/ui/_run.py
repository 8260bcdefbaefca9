"""Serving the page on this machine alone, and opening it."""

from __future__ import annotations

import contextlib
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topwork._system import optional
from topwork.server import listening

if TYPE_CHECKING:
    import socket

    from topwork._texts import Language

_HOST = "127.0.0.1"
_SECONDS = 1  # in which open streams may end by themselves


def run(
    data: Path | None = None,
    *,
    work: Path = Path("topwork-ui"),
    port: int = 0,
    browser: bool = True,
    language: Language = "en",
    tell: Callable[[str], None] = print,
) -> None:
    """Serve the page until Ctrl-C, and stop what is being done then.

    Args:
        data: What is checked at once; None leaves it to the page.
        work: Where uploaded data go, and what is made of them; made with the first upload.
        port: To listen on; 0 takes a free one.
        browser: Whether to open the page.
        language: Of the page, to begin with.
        tell: Called with an address that opens the page, once; with another one when somebody came with a used one.

    Raises:
        MissingExtraError: The extra ``serve`` is not installed.
        DataError: There is nothing at ``data``.
        TopworkError: The port is taken.
    """
    for package in ("fastapi", "uvicorn"):
        optional(package, extra="serve", what="the page")
    import uvicorn

    from topwork.ui._app import create_app
    from topwork.ui._door import Door
    from topwork.ui._session import Session

    session = Session(language)
    with listening(_HOST, port) as listener, contextlib.closing(session):
        door = Door(listener.getsockname()[1], tell)
        if data is not None:
            session.give(data)
        app = create_app(session, door, work)

        class Server(uvicorn.Server):
            """Tells its address once Ctrl-C ends it: before, an import may swallow that."""

            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets=sockets)
                address = door.address()
                tell(address)
                if browser:
                    webbrowser.open(address)

        how: Any = {"ws": "none", "log_level": "warning", "access_log": False}
        server = Server(uvicorn.Config(app, timeout_graceful_shutdown=_SECONDS, **how))
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again once it has shut down
            server.run(sockets=[listener])
