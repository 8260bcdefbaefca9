"""A detector's export finds what ``predict`` finds, without topwork; what cannot be exported says why."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import topwork
from tests.tasks.detection.made import SIZE, made
from topwork.backbones import Preprocessing, blocks_of
from topwork.errors import TopworkError
from topwork.exporting import possible
from topwork.exporting._parity import Expected, loaded
from topwork.tasks.detection import Detector, _objects
from topwork.tasks.detection._exported import EXPORTED
from topwork.tasks.detection.network import (
    Decoding,
    HeadSpec,
    QueryHead,
    QuerySpec,
    Raw,
    at_each_place,
    decode,
    in_image,
)

from .conftest import ROWS
from .test_export import ALONE

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def detector() -> Detector:
    return made(thresholds=(0.3, 0.5, 0.2))


@pytest.fixture(scope="module")
def photographs(photos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One of them large, so that it is decoded at a scale, and turned by its EXIF."""
    folder, turned = tmp_path_factory.mktemp("photographs"), Image.Exif()
    turned[274] = 6
    Image.open(photos[0]).convert("RGB").resize((1600, 1200)).save(folder / "turned.jpg", exif=turned)
    for place, photo in enumerate(photos[:5]):  # small ones: 64 parts of them are compared
        image = Image.open(photo).convert("RGB")
        image.thumbnail((240, 240))
        image.save(folder / f"{place}.png")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module", params=["onnx", "openvino"])
def exported(
    request: pytest.FixtureRequest, detector: Detector, photographs: list[Path], tmp_path_factory: Any
) -> topwork.exporting.Exported:
    return topwork.export(detector, request.param, tmp_path_factory.mktemp("out") / "shipped", images=photographs)


@pytest.fixture(scope="module")
def expected(detector: Detector, photographs: list[Path]) -> Expected:
    return Expected(detector, EXPORTED, photographs)


def test_it_finds_what_predict_finds(exported: Any, detector: Detector, photographs: list[Path]) -> None:
    parity = exported.parity
    assert parity.rows == ROWS + 20
    assert parity.unread == 0
    assert parity.exact.farthest["scores"] < 1e-4
    assert parity.exact.farthest["boxes"] < 0.01
    assert set(parity.exact.farthest) == {"scores", "boxes"}  # whole maps are no answer
    assert parity.exact.same_label == 1
    found = detector.predict(photographs)
    assert {each.label for one in found for each in one} == {"cat", "dog", "eel"}
    script = exported.folder / "predict.py"
    assert "topwork" not in script.read_text("utf-8")
    assert sum(1 for line in script.read_text("utf-8").splitlines() if line.strip()) < 40
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, script, *photographs], capture_output=True, text=True, check=True
    )
    for line, expected in zip(done.stdout.splitlines(), (each.to_dict() for each in found), strict=True):
        told = json.loads(line)
        assert {**told, "objects": 0} == {**expected, "objects": 0}
        for one, other in zip(told["objects"], expected["objects"], strict=True):
            assert one["category"] == other["category"]
            assert one["score"] == pytest.approx(other["score"], abs=1e-3)
            assert one["bbox"] == pytest.approx(other["bbox"], abs=0.5)


def test_several_at_once_are_what_each_is_alone(exported: Any, photographs: list[Path]) -> None:
    script = loaded(exported.folder / "predict.py")
    sides = {"openvino": (SIZE, SIZE), "onnx": (160, 200)}[exported.to]
    rng = np.random.default_rng(0)
    images = list(rng.integers(0, 256, (5, *sides, 3), np.uint8))
    together = script.answer(images)
    for place, image in enumerate(images):
        for name, alone in script.answer([image]).items():
            np.testing.assert_allclose(together[name][place], alone[0], atol=1e-3)
    with pytest.raises(OSError, match="cannot identify"):
        script.read(exported.folder / "README.md")


def test_the_folder_tells_what_is_in_it(exported: Any, detector: Detector) -> None:
    readme = (exported.folder / "README.md").read_text("utf-8")
    assert "| `objects.py` | from scores and boxes" in readme
    assert "| `boxes` | float32 [batch, places, 4]" in readme
    assert "scores, largest difference | boxes, largest difference | same answer" in readme
    record = json.loads((exported.folder / "export.json").read_text("utf-8"))
    assert record["topwork.thresholds"] == [0.3, 0.5, 0.2]
    assert json.loads((exported.folder / "objects.json").read_text("utf-8"))["classes"] == list(detector.classes)
    assert (exported.folder / "objects.py").read_text("utf-8") == Path(_objects.__file__).read_text("utf-8")


