"""A segmenter's export draws the mask that ``predict`` draws, without topwork; what cannot be exported says why."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import topwork
from tests.tasks.segmentation.made import drawn, segmenter
from topwork.errors import TopworkError
from topwork.exporting import possible
from topwork.exporting._nodes import Nodes
from topwork.exporting._parity import Expected, loaded
from topwork.tasks.segmentation import Segmenter, _placed
from topwork.tasks.segmentation._exported import EXPORTED
from topwork.tasks.segmentation.decoder import DecoderHead
from topwork.tasks.segmentation.instances import Splitting

from .conftest import ROWS
from .test_export import ALONE

onnxruntime = pytest.importorskip("onnxruntime")

SIZE = 96


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One of them turned by its EXIF tag."""
    folder, turned = tmp_path_factory.mktemp("pictures"), Image.Exif()
    turned[274] = 6
    for seed in range(3):
        Image.fromarray(drawn(seed, 150)[0][: 150 - 20 * seed]).save(folder / f"{seed}.png")
    Image.fromarray(drawn(4, 200)[0][:120]).save(folder / "turned.jpg", exif=turned)
    return sorted(folder.iterdir())


def objects() -> Segmenter:
    """Of two classes with a border between objects, linear, with a threshold, on squares with a margin."""
    splitting = Splitting(border=True, threshold=0.5, marker=0.2, least_area=4).to_dict()
    how: dict[str, Any] = {
        "border": True,
        "hidden": 0,
        "raised": 21.0,
        "crop_mode": "pad",
        "threshold": 0.4,
        "splitting": splitting,
    }
    return segmenter(SIZE, classes=("background", "cell"), **how)


