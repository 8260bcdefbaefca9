"""Figures for Prometheus, in a registry of the server's own."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from topwork.server._limits import App, Message, Receive, Send
from topwork.server._log import log

if TYPE_CHECKING:
    from topwork.server._service import Service

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10)
_QUIET = ("/healthz", "/readyz", "/metrics")  # asked every few seconds
_SIZES = (1, 2, 4, 8, 16, 32)


class Metrics:
    """Counts and durations of requests, sizes of batches, and what the service is at."""

    def __init__(self, service: Service) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._registry = CollectorRegistry()
        into: Any = {"registry": self._registry}
        self._requests = Counter("topwork_requests", "Requests answered.", ("route", "status"), **into)
        self._seconds = Histogram(
            "topwork_request_seconds", "Time to the answer.", ("route",), buckets=_SECONDS, **into
        )
        self._batches = Histogram("topwork_batch_size", "Inputs a call of the engine.", buckets=_SIZES, **into)
        gauges = {
            "topwork_under_way": ("Inputs that are under way.", lambda: service.admission.used),
            "topwork_queue": ("Inputs that no engine has taken yet.", lambda: sum(m.waiting for m in service.models)),
            "topwork_decoders": ("Decoder processes that are up.", lambda: service.decoders.alive),
            "topwork_decoders_replaced": ("Decoder processes that were replaced.", lambda: service.decoders.replaced),
            "topwork_ready": ("Whether the server is ready.", lambda: not service.lacking()),
        }
        for name, (told, value) in gauges.items():
            Gauge(name, told, **into).set_function(value)

    def batch(self, size: int) -> None:
        """Note a call of an engine."""
        self._batches.observe(size)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Note an answer."""
        self._requests.labels(route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)


class Watched:
    """ASGI middleware: counts each request, and writes it to the log without what it holds.

    Of refusals for want of room, which may be thousands a second, one line a second says how many there were.
    """

    def __init__(self, app: App, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics
        self._refused, self._told = 0, 0.0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        status, start = 0, time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            self._note(scope, status, start)

    def _note(self, scope: MutableMapping[str, Any], status: int, start: float) -> None:
        now = time.perf_counter()
        route = getattr(scope.get("route"), "path", "other")
        self._metrics.request(route, status or 500, now - start)
        if route in _QUIET:
            return
        if status == 503:
            self._refused += 1
            if now - self._told >= 1:
                log("refused", status=503, count=self._refused)
                self._refused, self._told = 0, now
        else:
            log("request", method=scope["method"], route=route, status=status or 500, ms=round((now - start) * 1000, 1))
