"""The finder of faces by a detector in an ONNX file, which onnxruntime runs: YuNet's layout, or SCRFD's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .boxes import overlap
from .people import aligned

STRIDES = (8, 16, 32)


def crop(facts: dict[str, Any], pixels: Any) -> Any:
    """uint8 (112, 112, 3): the largest face of uint8 (H, W, 3), aligned; None where there is none."""
    import onnxruntime
    from PIL import Image

    session = onnxruntime.InferenceSession(Path(facts["file"]).read_bytes(), providers=["CPUExecutionProvider"])
    side = session.get_inputs()[0].shape[2]
    side = side if isinstance(side, int) else 640
    height, width = pixels.shape[:2]
    k = side / max(height, width)
    size = max(1, round(width * k)), max(1, round(height * k))
    filtered = Image.Resampling.BICUBIC if k > 1 else Image.Resampling.BOX
    small = pixels if k == 1 else np.asarray(Image.fromarray(pixels).resize(size, filtered))
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
    scale = np.array([width / size[0], height / size[1]])
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