@pytest.mark.parametrize("centreness", [False, True])
@pytest.mark.parametrize("rules", ["topwork", "timm"])
@pytest.mark.parametrize("mode", ["squash", "pad", "crop"])
def test_its_choice_is_that_of_the_room(mode: Any, rules: Any, centreness: bool) -> None:
    """Of the very same numbers, more than a level's and an image's most, with ties; the oracle is the room's own."""
    rng = np.random.default_rng(5)
    view = Preprocessing(SIZE, mode, rules=rules)
    spec = HeadSpec(("a", "b"), (8, 8), (4, 8), SIZE, 3, centreness=centreness)
    shape = (1, spec.n_points)
    near = rng.normal(0, 1, shape).astype(np.float32) if centreness else None
    raw = Raw(
        np.round(rng.normal(0, 1, (*shape, 3)), 1).astype(np.float32),
        rng.gamma(2, 3, (*shape, 4)).astype(np.float32),
        near,
    )
    scores, boxes = at_each_place(raw, spec)
    floors = np.array([0.4, 0.2, 0.7], np.float32)
    how = {"classes": ["a", "b", "c"], "thresholds": [0.4, 0.2, 0.7], "overlap": 0.6, "candidates": 1000, "most": 100}
    how |= {"ends": np.cumsum([level.side**2 for level in spec.levels]).tolist(), "crop": view.crop}
    how |= {"size": SIZE, "crop_mode": mode, "rules": rules}
    found = decode(raw, spec, Decoding(threshold=float(np.nextafter(floors.min(), np.float32(-1)))))[0]
    found = found.select(found.scores >= floors[found.labels])
    for height, width in ((97, 211), (640, 480), (1, 1), (1, 900), (333, 128)):
        expected = in_image(found, view, height, width)
        corners, sure, labels = _objects.found(scores[0], boxes[0], height, width, how)
        assert labels == expected.labels.tolist()
        assert sure == expected.scores.tolist()
        assert corners == expected.corners.tolist()
        assert height * width < 1000 or labels


def test_nothing_found_is_an_empty_list(tmp_path: Path) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / "empty.png")
    how = {"classes": ["a"], "thresholds": [0.5], "ends": [4, 5], "overlap": 0.6, "candidates": 9, "most": 9}
    how |= {"size": 16, "crop_mode": "pad", "crop": 1.0, "rules": "topwork"}
    told = _objects.told(tmp_path / "empty.png", np.zeros((5, 1), np.float32), np.zeros((5, 4), np.float32), how)
    assert (told["width"], told["height"], told["objects"]) == (30, 20, [])


@pytest.mark.parametrize(
    ("file", "before", "after"), [("objects.json", '"overlap": 0.6', '"overlap": 0.9'), ("objects.py", "> 4", "> 8")]
)
def test_a_script_that_chooses_otherwise_is_refused(
    exported: Any, expected: Expected, tmp_path: Path, file: str, before: str, after: str
) -> None:
    """Numbers that agree are not enough: what is made of them is compared too."""
    folder = shutil.copytree(exported.folder, tmp_path / "changed")
    text = (folder / file).read_text("utf-8")
    assert before in text
    (folder / file).write_text(text.replace(before, after), "utf-8")
    with pytest.raises(TopworkError, match=r"predict\.py does not answer as predict does on"):
        expected.compared(loaded(folder / "predict.py"), "it")


@pytest.mark.parametrize(("name", "far", "most"), [("boxes", 0.6, "0.5"), ("scores", 0.002, "0.001")])
def test_numbers_that_differ_are_refused(exported: Any, expected: Expected, name: str, far: float, most: str) -> None:
    script = loaded(exported.folder / "predict.py")
    answer = script.answer
    script.answer = lambda images: {**answer(images), name: answer(images)[name] + np.float32(far)}
    with pytest.raises(TopworkError, match=f"{name} differ by {far:.2g} on .*, and at most {most} is allowed"):
        expected.compared(script, "it")


def test_what_cannot_be_exported_says_why(detector: Detector, photographs: list[Path], tmp_path: Path) -> None:
    how: Any = {"path": tmp_path / "out", "images": photographs}
    for to, why, hint in (("torch", "timm's networks end in classes", "--to onnx"), ("web", "no boxes", "serve MODEL")):
        with pytest.raises(TopworkError, match=why) as raised:
            topwork.export(detector, to, **how)
        assert hint in raised.value.hint
    spec = QuerySpec(5, 8, SIZE, 3, (0, 1, 2), "sigmoid")
    queries = QueryHead(spec, np.zeros((8, 3), np.float32), np.zeros(3, np.float32))
    with pytest.raises(TopworkError, match="was trained as a detector elsewhere"):
        topwork.export(Detector(detector.record, queries, detector.backbone), **how)
    assert possible(detector, EXPORTED) == ("onnx", "openvino")
    assert possible(Detector(detector.record, queries, detector.backbone), EXPORTED) == ()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_network_that_torch_traces(photographs: list[Path], tmp_path: Path) -> None:
    """A backbone whose blocks are not known gives its maps by torch's export; whole images on a square."""
    pytest.importorskip("timm")
    backbone = topwork.load_backbone("resnet18", weights="random:1", size=64).replace(crop_mode="pad")
    assert blocks_of(backbone) is None
    found = topwork.export(made(backbone=backbone), "onnx", tmp_path / "out", images=photographs[:3])
    assert found.parity.exact.farthest["boxes"] < 0.01
    assert found.parity.exact.same_label == 1
