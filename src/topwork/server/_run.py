"""The process: uvicorn on one address, and an end in order: not ready, the door closed, what is under way answered."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from topwork._system import optional
from topwork.errors import TopworkError
from topwork.server._app import app_of
from topwork.server._log import in_words, log, log_others
from topwork.server._service import Service
from topwork.server._settings import Settings
from topwork.server._wire import protocol


def run(settings: Settings, tell: Callable[[str], None] = lambda address: None) -> None:
    """Serve until a signal ends it; the first SIGTERM or Ctrl-C does so in order, the second at once.

    Args:
        settings: All that it goes by.
        tell: Called with its address where a person reads along, at a terminal; elsewhere the log has it.

    Raises:
        TopworkError: A model cannot be read or prepared, the address is taken, or a package is missing.
    """
    for module in ("uvicorn", "fastapi", "prometheus_client", "python_multipart"):
        optional(module, extra="serve", what="the server")
    log_others()
    with listening(settings.host, settings.port) as door:
        service = Service(settings)
        server = _server(app_of(service), service)
        host, port = door.getsockname()[:2]
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        log("listening", address=address, models=_names(service))
        if in_words():
            tell(address)
        server.run(sockets=[door])
    if service.failure is not None:
        raise service.failure
    log("ended")


def _names(service: Service) -> list[str]:
    return [each.name for each in service.models]


def listening(host: str, port: int) -> socket.socket:
    """A socket that is bound to an address, for uvicorn; port 0 takes a free one.

    Raises:
        TopworkError: The address is taken, or is none of this machine's.
    """
    host = host.strip("[]")  # as an address of IPv6 stands in a URL
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Without the protocol's name asyncio leaves Nagle's algorithm on: 44 ms an answer.
    door = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((host, port))
    except OSError as error:
        door.close()
        raise TopworkError(
            f"cannot listen on {host}: port {port} cannot be used: {error.strerror}",
            hint="choose another with --port, or 0 for any that is free",
        ) from error
    return door


def _server(app: Any, service: Service) -> Any:
    import uvicorn

    settings = service.settings

    class Server(uvicorn.Server):
        """Takes its leave in order."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            """Say "not ready" first; the door closes a moment later, or at once when it is asked twice."""
            if service.draining or not settings.notice:
                self.force_exit = self.should_exit
                self.should_exit = True
                return
            service.draining = True
            log("ending", signal=signal.Signals(sig).name, notice=settings.notice)
            threading.Timer(settings.notice, self._close).start()

        async def on_tick(self, counter: int) -> bool:
            """Ten times a second: whether it is over."""
            return await super().on_tick(counter) or service.failure is not None

        def _close(self) -> None:
            self.should_exit = True

    config = uvicorn.Config(
        app,
        http=protocol(settings),
        loop="asyncio",  # uvloop takes in one connection a turn: new ones waited for seconds to be refused
        log_config=None,
        access_log=False,
        ws="none",
        lifespan="on",
        timeout_keep_alive=settings.keep_alive,
        timeout_graceful_shutdown=int(settings.drain),
        server_header=False,
        date_header=True,
    )
    return Server(config)
