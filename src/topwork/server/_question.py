"""What a request asks for in its address, and how the API's description says so.

It is read here and not by the framework: that took a third of what an answer costs beside the network, and said what is
wrong in words that are not ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from topwork.server._formats import FORMATS
from topwork.server._refusal import unusable
from topwork.tasks import Wanted

_MOST_CLASSES, _MOST_NEAREST = 10_000, 20
_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no")


@dataclass(frozen=True)
class Question:
    """What is asked of ``POST /predict``.

    Attributes:
        model: By name; the first one when None.
        wanted: Of its answers.
        format: Of its answers, one of ``FORMATS``; what the request accepts when None.
    """

    model: str | None
    wanted: Wanted
    format: str | None = None


def question(query: Mapping[str, str]) -> Question:
    """What an address asks for; a RefusedError (422) for a value that is none."""
    read: Mapping[str, tuple[Callable[[str], Any], Callable[[Any], bool], str]] = {
        "top": (int, lambda value: 1 <= value <= _MOST_CLASSES, f"a whole number, 1 to {_MOST_CLASSES}"),
        "coverage": (float, _is_share, _SHARE),
        "accuracy": (float, _is_share, _SHARE),
        "map": (_flag, lambda value: True, "true or false"),
        "nearest": (int, lambda value: 0 <= value <= _MOST_NEAREST, f"a number, 0 to {_MOST_NEAREST}"),
        "threshold": (float, lambda value: 0 <= value <= 1, "a number from 0 to 1"),
        "mask": (_flag, lambda value: True, "true or false"),
        "certainty": (_flag, lambda value: True, "true or false"),
    }
    given = {name: _read(query, name, *how) for name, how in read.items() if name in query}
    return Question(query.get("model"), Wanted(**given), format_asked(query))


def format_asked(query: Mapping[str, str]) -> str | None:
    """The format that an address names, one of ``FORMATS``; a RefusedError (422) for another."""
    is_one: tuple[Any, ...] = (str, lambda value: value in FORMATS, "json, png or geojson")
    return _read(query, "format", *is_one) if "format" in query else None


_SHARE = "a number above 0 and below 1, such as 0.95"


def _is_share(value: float) -> bool:
    return math.isfinite(value) and 0 < value < 1


def _flag(text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise ValueError(text)
    return text.lower() in _TRUE


def _read(
    query: Mapping[str, str], name: str, kind: Callable[[str], Any], fits: Callable[[Any], bool], is_: str
) -> Any:
    text = query[name]
    try:
        value = kind(text) if len(text) < 40 else None
    except ValueError:
        value = None
    if value is None or not fits(value):
        raise unusable(f"{name} is {is_}, not {text[:40]!r}")
    return value


def _parameter(name: str, told: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": told, "schema": schema}


_ONE = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
MODEL = _parameter("model", "Name of the model; the first one if not given.", {"type": "string"})
_ERROR = {
    "type": "object",
    "required": ["error", "hint"],
    "properties": {"error": {"type": "string"}, "hint": {"type": "string"}},
}
_BOX = {
    "type": "array",
    "items": {"type": "number"},
    "minItems": 4,
    "maxItems": 4,
    "description": "x, y, width and height in pixels of the image as it is shown.",
}
_MATCH = {
    "type": "object",
    "required": ["name", "similarity"],
    "properties": {"name": {"type": "string"}, "similarity": {"type": "number"}},
}
_FIND = {
    "type": "object",
    "required": ["bbox", "flaw"],
    "properties": {"bbox": _BOX, "flaw": {"type": "string", "description": "Why it should not be relied on."}},
}
_RUNS = {
    "type": "object",
    "required": ["size", "counts"],
    "description": "COCO's run lengths, compressed.",
    "properties": {"size": {"type": "array", "items": {"type": "integer"}}, "counts": {"type": "string"}},
}
_OBJECT = {
    "type": "object",
    "required": ["category", "bbox"],
    "properties": {
        "category": {"type": "string"},
        "score": {"type": "number"},
        "bbox": _BOX,
        "area": {"type": "integer", "description": "Pixels of its mask."},
        "segmentation": _RUNS,
        "certainty": {"type": "number", "description": "The mean of its pixels'."},
    },
}
_OF_CLASS = {
    "type": "object",
    "required": ["category", "segmentation"],
    "properties": {"category": {"type": "string"}, "segmentation": _RUNS},
}
_PREDICTION = {
    "type": "object",
    "required": ["source"],
    "properties": {
        "source": {"type": "string", "description": "The file's name, or #0, #1, …"},
        "error": {"type": "string", "description": "Why this one of several could not be used."},
        "label": {"type": "string"},
        "probability": {"type": "number"},
        "probabilities": {"type": "object", "additionalProperties": {"type": "number"}},
        "typicality": {"type": "number"},
        "unfamiliar": {"type": "boolean"},
        "answered": {"type": "boolean"},
        "labels": {"type": "array", "items": {"type": "string"}},
        "critical": {"type": "object"},
        "map": {"type": "string"},
        "view": {"type": "array", "items": {"type": "number"}},
        "nearest": {"type": "array", "items": {"type": "object"}},
        "width": {"type": "integer", "description": "Of the image as it is shown, in pixels."},
        "height": {"type": "integer"},
        "count": {"type": "integer", "description": "How many objects there are."},
        "objects": {"type": "array", "items": _OBJECT},
        "shares": {"type": "object", "additionalProperties": {"type": "number"}},
        "masks": {"type": "array", "items": _OF_CLASS},
        "mask": {"type": "string", "description": "The class, or the object, of each pixel: a PNG."},
        "certainty": {"type": "number", "description": "The probability that the class of a pixel is right; a mean."},
        "certainty_map": {"type": "string", "description": "255 times that probability of each pixel: a PNG."},
        "name": {"type": ["string", "null"], "description": "Who it is; null for nobody whom the model knows."},
        "similarity": {"type": ["number", "null"], "description": "To the most similar one that it knows, -1 to 1."},
        "matches": {"type": "array", "items": _MATCH, "description": "Whom it is like, the most similar first."},
        "found": {"type": "array", "items": _FIND, "description": "What was found, the compared one first."},
        "remarks": {"type": "array", "items": {"type": "string"}},
    },
}
FILE = {"type": "string", "format": "binary"}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How the description tells that a route may refuse."""
    said = {
        400: "Not valid HTTP, or not what the protocol asks for.",
        404: "There is no such model.",
        406: "The model has no answer of a type that is accepted.",
        408: "The body took too long.",
        413: "Too large, or too many.",
        415: "A type of body that is not taken.",
        422: "What was sent cannot be used.",
        500: "A decoder failed.",
        503: "Busy, or not ready; Retry-After says when to try again.",
        504: "The deadline has passed.",
        507: "The disk is full, or cannot be written.",
    }
    shape = {"application/json": {"schema": _ERROR}}
    return {status: {"description": said[status], "content": shape} for status in statuses}


