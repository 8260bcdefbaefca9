"""The finders of faces: dlib's, and a detector in an ONNX file of YuNet's or SCRFD's layout, run by onnxruntime."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .boxes import overlap
from .people import aligned

STRIDES = (8, 16, 32)


def crop(facts: dict[str, Any], pixels: Any) -> Any:
    """The largest face of uint8 (H, W, 3), aligned, uint8 (side, side, 3); None where there is none."""
    return (_by_onnx if facts["name"] == "faces-onnx" else _by_dlib)(facts, pixels)


def _by_dlib(facts: dict[str, Any], pixels: Any) -> Any:
    import dlib

    short, long = sorted(pixels.shape[:2])
    a = min(max(1, min(3, 276 / short)), 1600 / long)
    image = _resized(pixels, a)
    found = _detector().run(image, 0, 0.0)[0]
    if not len(found) and 2 * a * long <= 1600:
        image = _resized(pixels, 2 * a)
        found = _detector().run(image, 0, 0.0)[0]
    if not len(found):
        return None
    spec = importlib.util.find_spec("face_recognition_models")
    assert spec is not None
    count = 5 if facts["name"] == "faces" else 68
    file = Path(str(spec.origin)).parent / "models" / f"shape_predictor_{count}_face_landmarks.dat"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == facts["landmarks"]
    shape = dlib.shape_predictor(str(file))(image, max(found, key=lambda face: face.area()))
    if count == 5:
        return dlib.get_face_chip(image, shape, 150, 0.25)
    points = np.array([(point.x, point.y) for point in shape.parts()], np.float64)
    five = [points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]]
    return np.floor(aligned(image, five)).astype(np.uint8)


@functools.cache
def _detector() -> Any:
    """Making one takes seconds."""
    import dlib

    return dlib.get_frontal_face_detector()


def _resized(pixels: Any, k: float) -> Any:
    from PIL import Image

    if k == 1:
        return np.ascontiguousarray(pixels)
    size = tuple(max(1, round(side * k)) for side in pixels.shape[1::-1])
    how = Image.Resampling.BICUBIC if k > 1 else Image.Resampling.BOX
    return np.asarray(Image.fromarray(pixels).resize(size, how))


def _by_onnx(facts: dict[str, Any], pixels: Any) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(Path(facts["file"]).read_bytes(), providers=["CPUExecutionProvider"])
    side = session.get_inputs()[0].shape[2]
    side = side if isinstance(side, int) else 640
    height, width = pixels.shape[:2]
    small = _resized(pixels, side / max(height, width))
    square = np.zeros((side, side, 3), np.float32)
    square[: small.shape[0], : small.shape[1]] = small
    yunet = len(session.get_outputs()) == 12
    given = square[..., ::-1] if yunet else (square - 127.5) / 128
    taken = {session.get_inputs()[0].name: np.ascontiguousarray(given.transpose(2, 0, 1)[None])}
    outputs = [each.reshape(-1, each.shape[-1]) for each in session.run(None, taken)]
    found = sorted(_faces(outputs, side, yunet=yunet), key=lambda face: -face[1])
    kept = list[Any]()
    for face in found:
        if all(overlap(face[0], other[0]) <= (0.3 if yunet else 0.4) for other in kept):
            kept.append(face)
    if not kept:
        return None
    scale = np.array([width / small.shape[1], height / small.shape[0]])
    largest = max(kept, key=lambda face: float(np.prod(np.maximum(face[0][2:] - face[0][:2], 0) * scale)))
    return np.floor(aligned(pixels, largest[2] * scale)).astype(np.uint8)


def _faces(outputs: list[Any], side: int, *, yunet: bool) -> Iterator[tuple[Any, float, Any]]:
    """Corners, score and points of each place that is sure enough, in pixels of the square."""
    for stride in STRIDES:
        columns = side // stride
        anchors = 1 if yunet else 2 if len(outputs[0]) == 2 * (side // 8) ** 2 else 1
        grid = sorted((each for each in outputs if len(each) == anchors * columns**2), key=lambda each: each.shape[1])
        for row in range(anchors * columns**2):
            place = np.array([row // anchors % columns, row // anchors // columns], np.float64)
            *scores, box, points = (each[row].astype(np.float64) for each in grid)
            if yunet:
                score = float(np.sqrt(np.prod(np.clip(np.concatenate(scores), 0, 1))))
                middle, half = (place + box[:2]) * stride, np.exp(box[2:]) * stride / 2
                corners = np.concatenate([middle - half, middle + half])
            else:
                score = float(scores[0][0])
                corners = np.concatenate([place - box[:2], place + box[2:]]) * stride
            if score >= (0.9 if yunet else 0.5):
                yield corners, score, (points.reshape(5, 2) + place) * stride
