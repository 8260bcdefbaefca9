"""A detector's folder, read by docs/format-tasks.md alone: the same boxes as topwork's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import topwork
from tests.docs.format_readers import boxes
from tests.tasks.detection.made import made as detector
from topwork.backbones import Backbone, load
from topwork.data import decode
from topwork.model import EngineRecord
from topwork.tasks.detection import Detector

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("float32")]

pytest.importorskip("timm")


def same_boxes(found: Any, expected: boxes.Found, least: int = 1) -> None:
    assert len(found) == len(expected[1]) >= least
    np.testing.assert_array_equal(found.detections.labels, expected[2])
    np.testing.assert_allclose(found.detections.scores, expected[1], atol=1e-4)
    np.testing.assert_allclose(found.detections.corners, expected[0], atol=0.05)


@pytest.mark.parametrize("mode", ["squash", "crop", "pad"])
def test_a_detector_finds_the_same_boxes(mode: Any, photos: list[Path], tmp_path: Path) -> None:
    model = detector(backbone=load("lite0", size=96).replace(crop_mode=mode))
    folder, pictures = model.save(tmp_path / "model", self_contained=True), [decode(path) for path in photos[:2]]
    for found, expected in zip(model.predict(pictures), boxes.detect(folder, pictures), strict=True):
        same_boxes(found, expected, 5)
    if mode == "squash":
        (found,) = model.predict(pictures[:1], tile=220)
        same_boxes(found, boxes.detect_in_tiles(folder, pictures[0], 220), 20)


def test_a_fitted_detector_tells_the_same_objects(tmp_path: Path) -> None:
    """With a threshold of its own for each class."""
    from tests.tasks.detection.strategies.samples import shapes
    from topwork.tasks.detection.strategies import ProbeOptions, probe_config

    config: Any = probe_config(epochs=10, batch_size=4, learning_rate=1e-2, ema_decay=0.5)
    options = ProbeOptions(channels=16, depth=1, views=2, cache=False, config=config)
    data, backbone = shapes(tmp_path / "data", 24, val=4, test=4), load("lite0", size=96)
    model = topwork.fit(data, task="detection", strategy="probe", backbone=backbone, options=options)
    folder = model.save(tmp_path / "model", self_contained=True)
    assert len(set(model.record.task.thresholds)) == 2
    shapes(tmp_path / "new", 6, seed=5)
    pictures = [decode(tmp_path / "new" / f"{number}.png")[:, :120] for number in range(6)]
    told = model.predict(pictures)
    assert sum(map(len, told)) > 1
    for found, expected in zip(told, boxes.detect(folder, pictures), strict=True):
        same_boxes(found, expected, 0)


HEADS: tuple[dict[str, Any], ...] = (
    {"centreness": True, "layers": "plain"},
    {"extra": 2, "depth": 0},
    {"extra": 0, "depth": 3, "centreness": True},
)


@pytest.mark.parametrize("changes", HEADS)
def test_every_head_on_maps_is_read(changes: dict[str, Any], tmp_path: Path) -> None:
    """On features of random numbers, in images of sides that the strides do not divide."""
    import torch

    from topwork.tasks.detection.network import DetectorHead, HeadSpec, torch_head

    backbone, rng = load("lite0", size=104).replace(crop_mode="pad"), np.random.default_rng(0)
    spec = HeadSpec.of(backbone, 2, channels=16, **changes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = torch_head(spec)
        for name, value in module.named_buffers():
            if name.endswith("running_mean"):
                value.normal_(0, 0.2)
            elif name.endswith("running_var"):
                value.uniform_(0.5, 2)
        torch.nn.init.normal_(module.logits.weight, 0, 0.6)
        torch.nn.init.constant_(module.logits.bias, 0.0)
        torch.nn.init.normal_(module.distances.weight, 0, 0.1)
    model = made_of(DetectorHead.from_module(module), backbone, (0.4, 0.55))
    folder, features = model.save(tmp_path / "model"), rng.normal(size=(2, spec.n_features)).astype(np.float32)
    sizes = [(90, 161), (300, 200)]
    for found, row, size in zip(model.predict_features(features, sizes, ["a", "b"]), features, sizes, strict=True):
        same_boxes(found, boxes.found_in(folder, row, size), 5)


@pytest.mark.parametrize("scoring", ["sigmoid", "best", "softmax"])
def test_a_class_layer_on_candidates_is_read(scoring: Any, tmp_path: Path) -> None:
    from topwork.tasks.detection.network import QueryHead, QuerySpec

    rng, backbone = np.random.default_rng(0), load("lite0", size=96)
    spec = QuerySpec(40, 6, 96, 2, (1, -1, 0, 1, 0), scoring, 0.5 if scoring == "best" else 1.0)
    head = QueryHead(spec, rng.normal(size=(6, 5)).astype(np.float32), rng.normal(size=5).astype(np.float32))
    model = made_of(head, backbone, (0.3, 0.4))
    folder = model.save(tmp_path / "model")
    first = rng.uniform(-0.05, 0.7, (2, 40, 2))
    edges = np.concatenate([first, first + rng.uniform(0.05, 0.5, (2, 40, 2))], axis=2)
    features = np.concatenate([edges.reshape(2, -1), rng.normal(size=(2, 240))], axis=1).astype(np.float32)
    sizes = [(90, 161), (300, 200)]
    for found, row, size in zip(model.predict_features(features, sizes, ["a", "b"]), features, sizes, strict=True):
        same_boxes(found, boxes.found_in(folder, row, size), 5)


def made_of(head: Any, backbone: Backbone, thresholds: tuple[float, ...]) -> Detector:
    """A detector with this head and thresholds of its own."""
    plain = detector(("cat", "dog"), backbone=backbone)
    task = plain.record.task.model_copy(update={"head": head.spec.to_dict(), "thresholds": thresholds})
    return Detector(plain.record.model_copy(update={"task": task}), head, backbone)


@pytest.mark.parametrize("design", ["detr", "d_fine"])
def test_a_detector_of_transformers_tells_the_same_objects(design: str, photos: list[Path], tmp_path: Path) -> None:
    """With random numbers, its own classes and its own class layer."""
    pytest.importorskip("transformers")
    from tests.backbones.detectors import COCO, save
    from topwork.backbones import load_detector, own_classes
    from topwork.tasks.detection.network import QueryHead, QuerySpec

    network = load_detector("someone/net", weights=save(design, tmp_path / "net"))
    weight, bias = own_classes(network)
    rows = tuple(place if place < len(COCO) else -1 for place in range(len(bias)))
    head, plain = QueryHead(QuerySpec.of(network, len(COCO), rows), weight, bias), detector(COCO)
    task = plain.record.task.model_copy(update={"head": head.spec.to_dict(), "thresholds": (0.05,) * len(COCO)})
    engine = EngineRecord(name="torch-cpu", precision="f32", deviation=None)  # needs no conversion
    changes = {"task": task, "backbone": network.to_dict(), "outputs": network.outputs(), "engine": engine}
    model = Detector(plain.record.model_copy(update=changes), head, network)
    folder, pictures = model.save(tmp_path / "model", self_contained=True), [decode(path) for path in photos[:2]]
    for found, expected in zip(model.predict(pictures), boxes.detect(folder, pictures), strict=True):
        same_boxes(found, expected, 3)
