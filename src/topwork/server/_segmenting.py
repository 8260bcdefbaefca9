"""The route by which points and boxes on an image become masks; only where the server has a network for it."""

# Annotations are read by FastAPI where the routes are made, so that it is imported there and not with this module.
import asyncio
import contextlib
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork.errors import DataError, ImageError
from topwork.server._answering import under_way, while_connected
from topwork.server._decoder import Decoded, whole
from topwork.server._formats import FORMATS, JSON, format_of
from topwork.server._forms import form_parts
from topwork.server._intake import IMAGE_TYPES, body_of
from topwork.server._prompting import Prompt, Prompting
from topwork.server._question import SEGMENT, SEGMENTED, format_asked, refusals
from topwork.server._refusal import RefusedError, as_json, unusable
from topwork.server._service import Service

if TYPE_CHECKING:
    from fastapi import APIRouter

    from topwork.tasks.segmentation.promptable import PromptableImage, PromptedMask

_LONGEST = 4096  # pixels of a side that are decoded; the network sees 1,024
_MOST_PIXELS = 2**24  # of an image whose masks are answered
_POINTS, _BOXES = 64, 16  # of a request
_KEY = re.compile("[0-9a-f]{64}")


def segment_routes(service: Service) -> "APIRouter":
    """Masks of what prompts mean."""
    from fastapi import APIRouter, Request, Response

    router = APIRouter(tags=["prompts"])

    @router.post(
        "/segment", openapi_extra=SEGMENT, responses=SEGMENTED | refusals(404, 406, 408, 413, 415, 422, 500, 503, 504)
    )
    async def segment(request: Request) -> Response:
        """The masks of what points and boxes on an image mean. Its embedding is computed once and kept in memory."""
        prompting, query = _network(service), request.query_params
        points, boxes = _prompts(query.getlist("point"), query.getlist("box"))
        accepts = ", ".join(request.headers.getlist("accept"))
        kind = format_of(format_asked(query), accepts, prompting.name, _WRITTEN)
        content = _image_of(await body_of(request.receive), request.headers.get("content-type", ""))
        key = _key(query.get("image"), content)
        async with while_connected(request.receive), under_way(service, 1):
            if prompting.known(key) is None and not content:
                raise RefusedError(404, "the image is not kept any more", "send it again")
            try:
                image, masks = await _asked(service, prompting, key, content, points, boxes)
            except (DataError, ImageError) as error:
                raise unusable(error.message, error.hint) from error
            answer = await asyncio.to_thread(_answer, prompting.name, key, image.size, masks, kind)
        return Response(answer, media_type=kind)

    return router


def _network(service: Service) -> Prompting:
    if service.prompting is None:
        raise RefusedError(404, "this server takes no prompts", "start it with --prompts sam-vit-b")
    if not service.prompting.ready:
        again = {"retry-after": "1"}
        raise RefusedError(503, f"the model {service.prompting.name} is being prepared", "try again in a second", again)
    return service.prompting


def _prompts(points: Sequence[str], boxes: Sequence[str]) -> tuple[list[list[float]], list[list[float]]]:
    if len(points) > _POINTS or len(boxes) > _BOXES:
        raise unusable(f"more than {_POINTS} points or {_BOXES} boxes", "ask about some of them at a time")
    return [_point(each) for each in points], [_numbers("box", _BOX, each, 4) for each in boxes]


_POINT, _BOX = "across,down or across,down,-", "left,top,right,bottom"


def _point(text: str) -> list[float]:
    numbers, _, sign = text.rpartition(",")
    if sign.strip() not in ("+", "-"):  # a + in an address is a blank
        return _numbers("point", _POINT, text, 2)
    return [*_numbers("point", _POINT, numbers, 2), float(sign.strip() == "+")]


def _numbers(name: str, form: str, text: str, count: int) -> list[float]:
    try:
        found = [float(each) for each in text.split(",")] if len(text) < 200 else []
    except ValueError:
        found = []
    if len(found) != count:
        raise unusable(f"{name} is {form} in pixels, not {text[:40]!r}")
    return found


def _image_of(body: bytes, content_type: str) -> bytes:
    """The one image that was sent; nothing where none was."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data" and body:
        parts = form_parts(body, content_type, 1)
        if [part.field for part in parts] != ["image"]:
            raise unusable("the form has to hold one field, image")
        if not parts[0].content:
            raise unusable("the image is empty")
        return parts[0].content
    if body and kind and not kind.startswith(IMAGE_TYPES):
        raise RefusedError(
            415, f"a body of the type {kind[:80]!r} is not taken", "send an image as it is, or in a form"
        )
    return body


def _key(given: str | None, content: bytes) -> str:
    if given is None and not content:
        raise unusable("the image is empty")
    if given is None:
        return hashlib.sha256(content).hexdigest()
    if content:
        raise unusable("an image was sent, and one was named too", "send it, or name one that was sent before")
    if not _KEY.fullmatch(given):
        raise unusable("image is what an earlier answer calls its image", "send the image itself")
    return given


async def _asked(
    service: Service, prompting: Prompting, key: str, content: bytes, points: Sequence[Prompt], boxes: Sequence[Prompt]
) -> "tuple[PromptableImage, tuple[PromptedMask, ...]]":
    async with prompting.pictures if prompting.known(key) is None else contextlib.nullcontext():
        image = prompting.known(key) or await _picture(service, content)  # another request may have brought it since
        return await prompting.masks(key, image, points, boxes)


async def _picture(service: Service, content: bytes) -> Decoded:
    picture = await service.decoders(content, whole(_LONGEST))
    if (pixels := picture.height * picture.width) > _MOST_PIXELS:
        raise unusable(f"the image has {pixels} pixels, and at most {_MOST_PIXELS} are answered with a mask at once")
    return picture


def _answer(network: str, key: str, size: tuple[int, int], masks: "Sequence[PromptedMask]", kind: str) -> bytes:
    if kind != JSON:
        return _WRITTEN[kind](masks)
    fields = {"network": network, "image": key, "width": size[1], "height": size[0]}
    return as_json(fields | {"masks": [each.to_dict() for each in masks]})


def _png(masks: "Sequence[PromptedMask]") -> bytes:
    """The number of each mask, 16 bits; later ones lie on top."""
    from topwork.explain import picture_bytes

    numbers = np.zeros(masks[0].mask.shape, np.uint16)
    for number, each in enumerate(masks, start=1):
        numbers[each.mask] = number
    return picture_bytes(numbers)


def _outlines(masks: "Sequence[PromptedMask]") -> bytes:
    from topwork.tasks.segmentation.outlines import mask_features, outlines_lines

    return b"".join(outlines_lines(mask_features(masks)))


_WRITTEN: Mapping[str, Callable[[Any], bytes]] = {FORMATS["png"]: _png, FORMATS["geojson"]: _outlines}
