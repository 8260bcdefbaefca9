"""The routes by which a model gets to know somebody, or forgets: only where the server was told that it may.

A name is sent in a body and never in an address, which other programs write down.
"""

# Annotations are read by FastAPI where the routes are made, so that it is imported there and not with this module.
import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from topwork.errors import DataError, TopworkError
from topwork.server._answering import answer_each, under_way, while_connected
from topwork.server._intake import body_of, enrolment_of, name_of
from topwork.server._language import said
from topwork.server._question import ENROLL, ENROLLED, FORGET, FORGOTTEN, KNOWN, MODEL, refusals
from topwork.server._refusal import RefusedError, unusable
from topwork.server._routes import find
from topwork.server._served import Answer, Served
from topwork.server._service import Service
from topwork.tasks import Enrolling, Wanted

if TYPE_CHECKING:
    from fastapi import APIRouter

_MOST_NAMES = 2_000  # that are listed


def enrolling_routes(service: Service) -> "APIRouter":
    """Who is known, one more, and one less."""
    from fastapi import APIRouter, Request, Response
    from fastapi.responses import JSONResponse

    router = APIRouter(tags=["gallery"])
    enrolled: dict[int | str, Any] = {200: {"content": {"application/json": {"schema": ENROLLED}}}}
    forgotten: dict[int | str, Any] = {200: {"content": {"application/json": {"schema": FORGOTTEN}}}}
    known: dict[int | str, Any] = {200: {"content": {"application/json": {"schema": KNOWN}}}}

    @router.get("/gallery", openapi_extra={"parameters": [MODEL]}, responses=known | refusals(404, 422, 503))
    async def gallery(request: Request) -> Response:
        """The names that a model knows, with how many images of each."""
        _, names = enrolling(service, request.query_params.get("model"))
        people = list((await asyncio.to_thread(tried, names.known)).items())
        listed = [{"name": name, "images": images} for name, images in people[:_MOST_NAMES]]
        return JSONResponse({"count": len(people), "people": listed})

    @router.post(
        "/enroll", openapi_extra=ENROLL, responses=enrolled | refusals(404, 408, 413, 415, 422, 500, 503, 504, 507)
    )
    async def enroll(request: Request) -> Response:
        """Add images of somebody, new or known; all that can be used, or none. The images are not kept."""
        served, names = enrolling(service, request.query_params.get("model"))
        body, kind = await body_of(request.receive), request.headers.get("content-type", "")
        name, inputs = enrolment_of(body, kind, served, service.settings.max_parts)
        async with while_connected(request.receive), under_way(service, len(inputs)):
            found = await answer_each(service, served, inputs, Wanted())
        rows = [each.row for each in found if isinstance(each, Answer)]
        pairs = zip(inputs, found, strict=True)
        accept = request.headers.get("accept-language", "")
        errors = {given.name: each.error for given, each in pairs if isinstance(each, RefusedError)}
        # Not within the deadline: a change that has begun is ended, and told.
        done = await asyncio.to_thread(tried, lambda: names.enroll(name, rows, errors))
        refused = {source: said(why, accept) for source, why in done["errors"].items()}
        return JSONResponse({**done, "errors": refused})

    @router.post("/forget", openapi_extra=FORGET, responses=forgotten | refusals(404, 408, 413, 415, 422, 503, 507))
    async def forget(request: Request) -> Response:
        """Remove somebody, and all that is kept of them."""
        _, names = enrolling(service, request.query_params.get("model"))
        name = name_of(await body_of(request.receive), request.headers.get("content-type", ""))
        return JSONResponse(await asyncio.to_thread(tried, lambda: names.forget(name)))

    return router


def enrolling(service: Service, name: str | None) -> tuple[Served, Enrolling]:
    """The model of a name, and whom it knows.

    Raises:
        RefusedError: 404 where the server may not enrol, or there is no such model; 422 for one that knows nobody.
    """
    if not service.settings.allow_enrolling:
        raise RefusedError(404, "this server enrols nobody", "start it with --allow-enrolling")
    served = find(service, name)
    if served.serving.enrolling is None:
        raise unusable(f"{served.name} knows nobody by name", "ask a model of the task recognition")
    return served, served.serving.enrolling


def tried(work: Callable[[], Any]) -> Any:
    """What this gives; its error as a refusal: 422 for what was sent, 507 for the disk."""
    try:
        return work()
    except DataError as error:
        raise unusable(error.message, error.hint) from error
    except TopworkError as error:
        raise RefusedError(507, error.message, error.hint) from error
