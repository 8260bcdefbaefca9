"""int8: what is changed in a graph, what is set again, and what is refused with a reason. Real images of cloth."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import topwork
from tests.model.samples import CLASSES, copied, textiles
from topwork.errors import TopworkError
from topwork.exporting import Int8, Nodes, Speed, _int8
from topwork.exporting._parity import loaded
from topwork.exporting._quantised import quantised
from topwork.metrics import Threshold, conformal_thresholds
from topwork.model import Classifier, CriticalRecord
from topwork.tasks._classes._recalibrated import recalibrated

onnxruntime = pytest.importorskip("onnxruntime")

WORTH = Int8(64, 0, 200, 0.995, 0.9, 0.905, (Speed(1, 10.0, 10.0), Speed(8, 10.0, 5.0)))


def network(rng: Any) -> Any:
    """Two convolutions with a sum around the second, and a side that is computed beside them."""
    nodes = Nodes()
    levels = nodes.input("levels", np.float32, ["batch", 3, 32, 32])
    first, second = (rng.standard_normal((8, width, 3, 3)).astype(np.float32) / 8 for width in (3, 8))
    maps = nodes.add("Conv", levels / 64.0, first, pads=[1] * 4)
    maps = nodes.add("Clip", maps, 0.0, 6.0)
    maps = maps + nodes.add("Conv", maps, second, pads=[1] * 4)
    side = maps.size(2).to(np.float32)
    nodes.output("features", maps.over("ReduceMean", 2, 3, keep=False) + (side - 32.0), ["batch", 8])
    return nodes.model("small")


def run(model: Any, levels: Any) -> Any:
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"levels": levels})[0]


def test_maps_are_quantised_and_sizes_and_pooled_features_are_not() -> None:
    rng = np.random.default_rng(0)
    plain = network(rng)
    squares = [rng.integers(0, 256, (1, 3, 32, 32)).astype(np.float32) for _ in range(8)]
    small = quantised(plain, squares)
    kinds = [node.op_type for node in small.graph.node]
    assert kinds.count("QuantizeLinear") >= 3
    weights = {each.name: each.data_type for each in small.graph.initializer}
    assert sum(kind == 3 for kind in weights.values()) >= 2  # int8
    fed = {name: node.op_type for node in small.graph.node for name in node.output}
    pooled = next(node for node in small.graph.node if node.op_type == "ReduceMean")
    last = next(node for node in small.graph.node if pooled.output[0] in node.input)
    assert fed[pooled.output[0]] == "ReduceMean"
    assert last.op_type == "Add"
    new = np.concatenate([rng.integers(0, 256, (1, 3, 32, 32)).astype(np.float32) for _ in range(4)])
    expected, found = run(plain, new), run(small, new)
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()
    assert np.abs(found - expected).max() > 0


def test_the_first_convolutions_may_stay_as_they_are() -> None:
    rng = np.random.default_rng(0)
    plain = network(rng)
    squares = [rng.integers(0, 256, (1, 3, 32, 32)).astype(np.float32) for _ in range(8)]
    convolutions = []
    for kept in (0, 1, 2):
        small = quantised(plain, squares, kept=kept)
        fed = {name: node.op_type for node in small.graph.node for name in node.output}
        inputs = [fed.get(node.input[1], "constant") for node in small.graph.node if node.op_type == "Conv"]
        convolutions.append(inputs)
    assert convolutions[0] == ["DequantizeLinear", "DequantizeLinear"]
    assert convolutions[1] == ["constant", "DequantizeLinear"]
    assert convolutions[2] == ["constant", "constant"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"agreement": 0.99}, r"answers 1.0% of 200 held-out images otherwise \(at most 0.5% may\)"),
        ({"accuracy": 0.88}, "loses 2.5 points of accuracy"),
        ({"speeds": (Speed(1, 10.0, 9.5), Speed(8, 10.0, 9.3))}, "1.05 times as fast with 1 a call"),
        ({"speeds": (Speed(1, 10.0, 11.0), Speed(8, 10.0, 5.0))}, "0.91 times as fast with 1 a call"),
    ],
)
def test_what_is_not_worth_it_is_refused_and_by_how_much(change: dict[str, Any], why: str) -> None:
    WORTH.require_worth()
    with pytest.raises(TopworkError, match=why):
        dataclasses.replace(WORTH, **change).require_worth()


def test_temperature_thresholds_and_what_is_typical_are_set_again(model: Classifier) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    width = model.head.n_features
    values = rng.standard_normal((300, width)).astype(np.float32)
    critical = CriticalRecord(
        name="local",
        metric="recall",
        target=0.9,
        threshold=0.5,
        enough=True,
        source="cross-validation",
        out_of_fold=_report(),
    )
    block = model.record.task.model_copy(update={"decision": critical})
    asked = Classifier(
        model.record.model_copy(update={"task": block}), model.head, model.backbone, (), model.novelty, model.trained
    )
    found = recalibrated(asked, values, labels)
    logits = found.head.uncalibrated().logits(values).astype(np.float64)

    def loss(temperature: float) -> float:
        scaled = logits / temperature
        scaled -= np.log(np.exp(scaled - scaled.max(1, keepdims=True)).sum(1, keepdims=True)) + scaled.max(
            1, keepdims=True
        )
        return float(-scaled[np.arange(300), labels].mean())

    own = found.head.temperature
    assert loss(own) <= min(loss(own * 1.2), loss(own / 1.2)) + 1e-3  # it smooths by one imagined image
    assert found.record.task.calibration == {"temperature": own}
    probabilities = found.head.probabilities(values)
    assert found.record.task.selective.sets == conformal_thresholds(
        probabilities, labels, found.record.task.selective.levels
    )
    assert found.record.task.selective.images == 300
    rule = found.rule
    if isinstance(rule, Threshold):
        missed = (probabilities[labels == 1, 1] < rule.probability).mean()
        assert missed <= 0.1
    assert found.novelty is not None
    assert np.allclose(np.sort(found.novelty.distances(values)), found.novelty.reference)
    assert model.record.task.calibration != found.record.task.calibration


def _report() -> dict[str, Any]:
    from topwork.metrics import decision_report

    probabilities = np.full((6, 3), 1 / 3, np.float32)
    return decision_report(probabilities, np.array([0, 1, 2, 0, 1, 2]), Threshold(1, 0.5), place=1, seed=0).to_dict()


@pytest.fixture(scope="module")
def labelled(textile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images that the model was fitted on, and 22 others of each class."""
    folder = tmp_path_factory.mktemp("labelled")
    for name in CLASSES:
        copied(textiles(name)[:34], folder / name)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_an_export_in_int8_tells_what_was_measured(
    to: str, model: Classifier, labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is worth it depends on the machine, so everything is let through here."""
    for name, value in (("LEAST_AGREEMENT", 0.6), ("MOST_LOST", 0.4), ("LEAST_GAIN", 0.0), ("_NO_SLOWER", 0.0)):
        monkeypatch.setattr(_int8, name, value)
    found = topwork.export(model, to, tmp_path / "out", int8=True, data=labelled)
    told = found.int8
    assert told is not None
    assert told.images >= 64
    assert told.calibrated_on >= 24
    assert 0.6 <= told.agreement <= 1
    assert all(speed.int8 > 0 < speed.float32 for speed in told.speeds)
    size = sum(found.files[name] for name in ("model.onnx", "model.bin") if name in found.files)
    assert size < 8e6  # 13 MB in float32
    record = json.loads((tmp_path / "out" / "export.json").read_text("utf-8"))
    assert record["topwork.int8"]["agreement"] == told.agreement
    assert record["topwork.temperature"] != model.record.task.calibration["temperature"]
    script = loaded(tmp_path / "out" / "predict.py")
    image = textiles("local")[40]
    own = script.answer([script.read(image)])["probabilities"][0]
    assert np.abs(own - model.predict_proba([image])[0]).max() < 0.5
    assert "## What int8 gains and costs" in (tmp_path / "out" / "README.md").read_text("utf-8")


def test_what_int8_cannot_be_asked_of_is_refused(
    model: Classifier, textile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TopworkError, match="at least 64 that did not"):
        topwork.export(model, "onnx", tmp_path / "out", int8=True, data=textile)
    with pytest.raises(TopworkError, match="not for --to torch"):
        topwork.export(model, "torch", tmp_path / "out", int8=True, data=textile)
    with pytest.raises(TopworkError, match="go together"):
        topwork.export(model, "onnx", tmp_path / "out", int8=True)
    with pytest.raises(TopworkError, match="go together"):
        topwork.export(model, "onnx", tmp_path / "out", data=textile)
    assert not (tmp_path / "out").exists()
