"""What an exported segmenter answers: logits of each place of a grid; its script places them in the image."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

import numpy as np

from topwork._arrays import AnyArray, Float32Array
from topwork.data import image_size
from topwork.errors import TopworkError
from topwork.exporting import Answers, Value
from topwork.tasks.segmentation._model import Segmenter
from topwork.tasks.segmentation.decoder import DecoderHead
from topwork.tasks.segmentation.network import PixelHead, softmax_of
from topwork.tasks.segmentation.network._grid import enlarging

_PROBABILITY, _PIXELS = 1e-3, 1e-3  # how far an export may be off; the share of an image's pixels that may differ
_REFUSED = {
    "torch": (
        "a segmenter cannot be exported to torch: timm's networks end in classes and draw no masks",
        "`topwork export --to onnx` takes it",
    ),
    "web": (
        "a segmenter cannot be exported to web: the page that answers in a browser tells classes and draws no masks",
        "`topwork serve MODEL` gives a page that draws them",
    ),
}


def _require(model: Segmenter, to: str) -> None:
    if to in _REFUSED:
        message, hint = _REFUSED[to]
        raise TopworkError(message, hint=hint)
    if not isinstance(model.head, PixelHead | DecoderHead):
        raise TopworkError(
            "this segmenter was trained elsewhere, and is not written as nodes",
            hint="`topwork serve MODEL` answers with it; a probe or a decoder on a backbone can be exported",
        )


def _nodes(model: Segmenter, features: Value) -> Mapping[str, Value]:
    head = model.head
    maps = [*_maps(features, head.spec)]
    if isinstance(head, PixelHead):
        logits = _pixels(head, maps)
    else:
        from topwork.tasks.segmentation.decoder._onnx import decoder_nodes

        assert isinstance(head, DecoderHead)
        logits = decoder_nodes(head, maps)
    return {"logits": logits, "probabilities": features.nodes.add("Softmax", logits, axis=1)}


def _maps(features: Value, spec: Any) -> Iterator[Value]:
    start = 0
    for width, side in zip(spec.widths, spec.sides, strict=True):
        ends = [np.array([place], np.int64) for place in (start, start + width * side**2, 1, 1)]
        yield features.nodes.add("Slice", features, *ends).reshape(0, width, side, side)
        start += width * side**2


def _pixels(head: PixelHead, maps: list[Value]) -> Value:
    spec, nodes = head.spec, maps[0].nodes
    summed: Value | None = None
    for place, each in enumerate(maps):
        said = nodes.add("Conv", each, head.arrays[f"maps.{place}"][:, :, None, None])
        if spec.strides[place] != spec.strides[0]:
            rows = enlarging(spec.grids[place], spec.grid)
            said = nodes.add("MatMul", nodes.constant(rows), said) @ np.ascontiguousarray(rows.T)
        summed = said if summed is None else summed + said
    assert summed is not None
    summed = summed + head.arrays["bias"][None, :, None, None]
    if not spec.hidden:
        return summed
    hidden = nodes.add("Relu", summed)
    return nodes.add("Conv", hidden, head.arrays["out"][:, :, None, None], head.arrays["out_bias"])


def _expected(model: Segmenter, features: Float32Array) -> Mapping[str, AnyArray]:
    each = [model.head.logits(row[None])[0] for row in features]  # one by one, as ``predict`` tells one
    return {"logits": np.stack(each), "probabilities": np.stack([softmax_of(logits) for logits in each])}


def _same(model: Segmenter, script: Any, row: Any, expected: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether of an image all but a thousandth of the pixels, or one, have the class that ``predict`` tells."""
    size = image_size(row)
    (own,) = model.predict_features(expected["features"][None], [size], [str(row)])
    other = script.masks.found(found["logits"], *size, script.HOW)
    apart = int((own.labels != other).sum())
    return bool(script.masks.shown_size(row) == size) and apart <= max(1, _PIXELS * own.labels.size)


def _how(model: Segmenter) -> dict[str, Any]:
    """What ``masks.py`` needs to know."""
    view = model.backbone.preprocessing
    return {
        "classes": list(model.classes),
        "threshold": model.record.task.threshold,
        "stride": model.head.spec.grid.stride,
        **{name: getattr(view, name) for name in ("size", "crop_mode", "crop", "rules")},
    }


def _files(model: Segmenter) -> Mapping[str, str]:
    code = resources.files("topwork.tasks.segmentation").joinpath("_placed.py").read_text("utf-8")
    return {"masks.py": code, "masks.json": json.dumps(_how(model), ensure_ascii=False, indent=1) + "\n"}


EXPORTED = Answers(
    nodes=_nodes,
    expected=_expected,
    tolerances={"probabilities": _PROBABILITY},
    outputs={
        "logits": "float32 [batch, channels, side, side]: what is said of each place of a grid over the square that "
        "the network sees, for each class and, where objects are told apart, of their borders; `masks.py` "
        "places it in the image",
        "probabilities": "the same as probabilities, which sum to one over the channels",
    },
    same=_same,
    least_same=1.0,
    features=False,
    require=_require,
    metadata=_how,
    files=_files,
    about={
        "masks.py": "from logits to the class of each pixel of an image; NumPy and Pillow alone. Objects are told "
        "apart by a watershed, which only topwork does",
        "masks.json": "the classes, in the order of the mask's numbers, the threshold, and what else that needs",
    },
    setup='import masks\n\nHOW = json.loads((HERE / "masks.json").read_text("utf-8"))',
    line='json.dumps(masks.told(name, found["logits"][row], HOW), ensure_ascii=False)',
)