def form_of(**fields: Mapping[str, Any]) -> dict[str, Any]:
    """A form with these fields, each once or several times."""
    return {"schema": {"type": "object", "properties": fields}}


_FORMAT = _parameter("format", "Of the answer; otherwise Accept tells.", {"type": "string", "enum": [*FORMATS]})
PREDICT: dict[str, Any] = {
    "parameters": [
        MODEL,
        _parameter("top", "Classes or people of each.", {"type": "integer", "minimum": 1, "maximum": _MOST_CLASSES}),
        _parameter("coverage", "List classes until the true one is among them so often.", _ONE),
        _parameter("accuracy", "Say which answers are sure enough to be right so often.", _ONE),
        _parameter("map", "Whether with the evidence, as a picture.", {"type": "boolean"}),
        _parameter("nearest", "Nearest training images.", {"type": "integer", "minimum": 0, "maximum": _MOST_NEAREST}),
        _parameter("threshold", "Score or similarity from which on.", {"type": "number", "minimum": 0, "maximum": 1}),
        _parameter("mask", "Whether with the mask, as a PNG.", {"type": "boolean"}),
        _parameter("certainty", "Whether with how sure the class of each pixel is.", {"type": "boolean"}),
        _FORMAT,
    ],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": form_of(
                image={"type": "array", "items": FILE}, text={"type": "array", "items": {"type": "string"}}
            ),
            "image/jpeg": {"schema": FILE},
            "image/png": {"schema": FILE},
            "application/octet-stream": {"schema": FILE},
            "text/plain": {"schema": {"type": "string"}},
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["texts"],
                    "properties": {"texts": {"type": "array", "minItems": 1, "items": {"type": "string"}}},
                }
            },
        },
    },
}

