"""Tensors of the Open Inference Protocol: out of a request, into an answer, as JSON or behind it as bytes.

Source: https://github.com/kserve/open-inference-protocol, ``inference_rest.md`` and ``binary_data`` extension.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from topwork._arrays import AnyArray
from topwork.server._json import json_object
from topwork.server._refusal import RefusedError, as_json

LENGTH_HEADER = "inference-header-content-length"
"""Says how many bytes of a body are JSON, where tensors follow as bytes."""

_TYPES: Mapping[str, Any] = {"UINT8": np.uint8, "FP32": np.dtype("<f4")}
_TYPES_OF_ANSWERS = {**_TYPES, "INT64": np.dtype("<i8")}
_MOST_DIMENSIONS = 8
_DIGITS = re.compile("[0-9]{1,15}")


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor.

    Attributes:
        name: What it is called.
        datatype: ``UINT8``, ``FP32`` or ``BYTES``; of an answer ``INT64`` too.
        shape: Of its values.
        values: An array of that shape, or for ``BYTES`` a list of bytes.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Any


@dataclass(frozen=True, eq=False)
class Inference:
    """A request.

    Attributes:
        id: Which comes back with the answer; None where it has none.
        inputs: Its tensors.
        outputs: Names of those that are wanted, and whether as bytes; none where it does not say.
        binary: Whether all are wanted as bytes where it does not say.
    """

    id: str | None
    inputs: tuple[Tensor, ...]
    outputs: Mapping[str, bool]
    binary: bool


def bad(error: str, hint: str = "see the Open Inference Protocol") -> RefusedError:
    """400, as the protocol has it for a request that is not as it says."""
    return RefusedError(400, error, hint)


def inference_of(body: bytes, json_bytes: str | None) -> Inference:
    """A request out of its body.

    Args:
        body: Whole.
        json_bytes: The header ``LENGTH_HEADER``; None where all of the body is JSON.

    Raises:
        RefusedError: 400 where it is not as the protocol says.
    """
    if json_bytes is not None and not (_DIGITS.fullmatch(json_bytes) and int(json_bytes) <= len(body)):
        raise bad(f"{LENGTH_HEADER} is not a number of bytes of the body")
    split = len(body) if json_bytes is None else int(json_bytes)
    fields, rest = json_object(body[:split], 400), memoryview(body)[split:]
    given = fields.get("inputs")
    if not isinstance(given, list) or not given:
        raise bad("the request has no list of inputs")
    inputs = []
    for each in given:
        tensor, rest = _tensor(each, rest)
        inputs.append(tensor)
    if len(rest):
        raise bad(f"{len(rest)} bytes behind the tensors belong to none")
    identity = fields.get("id")
    if identity is not None and not isinstance(identity, str):
        raise bad("the request's id is not a text")
    binary = _parameters(fields).get("binary_data_output") is True
    return Inference(identity, tuple(inputs), dict(_wanted(fields.get("outputs", []), binary)), binary)


def _parameters(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    found = fields.get("parameters")
    return found if isinstance(found, dict) else {}


def _wanted(outputs: Any, binary: bool) -> Iterator[tuple[str, bool]]:
    if not isinstance(outputs, list):
        raise bad("the request's outputs are not a list")
    for each in outputs:
        name = each.get("name") if isinstance(each, dict) else None
        if not isinstance(name, str):
            raise bad("an output has no name")
        yield name, _parameters(each).get("binary_data", binary) is True


def _tensor(fields: Any, rest: memoryview) -> tuple[Tensor, memoryview]:
    """One tensor, and the bytes behind its own."""
    name, datatype, shape = (fields.get(key) if isinstance(fields, dict) else None for key in _KEYS)
    if not isinstance(name, str) or not isinstance(datatype, str) or not isinstance(shape, list):
        raise bad("an input has no name, datatype or shape")
    if datatype not in (*_TYPES, "BYTES"):
        raise bad(f"{name[:80]}: the datatype {datatype[:20]!r} is not taken", "send UINT8, FP32 or BYTES")
    whole = all(isinstance(side, int) and not isinstance(side, bool) and 0 < side < 2**31 for side in shape)
    if not whole or not 0 < len(shape) <= _MOST_DIMENSIONS:
        raise bad(f"{name[:80]}: its shape is not a list of sizes")
    size = _parameters(fields).get("binary_data_size")
    if size is None:
        values = _of_json(name, datatype, shape, fields.get("data"))
    elif not isinstance(size, int) or not 0 <= size <= len(rest):
        raise bad(f"{name[:80]}: its bytes are not all there")
    else:
        values, rest = _of_bytes(name, datatype, shape, rest[:size]), rest[size:]
    return Tensor(name, datatype, tuple(shape), values), rest


_KEYS = ("name", "datatype", "shape")


def _of_json(name: str, datatype: str, shape: Sequence[int], data: Any) -> Any:
    if not isinstance(data, list):
        raise bad(f"{name[:80]}: it has no data")
    if datatype == "BYTES":
        if len(shape) != 1 or len(data) != shape[0] or not all(isinstance(each, str) for each in data):
            raise bad(f"{name[:80]}: BYTES are taken as a list of texts")
        return data
    try:
        values = np.asarray(data, np.float64).reshape(shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise bad(f"{name[:80]}: its data do not fit its shape") from error
    if datatype == "UINT8" and not ((values >= 0) & (values <= 255) & (values == np.floor(values))).all():
        raise bad(f"{name[:80]}: UINT8 are whole numbers from 0 to 255")
    return values.astype(_TYPES[datatype])


def _of_bytes(name: str, datatype: str, shape: Sequence[int], content: memoryview) -> Any:
    if datatype == "BYTES":
        found = list(_elements(name, content))
        if len(shape) != 1 or len(found) != shape[0]:
            raise bad(f"{name[:80]}: its data do not fit its shape")
        return found
    try:
        return np.frombuffer(content, _TYPES[datatype]).reshape(shape)
    except ValueError as error:
        raise bad(f"{name[:80]}: its data do not fit its shape") from error


def _elements(name: str, content: memoryview) -> Iterator[bytes]:
    while len(content):
        size = int.from_bytes(content[:4], "little")
        if len(content) < 4 + size:
            raise bad(f"{name[:80]}: its bytes end within an element")
        yield bytes(content[4 : 4 + size])
        content = content[4 + size :]


def file_of(element: str | bytes) -> bytes:
    """The file in an element of ``BYTES``: as it is, or in JSON as base64."""
    if isinstance(element, bytes):
        return element
    try:
        return base64.b64decode(element, validate=True)
    except (ValueError, binascii.Error) as error:
        raise bad("an image as BYTES in JSON has to be in base64") from error


def written(fields: dict[str, Any], outputs: Sequence[Tensor], binary: Mapping[str, bool]) -> tuple[bytes, int | None]:
    """An answer.

    Args:
        fields: Its other fields.
        outputs: Its tensors.
        binary: Which of them are to be bytes.

    Returns:
        The body, and how many of its bytes are JSON; None where all are.
    """
    told, behind = [], []
    for each in outputs:
        head: dict[str, Any] = {"name": each.name, "datatype": each.datatype, "shape": list(each.shape)}
        if binary.get(each.name):
            content = _packed(each)
            behind.append(content)
            told.append({**head, "parameters": {"binary_data_size": len(content)}})
        else:
            values = each.values if each.datatype == "BYTES" else each.values.ravel().tolist()
            told.append({**head, "data": values})
    content = as_json({**fields, "outputs": told})
    return b"".join([content, *behind]), len(content) if behind else None


def _packed(tensor: Tensor) -> bytes:
    if tensor.datatype == "BYTES":
        encoded = [each.encode() for each in tensor.values]
        return b"".join(struct.pack("<I", len(each)) + each for each in encoded)
    values: AnyArray = tensor.values
    return values.astype(_TYPES_OF_ANSWERS[tensor.datatype]).tobytes()
