"""The app: a page for each step, pictures, and a stream that tells of the state; what changes it is in ``_actions``."""

from __future__ import annotations

import asyncio
import json
import mimetypes
from collections.abc import AsyncIterator, Callable
from importlib import resources
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from topwork.errors import DataError, ImageError, TopworkError
from topwork.fitting import PAGE
from topwork.report import STYLE
from topwork.ui import _views
from topwork.ui._actions import add_actions, add_uploads
from topwork.ui._door import Door
from topwork.ui._pictures import Pictures
from topwork.ui._session import PAGES, Session, State
from topwork.ui._try import BELOW, Trying

_EVERY = 0.4  # seconds from one look at the state to the next
_ALIVE = 15.0  # seconds after which a quiet stream says that it is there
_REPORT_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"


def create_app(session: Session, door: Door, work: Path) -> ASGIApp:
    """The page as an ASGI app, behind its door.

    Args:
        session: Whose page it is.
        door: Who may ask.
        work: Where uploads go.
    """
    app = FastAPI(title="topwork ui", docs_url=None, redoc_url=None, openapi_url=None)
    _add_errors(app, session)
    _add_pages(app, session)
    _add_pictures(app, session)
    add_actions(app, session)
    add_uploads(app, session, work)
    return door.guard(_beside(app, Trying(session)), lambda: _views.page(session.state, "refused"))


def _beside(app: ASGIApp, trying: Trying) -> ASGIApp:
    """The pages, and the model's own below ``BELOW``."""

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            try:
                await app(scope, receive, send)
            finally:
                await trying.close()
        else:
            below = scope["path"].startswith(f"{BELOW}/")
            await (trying if below else app)(scope, receive, send)

    return either


def _add_errors(app: FastAPI, session: Session) -> None:
    def answer(request: Request, status: int, message: str, hint: str = "") -> Response:
        """Why something cannot be done: to a script as JSON, to a person as a page."""
        t = _views.texts(session.state)
        message, hint = t.said(message), t.said(hint)
        if request.headers.get("accept", "").startswith("application/json"):
            return JSONResponse({"error": message, "hint": hint}, status)
        return HTMLResponse(_views.page(session.state, "error", message=message, hint=hint), status)

    @app.exception_handler(TopworkError)
    async def told(request: Request, error: TopworkError) -> Response:
        return answer(request, 409, error.message, error.hint)

    @app.exception_handler(HTTPException)
    async def missing(request: Request, error: HTTPException) -> Response:
        return answer(request, error.status_code, "there is no such page")

    @app.exception_handler(RequestValidationError)
    async def strange(request: Request, error: RequestValidationError) -> Response:
        return answer(request, 404, "there is no such page")

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        return answer(request, 500, "an internal error of topwork", "the window where topwork is running says more")


def _add_pages(app: FastAPI, session: Session) -> None:
    @app.get("/")
    def first() -> Response:
        return RedirectResponse(f"/{session.state.at}", 303)

    def shows(name: str) -> Callable[[], Response]:
        def show() -> Response:
            state = session.state
            if not state.has(name):
                return RedirectResponse(f"/{state.at}", 303)
            return HTMLResponse(_views.page(state, name))

        return show

    for name in PAGES:
        app.get(f"/{name}", name=name)(shows(name))

    @app.get("/class/{label}")
    def rows_of_class(label: int, start: int = 0) -> Response:
        state = session.state
        if state.checkup is None or not 0 <= label < len(state.checkup.classes):
            return RedirectResponse(f"/{state.at}", 303)
        return HTMLResponse(_views.page(state, "class", **_views.of_class(state, label, max(start, 0))))

    @app.get("/report.html")
    def report() -> Response:
        fitted = session.state.fitted
        if fitted is None or not (fitted.model / PAGE).is_file():
            raise HTTPException(404)
        return FileResponse(fitted.model / PAGE, headers={"Content-Security-Policy": _REPORT_POLICY})

    @app.get("/download/{to}")
    def download(to: str) -> Response:
        packed = dict(session.state.exports).get(to)
        if packed is None or not packed.is_file():
            raise HTTPException(404)
        return FileResponse(packed, filename=packed.name, media_type="application/zip")

    @app.get("/events")
    async def events(request: Request) -> Response:
        return StreamingResponse(_told(session, request), media_type="text/event-stream")


async def _told(session: Session, request: Request) -> AsyncIterator[str]:
    """The state whenever it has changed, as server-sent events."""
    before, quiet = "", 0.0
    while not await request.is_disconnected():
        now = await run_in_threadpool(_snapshot, session.state)
        quiet += _EVERY
        if now != before:
            before, quiet = now, 0.0
            yield f"data: {now}\n\n"
        elif quiet > _ALIVE:
            quiet = 0.0
            yield ": here\n\n"
        await asyncio.sleep(_EVERY)


def _snapshot(state: State) -> str:
    """What a page that is open needs to know."""
    found: dict[str, Any] = {"version": state.version, "at": state.at}
    if state.job is not None:
        told = _views.moved(state.job, _views.texts(state))
        rungs = told.pop("rungs")
        found |= {"job": told, "ladder": _views.part(state, "ladder", rungs=rungs) if rungs else ""}
    return json.dumps(found)


def _add_pictures(app: FastAPI, session: Session) -> None:
    pictures = Pictures()

    @app.get("/ui/{file}")
    def static(file: str) -> Response:
        shared = {"report.css": STYLE, "colours.css": resources.files("topwork.drawing") / "colours.css"}
        place = shared.get(file) or resources.files(_views.PACKAGE) / "static" / Path(file).name
        if not place.is_file():
            return Response(status_code=404)
        kind = mimetypes.guess_type(file)[0] or "application/octet-stream"
        return Response(place.read_bytes(), media_type=kind, headers={"Cache-Control": "no-cache"})

    @app.get("/picture/{check}/{row}")
    def picture(check: int, row: int) -> Response:
        state = session.state
        if state.checkup is None or check != state.checks or not 0 <= row < len(state.checkup.dataset):
            return Response(status_code=404)
        try:
            content = pictures.picture(state.checkup.dataset, row)
        except (ImageError, DataError):
            return Response(status_code=404)
        return Response(content, media_type="image/webp", headers={"Cache-Control": "private, max-age=3600"})
