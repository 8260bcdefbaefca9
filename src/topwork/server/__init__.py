"""The server: models over HTTP. In: model folders and limits. Out: an app that answers, drains, reloads and refuses.

Needs the extra ``serve``. What is heavy is imported when an app is made: a decoder's process is of this room, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from topwork.server._settings import Settings

if TYPE_CHECKING:
    import socket

    from fastapi import FastAPI

__all__ = ["Settings", "create_app", "listening", "run"]


def create_app(settings: Settings) -> FastAPI:
    """The server as an ASGI application; its ``state.service`` has the models, decoders and limits.

    Raises:
        TopworkError: A model cannot be read.
        MissingExtraError: The extra ``serve`` is not installed.
    """
    from topwork.server import _app

    return _app.create_app(settings)


def listening(host: str, port: int) -> socket.socket:
    """A socket that is bound to an address, for uvicorn; port 0 takes a free one.

    Raises:
        TopworkError: The address is taken, or is none of this machine's.
    """
    from topwork.server import _run

    return _run.listening(host, port)


def run(settings: Settings, tell: Callable[[str], None] = lambda address: None) -> None:
    """Serve until SIGTERM or Ctrl-C: then it says that it is not ready, closes the door, and answers what it has.

    Args:
        settings: All that it goes by.
        tell: Called with its address where stderr is a terminal; elsewhere a line of the log has it.

    Raises:
        TopworkError: A model cannot be read, or the address is taken.
        MissingExtraError: The extra ``serve`` is not installed.
    """
    from topwork.server import _run

    _run.run(settings, tell)
