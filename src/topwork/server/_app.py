"""The application: routes over a service, every error in one shape, and the middleware that stands before them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from topwork._version import __version__
from topwork.server._access import Access
from topwork.server._enrolling import enrolling_routes
from topwork.server._inference_protocol import inference_routes
from topwork.server._limits import Limits
from topwork.server._metrics import Watched
from topwork.server._page import page_routes
from topwork.server._refusal import RefusedError
from topwork.server._routes import health_routes, model_routes
from topwork.server._segmenting import segment_routes
from topwork.server._service import Service
from topwork.server._settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI


def create_app(settings: Settings) -> FastAPI:
    """The server as an ASGI application.

    Raises:
        TopworkError: A model cannot be read, or fastapi is not installed.
    """
    return app_of(Service(settings))


def app_of(service: Service) -> FastAPI:
    """The application over a service, which is in its ``state.service``."""
    from fastapi import FastAPI

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(title="topwork", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.service = service
    answer_errors(app)
    app.include_router(model_routes(service))  # first: the route that matters is found at once
    app.include_router(enrolling_routes(service))
    app.include_router(segment_routes(service))
    app.include_router(health_routes(service))
    app.include_router(inference_routes(service))
    app.include_router(page_routes(service))
    protect(app, service)
    return app


def protect(app: FastAPI, service: Service) -> None:
    """Put what every application of ours has before it: the log, who may ask, and limits."""
    app.add_middleware(Limits, settings=service.settings, is_full=lambda: service.admission.full)
    app.add_middleware(Access, settings=service.settings)
    app.add_middleware(Watched, metrics=service.metrics)


def answer_errors(app: FastAPI) -> None:
    """Give every error the shape ``{"error", "hint"}``."""
    from fastapi import Request, Response
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException

    def answer(request: Request, refusal: RefusedError) -> Response:
        body = refusal.body_for(request.headers.get("accept-language", ""))
        return Response(body, refusal.status, refusal.headers, "application/json")

    async def refused(request: Request, error: RefusedError) -> Response:
        return answer(request, error)

    async def failed(request: Request, error: HTTPException) -> Response:
        said = {404: "there is nothing at this address", 405: "this address does not take that method"}
        hint = "GET /openapi.json lists what there is"
        told = said.get(error.status_code, error.detail)
        return answer(request, RefusedError(error.status_code, told, hint, error.headers))

    async def invalid(request: Request, error: RequestValidationError) -> Response:
        told = "; ".join(f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in error.errors())
        hint = "GET /openapi.json says what is taken"
        return answer(request, RefusedError(422, f"the request is not valid: {told}", hint))

    async def broken(request: Request, error: Exception) -> Response:
        return answer(request, RefusedError(500, "an internal error of the server", "its log says where"))

    app.add_exception_handler(RefusedError, refused)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, failed)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, invalid)  # type: ignore[arg-type]
    app.add_exception_handler(Exception, broken)
