"""The routes of the server's own API: whether it is ready, what the models are, what they answer, what is collected."""

# Annotations are read by FastAPI where the routes are made, so that it is imported there and not with this module.
import asyncio
from typing import TYPE_CHECKING, Any

from topwork.server._answering import answer_all, require, told, under_way, while_connected, written
from topwork.server._formats import JSON, format_of
from topwork.server._intake import body_of, correction_of, inputs_of
from topwork.server._question import ANSWERED, COLLECT, COLLECTED, PREDICT, question, refusals
from topwork.server._refusal import RefusedError, unusable
from topwork.server._served import Answer, Served
from topwork.server._service import Service
from topwork.tasks import Wanted

if TYPE_CHECKING:
    from fastapi import APIRouter


def health_routes(service: Service) -> "APIRouter":
    """Whether it lives, whether it is ready, and its figures."""
    from fastapi import APIRouter, Response
    from fastapi.responses import JSONResponse

    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Whether the server lives."""
        return {"status": "alive"}

    @router.get("/readyz", responses={503: {"description": "Not ready."}})
    async def readyz() -> Response:
        """Whether the server can answer now: all models are prepared, all decoders are up, and it does not end."""
        lacking = service.lacking()
        return JSONResponse({"ready": not lacking, "lacking": lacking}, 503 if lacking else 200)

    @router.get("/metrics", responses={200: {"content": {"text/plain": {}}}}, response_class=Response)
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


def model_routes(service: Service) -> "APIRouter":
    """What the models are, and what they answer."""
    from fastapi import APIRouter, Request, Response
    from fastapi.responses import JSONResponse

    router = APIRouter(tags=["models"])
    kept: dict[int | str, Any] = {201: {"content": {"application/json": {"schema": COLLECTED}}}}

    @router.post(
        "/predict", openapi_extra=PREDICT, responses=ANSWERED | refusals(404, 406, 408, 413, 415, 422, 500, 503, 504)
    )
    async def predict(request: Request) -> Response:
        """What a model says of one or several images or texts: classes, objects with their boxes, or masks."""
        asked = question(request.query_params)
        served, accepts = find(service, asked.model), ", ".join(request.headers.getlist("accept"))
        answer_kind = format_of(asked.format, accepts, served.name, served.serving.formats)
        require(served, asked.wanted)
        body, kind = await body_of(request.receive), request.headers.get("content-type", "")
        inputs = inputs_of(body, kind, served, service.settings.max_parts)
        if answer_kind != JSON and len(inputs) > 1:
            raise unusable("PNG and GeoJSON answer one image", "send one, or ask for JSON")
        async with while_connected(request.receive), under_way(service, len(inputs)):
            found = await answer_all(service, served, inputs, asked.wanted)
            if answer_kind != JSON:
                return Response(await written(served, found[0], answer_kind), media_type=answer_kind)
            predictions = await told(served, inputs, found, asked.wanted, request.headers.get("accept-language", ""))
        return JSONResponse({"model": served.name, "predictions": predictions})

    @router.post(
        "/collect",
        status_code=201,
        openapi_extra=COLLECT,
        responses=kept | refusals(404, 408, 413, 415, 422, 500, 503, 504, 507),
    )
    async def collect(request: Request) -> Response:
        """Keep one image or text as an example of a class, for the next training; where the server was told to."""
        if service.collection is None:
            raise RefusedError(404, "this server keeps no corrections", "start it with --collect DIR")
        served = find(service, request.query_params.get("model"))
        if not served.serving.collects:
            raise unusable(
                f"the answers of {served.name} cannot be corrected here", "correct its boxes in another program"
            )
        body, kind = await body_of(request.receive), request.headers.get("content-type", "")
        given, label = correction_of(body, kind, served)
        async with while_connected(request.receive), under_way(service, 1):
            (found,) = await answer_all(service, served, [given], Wanted())
        assert isinstance(found, Answer)  # of one alone, a refusal is raised
        keep = service.collection.save
        saved = await asyncio.to_thread(keep, given.content, label, served.name, found.prediction)
        return JSONResponse({"saved": saved}, 201)

    @router.get("/models")
    async def models() -> list[dict[str, Any]]:
        """The models, with their classes and figures."""
        settings = service.settings
        may: Any = {"collect": settings.collect is not None, "enroll": settings.allow_enrolling}
        return [each.facts(**may) for each in service.models]

    return router


def find(service: Service, name: str | None) -> Served:
    """The model of a name.

    Raises:
        RefusedError: 404 where there is none; 503 where it is not warm yet.
    """
    served = service.models.get(name)
    if served is None:
        names = ", ".join(each.name for each in service.models)
        raise RefusedError(
            404, f"there is no model {name[:80]!r}" if name else "there is no model", f"there is {names or 'none'}"
        )
    if not served.ready:
        again = {"retry-after": "1"}
        raise RefusedError(503, f"the model {served.name} is being prepared", "try again in a second", again)
    return served