COLLECT: dict[str, Any] = {
    "parameters": [MODEL],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": form_of(image=FILE, text={"type": "string"}, label={"type": "string"}),
        },
    },
}

_NAME = {"type": "string"}
_TEXTS = {"type": "array", "items": _NAME}
_MASK = {
    "type": "object",
    "required": ["score", "area", "bbox", "segmentation"],
    "properties": {
        "score": {"type": "number", "description": "The IoU that the network expects of it."},
        "area": {"type": "integer"},
        "bbox": _BOX,
        "segmentation": _RUNS,
    },
}
ENROLL: dict[str, Any] = {
    "parameters": [MODEL],
    "requestBody": {
        "required": True,
        "content": {"multipart/form-data": form_of(name=_NAME, image={"type": "array", "items": FILE})},
    },
}
FORGET: dict[str, Any] = {
    "parameters": [MODEL],
    "requestBody": {"required": True, "content": {"multipart/form-data": form_of(name=_NAME)}},
}
_COUNT = {"type": "integer"}
_OF_NAME = {"name": _NAME, "images": _COUNT, "people": _COUNT}
ENROLLED = {
    "type": "object",
    "required": ["name", "images", "errors", "people", "alike"],
    "properties": {**_OF_NAME, "errors": {"type": "object", "additionalProperties": _NAME}, "alike": _NAME},
}
FORGOTTEN = {"type": "object", "required": ["name", "images", "people"], "properties": _OF_NAME}
KNOWN = {
    "type": "object",
    "required": ["count", "people"],
    "properties": {
        "count": _COUNT,
        "people": {"type": "array", "items": {"type": "object", "properties": {"name": _NAME, "images": _COUNT}}},
    },
}

COLLECTED = {"type": "object", "required": ["saved"], "properties": {"saved": {"type": "string"}}}

PREDICTED = {
    "type": "object",
    "required": ["model", "predictions"],
    "properties": {"model": {"type": "string"}, "predictions": {"type": "array", "items": _PREDICTION}},
}
OUTLINES = {
    "type": "object",
    "description": "GeoJSON: a polygon of each object or region, in pixels of the image as it is shown.",
    "required": ["type", "features"],
    "properties": {"type": {"const": "FeatureCollection"}, "features": {"type": "array", "items": {"type": "object"}}},
}


def _answered(schema: Mapping[str, Any]) -> dict[int | str, dict[str, Any]]:
    """JSON of a schema, or a file in its place."""
    kinds = {FORMATS["json"]: schema, FORMATS["png"]: FILE, FORMATS["geojson"]: OUTLINES}
    return {200: {"content": {kind: {"schema": each} for kind, each in kinds.items()}}}


ANSWERED = _answered(PREDICTED)

_EACH = {"style": "form", "explode": True}
SEGMENT: dict[str, Any] = {
    "parameters": [
        _parameter("point", "x,y of a pixel of the object, or x,y,- of one that is not.", _TEXTS) | _EACH,
        _parameter("box", "left,top,right,bottom around an object.", _TEXTS) | _EACH,
        _parameter("image", "What an earlier answer calls its image, which is then not sent again.", _NAME),
        _FORMAT,
    ],
    "requestBody": {
        "required": False,
        "content": {
            "multipart/form-data": form_of(image=FILE),
            "image/jpeg": {"schema": FILE},
            "image/png": {"schema": FILE},
            "application/octet-stream": {"schema": FILE},
        },
    },
}
SEGMENTED = _answered(
    {
        "type": "object",
        "required": ["network", "image", "width", "height", "masks"],
        "properties": {
            "network": _NAME,
            "image": {"type": "string", "description": "A name by which to ask about it again."},
            "width": _COUNT,
            "height": _COUNT,
            "masks": {"type": "array", "items": _MASK},
        },
    }
)
