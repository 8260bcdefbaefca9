"""Detectors of faces in ONNX files, beside a literal transcription of the rules that were published with them."""

from __future__ import annotations

import math
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topwork.errors import DataError
from topwork.tasks.recognition._finder import open_finder
from topwork.tasks.recognition.faces._align import ARCFACE_POINTS, aligned

onnx = pytest.importorskip("onnx")

SIDE = 64
STRIDES = (8, 16, 32)
LAYOUTS = {"yunet": 1, "scrfd": 2}  # anchors of each place
Face = tuple[list[float], float, list[list[float]]]


def network(file: Path, widths: Sequence[tuple[str, int]], anchors: int, side: int | str = SIDE) -> Path:
    """Writes a network of random numbers: of each grid an output of each width, by a convolution of that step."""
    helper, numbers = onnx.helper, onnx.numpy_helper
    rng, nodes, weights, outputs = np.random.default_rng(3), [], [], []
    for stride in STRIDES:
        for name, width in widths:
            of = f"{name}_{stride}"
            spread = 4 if width == 1 else 1.5
            kernel = rng.normal(0, spread / stride, (width * anchors, 3, stride, stride)) / 128
            weights += [numbers.from_array(kernel.astype(np.float32), f"{of}.w")]
            weights += [numbers.from_array(np.array([1, -1, width], np.int64), f"{of}.shape")]
            nodes += [
                helper.make_node("Conv", ["input", f"{of}.w"], [f"{of}.c"], strides=[stride, stride]),
                helper.make_node("Transpose", [f"{of}.c"], [f"{of}.t"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"{of}.t", f"{of}.shape"], [f"{of}.r"]),
                helper.make_node("Sigmoid" if width == 1 else "Identity", [f"{of}.r"], [of]),
            ]
            outputs.append(helper.make_tensor_value_info(of, onnx.TensorProto.FLOAT, None))
    taken = helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, [1, 3, side, side])
    graph = helper.make_graph(nodes, "g", [taken], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, file)
    return file


def detector(folder: Path, layout: str, side: int | str = SIDE) -> Path:
    scores = ("cls", "obj") if layout == "yunet" else ("score",)
    widths = [*((name, 1) for name in scores), ("bbox", 4), ("kps", 10)]
    return network(folder / f"{layout}.onnx", widths, LAYOUTS[layout], side)


def answers(file: Path, shown: Any) -> dict[str, Any]:
    """What onnx's own reference implementation says."""
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(str(file))
    return dict(zip(evaluator.output_names, evaluator.run(None, {"input": shown}), strict=True))


def yunet(said: dict[str, Any]) -> list[Face]:
    """``FaceDetectorYNImpl::postProcess`` of OpenCV's face_detect.cpp, line by line."""
    found = []
    for stride in STRIDES:
        cls, obj, bbox, kps = (said[f"{name}_{stride}"][0] for name in ("cls", "obj", "bbox", "kps"))
        columns = SIDE // stride
        for r in range(columns):
            for c in range(columns):
                at = r * columns + c
                score = math.sqrt(min(max(cls[at, 0], 0), 1) * min(max(obj[at, 0], 0), 1))
                if score < 0.9:
                    continue
                cx, cy = (c + bbox[at, 0]) * stride, (r + bbox[at, 1]) * stride
                w, h = math.exp(bbox[at, 2]) * stride, math.exp(bbox[at, 3]) * stride
                x1, y1 = cx - w / 2, cy - h / 2
                points = [[(kps[at, 2 * n] + c) * stride, (kps[at, 2 * n + 1] + r) * stride] for n in range(5)]
                found.append(([x1, y1, x1 + w, y1 + h], score, points))
    return without_doubles(found, 0.3)


