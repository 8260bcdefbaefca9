"""Trained segmenters as they are: what the model says is what the network says of the user's classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import topwork
from tests.backbones.segmenters import SIDE, image_processor_of, network_of, save
from tests.tasks.segmentation.made import drawn
from topwork.backbones import load_segmenter
from topwork.data import read_masks
from topwork.errors import BackboneError, DataError
from topwork.tasks import load
from topwork.tasks.segmentation import Segmenter
from topwork.tasks.segmentation._load import load as load_network


def data(folder: Path, classes: tuple[str, ...], count: int = 4) -> Path:
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for place in range(count):
        image, mask = drawn(place, SIDE)
        Image.fromarray(image).save(folder / "images" / f"{place}.png")
        Image.fromarray(np.minimum(mask, len(classes) - 1).astype(np.uint8)).save(folder / "masks" / f"{place}.png")
    (folder / "classes.txt").write_text("\n".join(classes) + "\n")
    return folder


def fitted(source: Path, strategy: str, network: Any) -> Segmenter:
    model = topwork.fit(read_masks(source), task="segmentation", strategy=strategy, backbone=network)
    assert isinstance(model, Segmenter)
    return model


@pytest.mark.usefixtures("in_f32")
def test_classes_meet_by_name_and_the_rest_is_background(tmp_path: Path, empty_cache: Path) -> None:
    pytest.importorskip("transformers")
    network = load_network("someone/net", weights=save("segformer", tmp_path / "net"))
    model = fitted(data(tmp_path / "data", ("background", "people", "dog")), "as-is", network)
    image, _ = drawn(9, SIDE)
    with torch.no_grad():
        pixels = image_processor_of("segformer")(images=Image.fromarray(image), return_tensors="pt")["pixel_values"]
        told = network_of("segformer")(pixel_values=pixels).logits.softmax(dim=1)[0]
    joined = torch.stack([told[[0, 1, 3]].sum(dim=0), told[2], told[4]]).log()[None]  # wall, sky and car are left over
    enlarged = torch.nn.functional.interpolate(joined, (SIDE, SIDE), mode="bilinear", align_corners=False)[0]
    (found,) = model.predict([image])
    best = enlarged.argmax(dim=0).numpy()
    assert (found.labels == best).mean() > 0.99
    assert len(np.unique(best)) > 1
    assert model.record.strategy == "as-is"
    again = load(model.save(tmp_path / "model"), Segmenter)
    np.testing.assert_array_equal(again.predict([image])[0].labels, found.labels)
    with pytest.raises(DataError, match="none of the classes") as caught:
        fitted(data(tmp_path / "other", ("background", "nucleus")), "as-is", network)
    assert "clipseg" in caught.value.hint
    with pytest.raises(BackboneError, match="has classes of its own"):
        fitted(tmp_path / "data", "zero-shot", network)
    with pytest.raises(BackboneError, match="a network that only sees"):
        fitted(tmp_path / "data", "as-is", "lite0")
    with pytest.raises(BackboneError, match="is told by points and boxes"):
        fitted(tmp_path / "data", "as-is", load_segmenter("sam-vit-b", weights="random"))


def test_words_tell_the_classes(tmp_path: Path, empty_cache: Path) -> None:
    pytest.importorskip("transformers")
    network = load_network("someone/net", weights=save("clipseg", tmp_path / "net"))
    model = fitted(data(tmp_path / "data", ("background", "a dog", "tv")), "zero-shot", network)
    image, _ = drawn(9, SIDE)
    (found,) = load(model.save(tmp_path / "model"), Segmenter).predict([image])
    np.testing.assert_array_equal(found.labels, model.predict([image])[0].labels)
    assert set(np.unique(found.labels)) <= {0, 1, 2}
    assert all(model.backbone.words[1:])  # type: ignore[union-attr]
    with pytest.raises(BackboneError, match="words tell them"):
        fitted(tmp_path / "data", "as-is", network)


def test_a_file_of_the_users_tells_objects_from_background(tmp_path: Path, empty_cache: Path) -> None:
    """A network of one convolution, which finds what is bright."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    takes = helper.make_tensor_value_info("x", kind, (1, 3, SIDE, SIDE))
    gives = helper.make_tensor_value_info("y", kind, (1, 1, SIDE, SIDE))
    weights = [
        helper.make_tensor("w", kind, (1, 3, 1, 1), np.full(3, 4.0, np.float32)),
        helper.make_tensor("b", kind, (1,), np.array([-6.0], np.float32)),
    ]
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["c"]), helper.make_node("Sigmoid", ["c"], ["y"])]
    graph = helper.make_graph(nodes, "g", [takes], [gives], weights)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)]), tmp_path / "n.onnx")
    folder = tmp_path / "data"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for place in range(4):
        image, mask = drawn(place, SIDE)
        Image.fromarray(image).save(folder / "images" / f"{place}.png")
        Image.fromarray((mask == 1).astype(np.uint8)).save(folder / "masks" / f"{place}.png")
    model = fitted(folder, "as-is", load_network("anything", weights=tmp_path / "n.onnx"))
    assert model.metrics is not None
    assert model.metrics.iou is not None
    assert model.metrics.iou.value > 0.8
    image, mask = drawn(9, SIDE)
    (found,) = load(model.save(tmp_path / "model"), Segmenter).predict([image])
    assert (found.labels == (mask == 1)).mean() > 0.95
    with pytest.raises(DataError, match="tells objects from background, and there are 3 classes"):
        fitted(data(tmp_path / "three", ("background", "a", "b")), "as-is", model.backbone)
