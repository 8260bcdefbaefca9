"""The few facts of an ONNX file that must be known before it is run, read from its bytes without onnx.

Source: ``onnx.proto3`` and the wire format of Protocol Buffers. What is large, the weights, is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from topwork.errors import BackboneError

# Numbers of fields in onnx.proto3.
_GRAPH = 7  # of a model
_NODE, _INITIALIZER, _INPUT, _OUTPUT = 1, 5, 11, 12  # of a graph
_NAME_OF_TENSOR, _NAME_OF_VALUE, _OPERATOR = 8, 1, 4
_SHAPE = (2, 1, 2)  # type, tensor type, shape of a value
_DIMENSION, _SIZE = 1, 1

_FIXED = {1: 8, 5: 4}  # bytes of the kinds that have no length
_LONGEST = 10  # bytes of a number


@dataclass(frozen=True)
class OnnxFacts:
    """What an ONNX file takes and gives.

    Attributes:
        inputs: Sizes of each input that is no weight; 0 where any will do.
        outputs: Of each output.
        operators: The operators, in the order of the graph.
    """

    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    operators: tuple[str, ...]


def onnx_facts(path: Path) -> OnnxFacts:
    """Read them.

    Raises:
        BackboneError: It is no ONNX file, or is cut off.
    """
    try:
        content = memoryview(path.read_bytes())
        graph = b"".join(_all(content, _GRAPH))
        fields = list(_fields(memoryview(graph)))
        weights = {_text(each, _NAME_OF_TENSOR) for number, each in fields if number == _INITIALIZER}
        inputs = [each for number, each in fields if number == _INPUT and _text(each, _NAME_OF_VALUE) not in weights]
        outputs = [each for number, each in fields if number == _OUTPUT]
        operators = tuple(_text(each, _OPERATOR) for number, each in fields if number == _NODE)
        facts = OnnxFacts(tuple(map(_sizes, inputs)), tuple(map(_sizes, outputs)), operators)
    except (OSError, ValueError, IndexError) as error:
        raise BackboneError(f"{path}: not a readable ONNX file: {error}") from error
    if not (facts.inputs and facts.outputs and facts.operators):
        raise BackboneError(f"{path}: not a readable ONNX file: it has no network in it")
    return facts


def _sizes(value: memoryview) -> tuple[int, ...]:
    for number in _SHAPE:
        value = next(iter(_all(value, number)), memoryview(b""))
    return tuple(
        next((each for number, each in _numbers(one) if number == _SIZE), 0) for one in _all(value, _DIMENSION)
    )


def _text(message: memoryview, number: int) -> str:
    return bytes(next(iter(_all(message, number)), memoryview(b""))).decode("utf-8", "replace")


def _all(message: memoryview, number: int) -> Iterator[memoryview]:
    return (value for found, value in _fields(message) if found == number)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    return ((number, value) for number, value in _walk(message) if isinstance(value, memoryview))


def _numbers(message: memoryview) -> Iterator[tuple[int, int]]:
    return ((number, value) for number, value in _walk(message) if isinstance(value, int))


def _walk(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Each field's number and what it holds: a number, or bytes."""
    place = 0
    while place < len(message):
        key, place = _number(message, place)
        kind = key & 7
        if kind == 0:
            value, place = _number(message, place)
            yield key >> 3, value
            continue
        if kind == 2:
            size, place = _number(message, place)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise ValueError(f"a field of the kind {kind}")
        if place + size > len(message):
            raise ValueError("it is cut off")
        yield key >> 3, message[place : place + size]
        place += size


def _number(message: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(_LONGEST):
        byte = message[place + shift]
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, place + shift + 1
    raise ValueError("a number without an end")
