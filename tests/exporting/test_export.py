"""An export is compared with ``predict`` before it is kept, and runs where topwork cannot be imported."""

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
from topwork.data import decode
from topwork.errors import DataError, MissingExtraError, TopworkError
from topwork.exporting import Value, _images, export, require_free
from topwork.exporting._images import ImageInputs
from topwork.exporting._parity import loaded
from topwork.metrics import Threshold
from topwork.model import Classifier, CriticalRecord
from topwork.tasks import task
from topwork.tasks._classes._exported import EXPORTED
from topwork.tasks._export import trials_of

from .conftest import ROWS, WithHead, changed, linear, neighbours

onnxruntime = pytest.importorskip("onnxruntime")

TARGETS = ("onnx", "openvino", "torch")
ALONE = """
import os, runpy, sys
sys.modules["topwork"], sys.argv = None, sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def images(textile: Path) -> list[Path]:
    return sorted(textile.rglob("*.jpg"))


@pytest.fixture(scope="module")
def in_onnx(model: Classifier, images: list[Path], tmp_path_factory: Any) -> Any:
    return topwork.export(model, "onnx", tmp_path_factory.mktemp("out") / "onnx", images=images)


@pytest.fixture(scope="module", params=TARGETS)
def exported(request: pytest.FixtureRequest, model: Classifier, images: list[Path], tmp_path_factory: Any) -> Any:
    if request.param == "onnx":
        return request.getfixturevalue("in_onnx")
    if request.param == "torch":
        pytest.importorskip("timm")
    return topwork.export(model, request.param, tmp_path_factory.mktemp("out") / request.param, images=images)


def test_it_agrees_with_predict_on_real_and_on_hard_images(exported: Any) -> None:
    parity = exported.parity
    assert parity.rows == ROWS + 20
    assert parity.unread == 0
    assert parity.exact.farthest["probabilities"] < 1e-4
    assert parity.exact.same_label == 1
    assert parity.own is None  # the model's own precision is float32
    record = json.loads((exported.folder / "export.json").read_text("utf-8"))
    assert record["topwork.parity"]["exact"] == parity.to_dict()["exact"]
    assert {*record["files"], "export.json"} == {*exported.files}
    assert not [path for path in exported.folder.parent.iterdir() if path != exported.folder]
    readme = (exported.folder / "README.md").read_text("utf-8")
    assert ("| `typicality` |" in readme) == ("typicality" in parity.exact.farthest) == (exported.to != "torch")


def test_its_script_gives_the_same_where_topwork_cannot_be_imported(
    exported: Any, model: Classifier, images: list[Path], photos: list[Path]
) -> None:
    script = exported.folder / "predict.py"
    text = script.read_text("utf-8")
    assert sum(1 for line in text.splitlines() if line.strip()) < 40, text
    assert "topwork" not in text
    chosen = [*images[::5], *photos[:3]]
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error::ImportWarning", "-c", ALONE, script, *chosen],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    for (name, label, probability), found in zip(lines, model.predict(chosen), strict=True):
        assert name == found.source
        assert label == found.label
        assert float(probability) == pytest.approx(found.probability, abs=1e-4)


def test_an_earlier_export_is_replaced_unless_it_holds_more(
    exported: Any, model: Classifier, images: list[Path]
) -> None:
    require_free(exported.folder)
    (exported.folder / "notes.txt").write_text("mine")
    with pytest.raises(TopworkError, match=r"would also delete notes\.txt in it"):
        topwork.export(model, "onnx", exported.folder, images=images[:4])
    (exported.folder / "notes.txt").unlink()
    (exported.folder / "mine").mkdir()
    (exported.folder / "mine/notes.txt").write_text("mine")
    with pytest.raises(TopworkError, match=r"would also delete mine/notes\.txt in it"):
        require_free(exported.folder)
    shutil.rmtree(exported.folder / "mine")


def test_the_onnx_file_tells_what_it_is(in_onnx: Any, model: Classifier, images: list[Path]) -> None:
    session = onnxruntime.InferenceSession(in_onnx.folder / "model.onnx")
    assert [(each.name, each.shape, each.type) for each in session.get_inputs()] == [
        ("images", ["batch", "height", "width", 3], "tensor(uint8)")
    ]
    width = sum(map(model.backbone.width, model.record.outputs))
    shapes = {each.name: each.shape for each in session.get_outputs()}
    assert shapes == {
        "probabilities": ["batch", 3],
        "label": ["batch"],
        "typicality": ["batch"],
        "features": ["batch", width],
    }
    told = {name: json.loads(text) for name, text in session.get_modelmeta().custom_metadata_map.items()}
    assert told["topwork.classes"] == list(model.classes)
    assert told["topwork.temperature"] == model.record.task.calibration["temperature"]
    assert told["topwork.preprocessing"]["size"] == 96
    assert told["topwork.thresholds"]["levels"] == list(model.record.task.selective.levels)  # type: ignore[union-attr]
    assert told["topwork.model"]["backbone"]["licence"] == "Apache-2.0"
    assert told["topwork.parity"]["rows"] == ROWS + 20
    assert json.loads((in_onnx.folder / "classes.json").read_text("utf-8")) == list(model.classes)
    for count in (1, 3, 17):
        pixels = np.stack([decode(images[0])] * count)
        assert session.run(["probabilities"], {"images": pixels})[0].shape == (count, 3)


def test_its_script_decodes_a_large_jpeg_as_topwork_does(
    in_onnx: Any, model: Classifier, photos: list[Path], tmp_path: Path
) -> None:
    """At a half, a quarter or an eighth, where both sides can be divided by that; and turned by its EXIF after."""
    least = model.backbone.preprocessing.min_side
    script = loaded(in_onnx.folder / "predict.py")
    photo, shapes = Image.open(photos[1]), set()
    for size in (
        (2 * least, 2 * least),
        (2 * least + 2, 2 * least),
        (2 * least + 1, 2 * least),
        (4 * least, 5 * least),
    ):
        exif = Image.Exif()
        exif[0x0112] = 6
        photo.resize(size).save(tmp_path / "large.jpg", exif=exif, quality=90)
        found = script.read(tmp_path / "large.jpg")
        np.testing.assert_array_equal(found, decode(tmp_path / "large.jpg", min_side=least))
        shapes.add(found.shape)
    assert shapes == {
        (least, least, 3),
        (least + 1, least, 3),
        (2 * least + 1, 2 * least, 3),
        (least, 5 * least // 4, 3),
    }


def test_an_export_that_answers_otherwise_is_not_kept(model: Classifier, images: list[Path], tmp_path: Path) -> None:
    def blunt(given: Classifier, features: Value) -> Any:
        found = EXPORTED.nodes(given, features)
        return {**found, "probabilities": found["probabilities"] * 0.99}

    with pytest.raises(
        TopworkError, match=r"does not agree with predict: probabilities differ by 0\.0\d+ on .+\.(png|jpg)"
    ):
        export(model, changed(EXPORTED, nodes=blunt), "onnx", tmp_path / "out", trials=images[:4])
    assert list(tmp_path.iterdir()) == []


def test_a_critical_class_is_answered_by_its_threshold(model: Classifier, images: list[Path], tmp_path: Path) -> None:
    critical = CriticalRecord(
        name="local", metric="recall", target=0.9, threshold=0.05, enough=True, source="cross-validation",
        out_of_fold=_report(model),
    )  # fmt: skip
    task = model.record.task.model_copy(update={"decision": critical})
    asked = Classifier(model.record.model_copy(update={"task": task}), model.head, model.backbone)
    assert asked.rule == Threshold(1, 0.05)
    plain = [each.label for each in model.predict(images)]
    expected = [each.label for each in asked.predict(images)]
    assert plain != expected
    for to in ("onnx", "torch"):
        script = loaded(topwork.export(asked, to, tmp_path / to, images=images[:4]).folder / "predict.py")
        labels = np.concatenate([script.answer([script.read(path)])["label"] for path in images])
        assert [model.classes[label] for label in labels] == expected


def _report(model: Classifier) -> dict[str, Any]:
    from topwork.metrics import decision_report

    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 60)
    return decision_report(probabilities, np.arange(60) % 3, Threshold(1, 0.05), place=1, seed=0).to_dict()


@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_a_head_of_neighbours(with_head: WithHead, images: list[Path], tmp_path: Path, to: str) -> None:
    found = topwork.export(with_head(neighbours()), to, tmp_path / "out", images=images[:4])
    assert found.parity.exact.farthest["probabilities"] < 1e-3


def test_timm_loads_a_linear_head_on_the_last_features_alone(
    with_head: WithHead, images: list[Path], tmp_path: Path
) -> None:
    timm, torch = pytest.importorskip("timm"), pytest.importorskip("torch")
    asked = with_head(linear())
    folder = topwork.export(asked, "torch", tmp_path / "out", images=images[:4]).folder
    assert not (folder / "network.py").exists()
    network = timm.create_model(
        "tf_efficientnet_lite0", num_classes=3, checkpoint_path=str(folder / "model.safetensors")
    ).eval()
    squares = np.stack([asked.backbone.preprocessing(decode(path)) for path in images[:5]])
    with torch.inference_mode():
        found = network((torch.tensor(squares).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5).softmax(1).numpy()
    np.testing.assert_allclose(found, asked.predict_proba(images[:5]), atol=1e-4)


def test_what_timm_cannot_say_is_refused(with_head: WithHead, images: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("timm")
    with pytest.raises(TopworkError, match="a head of the kind knn: linear and mlp heads") as raised:
        topwork.export(with_head(neighbours()), "torch", tmp_path / "out", images=images[:4])
    assert "--to onnx" in raised.value.hint
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "to"), [("resnet18", "onnx"), ("vit_tiny_patch16_224", "openvino"), ("resnet18", "torch")]
)
def test_any_other_network(model: Classifier, images: list[Path], tmp_path: Path, name: str, to: str) -> None:
    pytest.importorskip("timm")
    backbone = topwork.load_backbone(name, weights="random:1", size=64)
    outputs = backbone.outputs("all")[-4:]
    head = linear(sum(map(backbone.width, outputs)), normalised=True)
    record = model.record.model_copy(update={"outputs": outputs, "backbone": backbone.to_dict()})
    found = topwork.export(Classifier(record, head, backbone), to, tmp_path / "out", images=images[:4])
    assert found.parity.exact.farthest["probabilities"] < 1e-3


def test_images_of_every_kind_can_be_named(
    textile: Path, images: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_images, "LEAST", 40)  # four more than there are images, so parts of some are added
    table = textile.parent / "table.csv"
    rows = [f"textile/{path.relative_to(textile).as_posix()},{path.parent.name}\n" for path in images]
    table.write_text("path,label\n" + "".join(rows))
    (tmp_path / "files").mkdir()
    for given in (textile, str(table), topwork.read(textile), [*map(decode, images)], [str(path) for path in images]):
        sources = trials_of(task("classification"), given)
        found = ImageInputs(topwork.load_backbone()).trials(sources, tmp_path / "files")
        assert len(found) == 36 + 4 + 20
        assert min(decode(path).shape for path in found) == (1, 1, 3)


def test_images_that_the_script_cannot_read_are_counted(
    model: Classifier, images: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """16 bits a sample are scaled by topwork; Pillow alone has no such rule."""
    monkeypatch.setattr(_images, "LEAST", 24)  # more than the hard cases, which can be read
    deep = tmp_path / "deep.png"
    Image.fromarray(decode(images[0])[:, :, 0].astype(np.uint16) * 257).save(deep)
    found = topwork.export(model, path=tmp_path / "out", images=[deep, *images[:3]])
    assert found.parity.unread == 1
    assert "1 more could not be read by `predict.py`" in (found.folder / "README.md").read_text("utf-8")
    with pytest.raises(TopworkError, match=r"reads only 20 of 44 rows: .*8 bits"):  # too few to say that it agrees
        topwork.export(model, path=tmp_path / "none", images=[deep] * 24)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("given", [[], ["missing.jpg"], [b"no image"]])
def test_nothing_to_compare_on(model: Classifier, tmp_path: Path, given: list[Any]) -> None:
    with pytest.raises(DataError, match="none of the images to compare on can be read"):
        topwork.export(model, path=tmp_path / "out", images=given)
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_something_else_stands_is_refused_at_once(model: Classifier, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "export.json").write_text("{}")
    for name in ("file", "folder"):
        with pytest.raises(TopworkError, match="already exists and is not an export; it was not changed"):
            topwork.export(model, path=tmp_path / name, images=[])
    with pytest.raises(TopworkError, match="no folder can be created in"):
        topwork.export(model, path=tmp_path / "file" / "inside", images=[])
    assert (tmp_path / "file").read_text() == "mine"


def test_a_target_that_there_is_not(model: Classifier, tmp_path: Path) -> None:
    with pytest.raises(TopworkError, match="a model cannot be exported to 'coreml'") as raised:
        topwork.export(model, "coreml", tmp_path / "out")
    assert "onnx, openvino, torch" in raised.value.hint


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_names_its_pip_line(
    model: Classifier, images: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=f"an export needs {package}, which is not installed") as raised:
        topwork.export(model, path=tmp_path / "out", images=images[:1])
    assert raised.value.hint == "pip install 'topwork[export]'"


def test_a_task_that_exports_nothing_or_has_no_sample_says_so(
    model: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = task("classification")
    monkeypatch.setattr("topwork.tasks.task", lambda name: changed(room, exported=None))
    with pytest.raises(TopworkError, match="models of the task classification cannot be exported"):
        topwork.export(model, path=tmp_path / "out", images=[])
    with pytest.raises(TopworkError, match="there is nothing to compare the export with predict on") as raised:
        trials_of(changed(room, sample=None), None)
    assert "--images" in raised.value.hint


def test_a_row_of_the_script_keeps_three_cells_whatever_a_name_has_in_it() -> None:
    """A class or a text with tabs and line breaks would add cells and rows to the table that the script prints."""
    found = {"label": np.array([1]), "probabilities": np.array([[0.25, 0.75]])}
    line = eval(EXPORTED.line, {"CLASSES": ["a", "b\tc\r\nd"], "found": found, "row": 0, "name": "two\n  words\u2028"})
    assert line == "two   words\tb c d\t0.7500"