@pytest.fixture(scope="module", params=["classes-onnx", "objects-openvino"])
def made(request: pytest.FixtureRequest, pictures: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    kind, to = request.param.split("-")
    model = segmenter(SIZE) if kind == "classes" else objects()
    return model, topwork.export(model, to, tmp_path_factory.mktemp("out") / "shipped", images=pictures)


def test_it_draws_what_predict_draws(made: Any, pictures: list[Path], tmp_path: Path) -> None:
    model, exported = made
    parity = exported.parity
    assert (parity.rows, parity.unread, parity.exact.same_label) == (ROWS + 20, 0, 1)
    assert set(parity.exact.farthest) == {"logits", "probabilities"}
    assert parity.exact.farthest["probabilities"] < 1e-4
    script = exported.folder / "predict.py"
    assert not any("topwork" in file.read_text("utf-8") for file in (script, exported.folder / "masks.py"))
    command = [sys.executable, "-I", "-c", ALONE, script, *pictures]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    for line, each in zip(done.stdout.splitlines(), model.predict(pictures), strict=True):
        told, expected = json.loads(line), each.to_dict()
        assert (told["source"], told["width"], told["height"]) == (each.source, expected["width"], expected["height"])
        assert told["shares"] == pytest.approx(expected["shares"], abs=1e-3)
        mask = np.asarray(Image.open(tmp_path / told["mask"]))
        assert mask.dtype == np.uint8
        assert (mask == each.labels).mean() >= 0.999
        assert len(np.unique(mask)) == len(model.classes)


@pytest.mark.parametrize("mode", ["squash", "pad", "crop"])
@pytest.mark.parametrize("rules", ["topwork", "timm"])
def test_a_mask_is_placed_as_predict_places_it(mode: Any, rules: Any) -> None:
    model = objects()
    model.backbone = model.backbone.replace(crop_mode=mode, rules=rules, crop=0.875 if mode == "crop" else 1.0)
    how = EXPORTED.metadata(model)
    features = np.random.default_rng(0).normal(0, 1, (1, model.head.spec.n_features)).astype(np.float32)
    logits = model.head.logits(features)[0]
    for size in ((97, 211), (1, 1), (1, 300), (333, 64)):
        (found,) = model.predict_features(features, [size], ["a"])
        assert (_placed.found(logits, *size, how) == found.labels).all()


@pytest.mark.parametrize("design", ["unet", "unet++", "fpn", "deeplabv3+", "segformer"])
@pytest.mark.parametrize("size", [64, 100])
def test_a_decoder_as_nodes_is_the_decoder(design: Any, size: int) -> None:
    """Also where its maps are no whole multiples of one another."""
    pytest.importorskip("segmentation_models_pytorch")
    from tests.tasks.segmentation.decoder.test_head import trained
    from topwork.backbones import load
    from topwork.tasks.segmentation.decoder import DecoderSpec

    spec = DecoderSpec.of(load("lite0", size=size), 2, design, border=True, width=32)
    head = DecoderHead.from_module(trained(spec))
    model = segmenter(size, classes=("background", "cell"), head=head)
    nodes = Nodes()
    told = EXPORTED.nodes(model, nodes.input("features", np.float32, ["batch", spec.n_features]))
    nodes.output("logits", told["logits"], ["batch", spec.channels, spec.side, spec.side])
    session = onnxruntime.InferenceSession(nodes.model("decoder").SerializeToString())
    features = np.random.default_rng(1).normal(0, 1, (2, spec.n_features)).astype(np.float32)
    (found,) = session.run(None, {"features": features})
    expected = head.logits(features)
    assert np.abs(found - expected).max() < 1e-4 * max(1.0, np.abs(expected).max())


def test_a_script_that_places_otherwise_is_refused(made: Any, pictures: list[Path], tmp_path: Path) -> None:
    model, exported = made
    folder = shutil.copytree(exported.folder, tmp_path / "changed")
    text = (folder / "masks.py").read_text("utf-8")
    assert " + 0.5 - seen" in text
    (folder / "masks.py").write_text(text.replace(" + 0.5 - seen", " + 9.5 - seen"), "utf-8")
    with pytest.raises(TopworkError, match=r"predict\.py does not answer as predict does on"):
        Expected(model, EXPORTED, pictures).compared(loaded(folder / "predict.py"), "it")


@pytest.mark.parametrize(("name", "why"), [("probabilities", "probabilities differ by"), ("logits", "of 4 rows as")])
def test_numbers_that_differ_are_refused(made: Any, pictures: list[Path], name: str, why: str) -> None:
    """Logits too, which are compared by the pixels that come of them."""
    model, exported = made
    script = loaded(exported.folder / "predict.py")
    answer = script.answer
    script.answer = lambda images: {**answer(images), name: answer(images)[name][:, ::-1] + np.float32(0.002)}
    with pytest.raises(TopworkError, match=why):
        Expected(model, EXPORTED, pictures).compared(script, "it")


@pytest.mark.parametrize(("to", "why"), [("torch", "draw no masks"), ("web", "draws no masks")])
def test_what_cannot_be_exported_says_why(to: str, why: str, pictures: list[Path], tmp_path: Path) -> None:
    with pytest.raises(TopworkError, match=why):
        topwork.export(segmenter(SIZE), to, tmp_path / "out", images=pictures)
    assert list(tmp_path.iterdir()) == []


def test_a_segmenter_that_was_trained_elsewhere_has_no_target() -> None:
    elsewhere: Any = SimpleNamespace(spec=None)
    assert possible(segmenter(SIZE), EXPORTED) == ("onnx", "openvino")
    assert possible(Segmenter(segmenter(SIZE).record, elsewhere, segmenter(SIZE).backbone), EXPORTED) == ()


@pytest.mark.slow
@pytest.mark.parametrize("design", ["unet", "fpn"])
def test_a_decoder_is_exported_whole(design: Any, pictures: list[Path], tmp_path: Path) -> None:
    """By OpenVINO's own reader of ONNX."""
    pytest.importorskip("segmentation_models_pytorch")
    from tests.tasks.segmentation.decoder.test_head import trained
    from topwork.backbones import load
    from topwork.tasks.segmentation.decoder import DecoderSpec

    spec = DecoderSpec.of(load("lite0", size=SIZE), 3, design, width=32)
    model = segmenter(SIZE, head=DecoderHead.from_module(trained(spec)))
    found = topwork.export(model, "openvino", tmp_path / "out", images=pictures)
    assert found.parity.exact.same_label == 1
    assert found.parity.exact.farthest["probabilities"] < 1e-3
