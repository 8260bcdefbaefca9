"""The Open Inference Protocol v2, which clients of KServe, Seldon and Triton speak.

A model of images takes ``images``: UINT8 (N, H, W, 3), as the exported network does; FP32 of the same shape, 0 to 1; or
files as BYTES (N). A model of texts takes ``texts``: BYTES (N). What it gives is its task's affair: ``probabilities``,
``label`` and, where the model knows it, ``typicality``; ``boxes``, ``scores``, ``labels`` and ``counts``; or ``masks``,
``shares`` and ``counts``. Whoever asks for them gets ``features``.
"""

# Annotations are read by FastAPI where the routes are made, so that it is imported there and not with this module.
import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._version import __version__
from topwork.server._answering import answer_all, under_way, while_connected
from topwork.server._intake import Input, body_of
from topwork.server._question import refusals
from topwork.server._refusal import RefusedError
from topwork.server._routes import find
from topwork.server._served import Answer, Served
from topwork.server._service import Service
from topwork.server._tensors import LENGTH_HEADER, Inference, Tensor, bad, file_of, inference_of, written
from topwork.tasks import Wanted

if TYPE_CHECKING:
    from fastapi import APIRouter

_NAMES = {"image": "images", "text": "texts"}
_TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "datatype": {"type": "string", "enum": ["UINT8", "FP32", "BYTES"]},
        "parameters": {"type": "object"},
        "data": {"type": "array"},
    },
}
_REQUEST = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string"},
        "parameters": {"type": "object"},
        "inputs": {"type": "array", "minItems": 1, "items": _TENSOR},
        "outputs": {"type": "array", "items": {"type": "object", "required": ["name"]}},
    },
}
_INFER: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": _REQUEST}, "application/octet-stream": {"schema": {}}},
    }
}


def inference_routes(service: Service) -> "APIRouter":
    """The routes below ``/v2``."""
    from fastapi import APIRouter, Request, Response

    router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"])

    @router.get("")
    async def server() -> dict[str, Any]:
        """What the server is."""
        return {"name": "topwork", "version": __version__, "extensions": ["binary_tensor_data"]}

    @router.get("/health/live")
    async def live() -> dict[str, bool]:
        """Whether the server lives."""
        return {"live": True}

    @router.get("/health/ready", responses=refusals(503))
    async def ready() -> dict[str, bool]:
        """Whether all models can answer."""
        if lacking := service.lacking():
            raise RefusedError(503, "; ".join(lacking), headers={"retry-after": "1"})
        return {"ready": True}

    @router.get("/models/{name}", responses=refusals(404, 503))
    async def model(name: str) -> dict[str, Any]:
        """Which tensors a model takes and gives."""
        return _metadata(find(service, name))

    @router.get("/models/{name}/ready", responses=refusals(404, 503))
    async def model_ready(name: str) -> dict[str, Any]:
        """Whether a model can answer."""
        return {"name": find(service, name).name, "ready": True}

    @router.post(
        "/models/{name}/infer",
        openapi_extra=_INFER,
        responses=refusals(400, 404, 408, 413, 422, 500, 503, 504),
        response_class=Response,
    )
    async def infer(name: str, request: Request) -> Response:
        """What a model says of the images or texts of a tensor."""
        served = find(service, name)
        asked = inference_of(await body_of(request.receive), request.headers.get(LENGTH_HEADER))
        inputs = _inputs(asked, served, service.settings.max_parts)
        async with while_connected(request.receive), under_way(service, len(inputs)):
            found = await answer_all(service, served, inputs, Wanted())
        fields: dict[str, Any] = {"model_name": served.name, **({} if asked.id is None else {"id": asked.id})}
        answers = _all_of(found)
        if served.serving.slow:
            outputs = await asyncio.to_thread(_outputs, served, answers, asked)
        else:
            outputs = _outputs(served, answers, asked)
        body, json_bytes = written(fields, outputs, asked.outputs or {each.name: asked.binary for each in outputs})
        if json_bytes is None:
            return Response(body, media_type="application/json")
        return Response(body, headers={LENGTH_HEADER: str(json_bytes)}, media_type="application/octet-stream")

    return router


def _metadata(served: Served) -> dict[str, Any]:
    name = _NAMES[served.kind]
    images = {"name": name, "datatype": "UINT8", "shape": [-1, -1, -1, 3]}
    outputs = {**served.serving.tensors, "features": ("FP32", (-1, served.width))}
    return {
        "name": served.name,
        "versions": [],
        "platform": "topwork",
        "inputs": [images if served.kind == "image" else {"name": name, "datatype": "BYTES", "shape": [-1]}],
        "outputs": [
            {"name": each, "datatype": datatype, "shape": list(shape)} for each, (datatype, shape) in outputs.items()
        ],
    }


def _inputs(asked: Inference, served: Served, most: int) -> list[Input]:
    name = _NAMES[served.kind]
    if len(asked.inputs) != 1 or asked.inputs[0].name != name:
        raise bad(f"{served.name} takes one input, {name}", f"GET /v2/models/{served.name} describes it")
    tensor = asked.inputs[0]
    if tensor.shape[0] > most:
        raise RefusedError(413, f"{tensor.shape[0]} {name} are more than {most}", "send them in several requests")
    contents: Sequence[bytes | str] = _texts(tensor) if served.kind == "text" else _images(tensor)
    return [Input(f"#{place}", each) for place, each in enumerate(contents)]


def _texts(tensor: Tensor) -> list[str]:
    if tensor.datatype != "BYTES":
        raise bad("texts are BYTES")
    try:
        return [each.decode("utf-8") if isinstance(each, bytes) else each for each in tensor.values]
    except UnicodeDecodeError as error:
        raise bad("a text is not UTF-8") from error


def _images(tensor: Tensor) -> list[bytes]:
    """Files; pixels become the plainest kind of one, so that there is one way to the decoders."""
    if tensor.datatype == "BYTES":
        return [file_of(each) for each in tensor.values]
    if len(tensor.shape) != 4 or tensor.shape[3] != 3:
        raise bad(f"images have the shape (N, height, width, 3), not {list(tensor.shape)}")
    pixels = tensor.values
    if tensor.datatype == "FP32":
        if not ((pixels >= 0) & (pixels <= 1)).all():
            raise bad("images as FP32 have values from 0 to 1")
        pixels = np.round(pixels * 255).astype(np.uint8)
    head = f"P6 {tensor.shape[2]} {tensor.shape[1]} 255\n".encode()
    return [head + each.tobytes() for each in pixels]


def _all_of(found: Sequence[Answer | RefusedError]) -> list[Answer]:
    """All answers: a tensor has no holes, so one that is lacking refuses the request."""
    answers = []
    for place, each in enumerate(found):
        if isinstance(each, RefusedError):
            raise RefusedError(each.status, f"#{place}: {each.error}", each.hint)
        answers.append(each)
    return answers


def _outputs(served: Served, answers: Sequence[Answer], asked: Inference) -> list[Tensor]:
    arrays = served.serving.arrays([each.prediction for each in answers])
    there = {
        name: Tensor(name, datatype, np.shape(arrays[name]), arrays[name])
        for name, (datatype, _) in served.serving.tensors.items()
    }
    if not asked.outputs:
        return list(there.values())
    if "features" in asked.outputs:
        features = np.stack([each.row.features for each in answers])
        there["features"] = Tensor("features", "FP32", features.shape, features)
    for name in asked.outputs:
        if name not in there:
            raise bad(f"{served.name} has no output {name[:80]!r}", f"it has {', '.join(there)}")
    return [there[name] for name in asked.outputs]
