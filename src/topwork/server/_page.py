"""The page on which the models are tried, and its files."""

# Annotations are read by FastAPI where the routes are made, so that it is imported there and not with this module.
import mimetypes
from typing import TYPE_CHECKING

from topwork import page
from topwork.server._refusal import RefusedError
from topwork.server._service import Service

if TYPE_CHECKING:
    from fastapi import APIRouter

_HEADERS = {
    "content-security-policy": page.POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def page_routes(service: Service) -> "APIRouter":
    """The page at ``/``, and what it asks for below ``/static/``."""
    from fastapi import APIRouter, Response

    router = APIRouter(include_in_schema=False)
    files = page.static_files("server")

    @router.get("/")
    async def start() -> Response:
        """The page; it asks for all else with the token, where one is needed, so it holds no more than names."""
        names = [{"name": each.name} for each in service.models]
        if not names:
            raise RefusedError(404, "this server has no model to try", "POST /segment answers to prompts")
        html = page.page_html(names, answers="server", language=service.settings.language)
        return Response(html, headers=_HEADERS, media_type="text/html; charset=utf-8")

    @router.get("/static/{name}")
    async def static(name: str) -> Response:
        """One file."""
        if name not in files:
            raise RefusedError(404, "there is no such file")
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Response(files[name], headers=_HEADERS, media_type=kind)

    return router
