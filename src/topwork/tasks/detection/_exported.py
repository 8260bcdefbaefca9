"""What an exported detector answers: scores and boxes of every place; its script chooses the objects among them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np

from topwork._arrays import AnyArray, Float32Array, IntpArray
from topwork.data import image_size, printable
from topwork.errors import TopworkError
from topwork.exporting import Answers, Nodes, Value
from topwork.tasks.detection._model import Detector
from topwork.tasks.detection.network import Decoding, DetectorHead, at_each_place, predicted

_SCORE, _PIXELS = 1e-3, 0.5  # how far an export may be off
_REFUSED = {
    "torch": (
        "a detector cannot be exported to torch: timm's networks end in classes and have no boxes",
        "`topwork export --to onnx` takes it",
    ),
    "web": (
        "a detector cannot be exported to web: the page that answers in a browser tells classes and draws no boxes",
        "`topwork serve MODEL` gives a page that draws them",
    ),
}


def _require(model: Detector, to: str) -> None:
    if to in _REFUSED:
        message, hint = _REFUSED[to]
        raise TopworkError(message, hint=hint)
    if not isinstance(model.head, DetectorHead):
        raise TopworkError(
            f"{printable(model.backbone.name)} was trained as a detector elsewhere, and is not written as nodes",
            hint="`topwork serve MODEL` answers with it; a detector on a backbone, such as lite0, can be exported",
        )


class _OnnxOperators:
    """A head's ``Operators`` as ONNX nodes."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    def cut(self, features: Value, start: int, width: int, side: int) -> Value:
        ends = [np.array([place], np.int64) for place in (start, start + width * side**2, 1, 1)]
        return self._nodes.add("Slice", features, *ends).reshape(0, width, side, side)

    def convolution(
        self, maps: Value, kernel: Float32Array, bias: Float32Array | None, stride: int = 1, *, depthwise: bool = False
    ) -> Value:
        numbers = [kernel] if bias is None else [kernel, bias]
        pads, groups = [kernel.shape[2] // 2] * 4, len(kernel) if depthwise else 1
        return self._nodes.add("Conv", maps, *numbers, strides=[stride] * 2, pads=pads, group=groups)

    def picked(self, maps: Value, places: IntpArray, axis: int) -> Value:
        return self._nodes.add("Gather", maps, places, axis=axis)

    def add(self, one: Value, other: Value) -> Value:
        return one + other

    def relu(self, maps: Value) -> Value:
        return self._nodes.add("Relu", maps)

    def softplus(self, numbers: Value) -> Value:
        return self._nodes.add("Softplus", numbers)

    def by_place(self, levels: list[Value], count: int) -> Value:
        flat = [level.reshape(0, count, -1) for level in levels]
        return self._nodes.add("Concat", *flat, axis=2).transpose(0, 2, 1)


def _nodes(model: Detector, features: Value) -> Mapping[str, Value]:
    nodes, head = features.nodes, model.head
    assert isinstance(head, DetectorHead)
    logits, distances, *near = predicted(head.spec, head.arrays, features, _OnnxOperators(nodes))
    scores = nodes.add("Sigmoid", logits)
    if near:
        scores = nodes.add("Sqrt", scores * nodes.add("Sigmoid", near[0]))
    middles, stride = np.split(head.spec.points, [2], axis=1)
    away = distances * (stride * np.array([-1, -1, 1, 1], np.float32))
    corners = away + np.concatenate([middles, middles], axis=1)
    return {"scores": scores, "boxes": nodes.add("Clip", corners, 0.0, float(head.spec.size))}


def _expected(model: Detector, features: Float32Array) -> Mapping[str, AnyArray]:
    head = model.head
    assert isinstance(head, DetectorHead)
    each = [at_each_place(head.raw(row[None]), head.spec) for row in features]  # one by one, as ``predict`` tells one
    scores, boxes = (np.concatenate(part) for part in zip(*each, strict=True))
    return {"scores": scores, "boxes": boxes}


def _same(model: Detector, script: Any, row: Any, expected: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether the script tells of the objects that ``predict`` tells of, each where it is and as sure."""
    own = model.predict_features(expected["features"][None], [image_size(row)], [str(row)])[0].to_dict()
    other = script.told(row, found["scores"], found["boxes"], script.HOW)
    waiting = list(other["objects"])
    for each in own["objects"]:
        near = next((one for one in waiting if _is_near(each, one)), None)
        if near is None:
            return False
        waiting.remove(near)
    return not waiting and all(own[name] == other[name] for name in ("width", "height", "count"))


def _is_near(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    near = one["category"] == other["category"] and abs(one["score"] - other["score"]) <= _SCORE
    return near and bool(np.abs(np.subtract(_edges(one), _edges(other))).max() <= _PIXELS)


def _edges(one: Mapping[str, Any]) -> tuple[float, ...]:
    left, top, width, height = one["bbox"]
    return left, top, left + width, top + height


def _how(model: Detector) -> dict[str, Any]:
    """What ``objects.py`` needs to know."""
    decoding, spec, view = Decoding(), model.head.spec, model.backbone.preprocessing
    return {
        "classes": list(model.classes),
        "thresholds": list(model.record.task.thresholds),
        "ends": np.cumsum([level.side**2 for level in getattr(spec, "levels", ())]).tolist(),
        "overlap": decoding.overlap,
        "candidates": decoding.candidates,
        "most": decoding.most,
        **{name: getattr(view, name) for name in ("size", "crop_mode", "crop", "rules")},
    }


def _files(model: Detector) -> Mapping[str, str]:
    code = resources.files("topwork.tasks.detection").joinpath("_objects.py").read_text("utf-8")
    return {"objects.py": code, "objects.json": json.dumps(_how(model), ensure_ascii=False, indent=1) + "\n"}


EXPORTED = Answers(
    nodes=_nodes,
    expected=_expected,
    tolerances={"scores": _SCORE, "boxes": _PIXELS},
    outputs={
        "scores": "float32 [batch, places, classes]: how sure the model is of an object of that class around a place",
        "boxes": "float32 [batch, places, 4]: its left, top, right and bottom in pixels of the square that the network "
        "sees; `objects.py` chooses the objects and gives their boxes in pixels of the image",
    },
    same=_same,
    features=False,
    require=_require,
    metadata=_how,
    files=_files,
    about={
        "objects.py": "from scores and boxes to the objects of an image; NumPy alone",
        "objects.json": "the classes, in the order of the scores, their thresholds, and what else that needs",
    },
    setup='from objects import told\n\nHOW = json.loads((HERE / "objects.json").read_text("utf-8"))',
    line='json.dumps(told(name, found["scores"][row], found["boxes"][row], HOW), ensure_ascii=False)',
)