def scrfd(said: dict[str, Any]) -> list[Face]:
    """``SCRFD.forward`` of insightface's scrfd.py: ``distance2bbox`` and ``distance2kps`` from anchors' centres."""
    found = []
    for stride in STRIDES:
        score, bbox, kps = (said[f"{name}_{stride}"][0] for name in ("score", "bbox", "kps"))
        at = 0
        for y in range(SIDE // stride):
            for x in range(SIDE // stride):
                for _ in range(2):
                    cx, cy, far = x * stride, y * stride, bbox[at] * stride
                    box = [cx - far[0], cy - far[1], cx + far[2], cy + far[3]]
                    points = [[cx + kps[at, 2 * n] * stride, cy + kps[at, 2 * n + 1] * stride] for n in range(5)]
                    if score[at, 0] >= 0.5:
                        found.append((box, float(score[at, 0]), points))
                    at += 1
    return without_doubles(found, 0.4)


def without_doubles(found: list[Face], overlap: float) -> list[Face]:
    kept: list[Face] = []
    for face in sorted(found, key=lambda each: -each[1]):
        if all(shared(face[0], other[0]) <= overlap for other in kept):
            kept.append(face)
    return kept


def shared(one: list[float], other: list[float]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width * height / (sum(areas) - width * height)


def picture() -> Any:
    return np.random.default_rng(0).integers(0, 256, (48, SIDE, 3), dtype=np.uint8)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_faces_are_what_the_published_rule_says(tmp_path: Path, layout: str) -> None:
    file, pixels = detector(tmp_path, layout), picture()
    square = np.zeros((SIDE, SIDE, 3), np.float32)
    square[:48] = pixels  # at the upper left, as both do it
    taken = square[:, :, ::-1] if layout == "yunet" else (square - 127.5) / 128
    said = answers(file, np.ascontiguousarray(taken.transpose(2, 0, 1)[None], np.float32))
    expected = (yunet if layout == "yunet" else scrfd)(said)
    finder = open_finder({"name": str(file)})
    found = finder.find(pixels)
    assert len(found) == len(expected) > 3
    for one, (corners, score, points) in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.corners, corners, rtol=1e-3, atol=1e-2)
        np.testing.assert_allclose(one.score, score, atol=1e-4)
        assert one.points is not None
        np.testing.assert_allclose(one.points, points, rtol=1e-3, atol=1e-2)
        np.testing.assert_array_equal(one.crop, aligned(pixels, one.points, ARCFACE_POINTS, 112))
    for same in (pickle.loads(pickle.dumps(finder)), open_finder(finder.facts())):
        assert [each.corners for each in same.find(pixels)] == [each.corners for each in found]
    larger = finder.find(pixels.repeat(3, axis=0).repeat(3, axis=1))
    np.testing.assert_allclose([each.corners for each in larger], 3 * np.array([each.corners for each in found]), 1e-4)


def test_a_square_of_any_side_is_one_of_640(tmp_path: Path) -> None:
    finder = open_finder({"name": str(detector(tmp_path, "yunet", "side"))})
    assert finder._side == 640  # type: ignore[attr-defined]
    assert finder.find(np.zeros((9, 5, 3), np.uint8)) == []


TOLD = [("score", 1), ("bbox", 4), ("kps", 10)]


@pytest.mark.parametrize(
    ("widths", "anchors", "side", "message"),
    [
        (TOLD[:2], 2, SIDE, r"outputs for a square of 64 pixels are \(1, 128, 1\), \(1, 128, 4\)"),
        ([*TOLD[:2], ("kps", 12)], 2, SIDE, "no detector of faces whose layout is known"),
        (TOLD, 3, SIDE, "no detector of faces whose layout is known"),
        (TOLD, 2, 72, "takes no square picture"),
    ],
)
def test_another_network_is_refused_by_what_it_gives(
    tmp_path: Path, widths: list[tuple[str, int]], anchors: int, side: int, message: str
) -> None:
    file = network(tmp_path / "other.onnx", widths, anchors, side)
    with pytest.raises(DataError, match=message) as caught:
        open_finder({"name": str(file)})
    assert "other.onnx" in caught.value.message
    for each in ("YuNet (outputs of 1, 1, 4, 10 numbers)", "SCRFD (1, 4, 10)", "multiple of 32 pixels"):
        assert each in caught.value.hint


def test_files_that_are_none_and_files_that_changed(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    with pytest.raises(DataError, match="OpenVINO cannot run the detector of faces: "):
        open_finder({"name": str(broken)})
    with pytest.raises(DataError, match="cannot be read: No such file"):
        open_finder({"name": str(tmp_path / "gone.onnx")})
    with pytest.raises(DataError, match="needs a file"):
        open_finder({"name": "faces-onnx"})
    facts = open_finder({"name": str(detector(tmp_path, "yunet"))}).facts()
    network(tmp_path / "yunet.onnx", TOLD, 2)
    for said in ("found by another file", "cannot be read"):
        with pytest.raises(DataError, match=said) as caught:
            open_finder(facts)
        assert caught.value.hint == "put the detector there that made it, or fit it again"  # predict has no --finder
        (tmp_path / "yunet.onnx").unlink(missing_ok=True)
