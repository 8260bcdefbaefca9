"""A server that does what the page's contract says, with real models, and what a test wants it to do wrong."""

from __future__ import annotations

import base64
import io
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from PIL import Image
from starlette.datastructures import UploadFile

from topwork.errors import TopworkError
from topwork.model import Classifier
from topwork.page import POLICY, model_facts, page_html, static_files

TYPES = {"js": "text/javascript", "css": "text/css"}


@dataclass
class Behaviour:
    """What a test may change while the server runs, and what it has seen."""

    busy: int = 0  # so many answers are refused with 503 first
    broken: int = 0  # so many with a status and no JSON
    token: str = ""
    pause: float = 0.0  # seconds before an answer
    most: int = 100  # images in one request
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)  # by the model, in the place of its own
    asked: list[dict[str, str]] = field(default_factory=list)
    collected: list[tuple[str, str]] = field(default_factory=list)
    view: tuple[float, float, float, float] = (0.25, 0.0, 0.75, 1.0)


@dataclass(frozen=True)
class Served:
    url: str
    behaviour: Behaviour


@contextmanager
def serving(models: dict[str, Classifier]) -> Iterator[Served]:
    """The models by their names, on a free port of the loopback, for as long as it is open."""
    behaviour = Behaviour()
    server = uvicorn.Server(uvicorn.Config(app(models, behaviour), host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Served(f"http://127.0.0.1:{port}/", behaviour)
    finally:
        server.should_exit = True
        thread.join()


def app(models: dict[str, Classifier], behaviour: Behaviour) -> FastAPI:
    app = FastAPI()
    files = static_files("server")

    @app.middleware("http")
    async def guard(request: Request, call_next: Any) -> Response:
        page = request.url.path == "/" or request.url.path.startswith("/static/")
        if behaviour.token and not page and request.headers.get("authorization") != f"Bearer {behaviour.token}":
            return JSONResponse({"error": "this server needs a token", "hint": ""}, 401)
        response: Response = await call_next(request)
        response.headers["Content-Security-Policy"] = POLICY
        return response

    @app.get("/")
    def page() -> HTMLResponse:
        return HTMLResponse(page_html([{"name": each} for each in models], answers="server"))

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        return Response(files[name], media_type=TYPES[name.rpartition(".")[2]])

    @app.get("/models")
    def facts() -> list[dict[str, Any]]:
        return [model_facts(model, name) | behaviour.facts.get(name, {}) for name, model in models.items()]

    @app.post("/predict")
    async def predict(request: Request) -> Any:
        behaviour.asked.append(dict(request.query_params))
        time.sleep(behaviour.pause)
        if behaviour.busy:
            behaviour.busy -= 1
            return JSONResponse({"error": "too busy", "hint": ""}, 503, {"Retry-After": "1"})
        if behaviour.broken:
            behaviour.broken -= 1
            return Response("<h1>Bad Gateway</h1>", 502)
        async with request.form() as form:
            parts = [part for _, part in form.multi_items()]
            if len(parts) > behaviour.most:
                return JSONResponse({"error": "so many images are too many", "hint": "send fewer"}, 413)
            return answer(models[request.query_params["model"]], parts, request, behaviour)

    @app.post("/collect", status_code=201)
    async def collect(request: Request) -> Any:
        async with request.form() as form:
            image, label = form["image"], form["label"]
            assert isinstance(image, UploadFile)
            behaviour.collected.append((str(image.filename), str(label)))
            return {"saved": f"{label}/{image.filename}"}

    return app


def answer(model: Classifier, parts: Sequence[Any], request: Request, behaviour: Behaviour) -> Any:
    asked = request.query_params
    sources = [part.file.read() if isinstance(part, UploadFile) else part for part in parts]
    levels = {key: float(asked[key]) for key in ("coverage", "accuracy") if key in asked}
    try:
        found = model.predict(sources, **levels)
    except TopworkError as error:
        return JSONResponse({"error": error.message, "hint": error.hint}, 422)
    if len(found) == 1 and found[0].error:
        return JSONResponse({"error": found[0].error, "hint": ""}, 422)
    answers = [each.to_dict() for each in found]
    for fields in answers:
        if "error" in fields:
            continue
        fields["probabilities"] = dict(list(fields["probabilities"].items())[: int(asked.get("top", 5))])
        if asked.get("map") == "true":
            fields |= {"map": evidence(), "view": behaviour.view}
        if "nearest" in asked:
            picture = {"name": "a", "thumbnail": uri(Image.new("RGB", (32, 32), "teal"), "jpeg")}
            fields["nearest"] = [
                {"label": model.classes[place % 2], "similarity": 0.9 - place / 10, **picture} for place in range(3)
            ]
        if critical := behaviour.facts.get(asked["model"], {}).get("critical"):
            share = fields["probabilities"][critical["class"]]
            fields["critical"] = critical | {"probability": share, "flagged": share >= critical["threshold"]}
    return {"model": asked["model"], "predictions": answers}


def evidence() -> str:
    """Half transparent red over all that the network saw."""
    return uri(Image.new("RGBA", (56, 56), (255, 0, 0, 128)), "png")


def uri(picture: Image.Image, kind: str) -> str:
    file = io.BytesIO()
    picture.save(file, kind)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
