"""Trained detectors: what they give is what their own library gives; what must not be loaded is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from topwork.backbones import (
    DetectorNetwork,
    backbone_from_dict,
    detector_rows,
    load_detector,
    own_classes,
    select_detectors,
    word_classes,
)
from topwork.engines import EngineChoice, decide, open_engine
from topwork.engines._parity import _in_order_of, deviation
from topwork.errors import BackboneError
from topwork.metrics import Detections
from topwork.tasks.detection.network import Decoding, QueryHead, QuerySpec, in_image

from .detectors import COCO, SIDE, network_of, processor_of, save
from .hub import Hub

pytest.importorskip("transformers")

DESIGNS = {
    "detr": (90, 90),
    "rt_detr": (90, 150),
    "rt_detr_v2": (90, 150),
    "d_fine": (SIDE, SIDE),
    "rf_detr": (SIDE, SIDE),
}
"""And the height and width of an image."""
ALL = Decoding(threshold=0.02, most=1000)
TORCH, FAST = EngineChoice("torch-cpu", "f32"), EngineChoice("openvino", "f32")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("detectors")
    return {design: save(design, root / design) for design in (*DESIGNS, "owlv2")}


def load(folders: dict[str, Path], design: str) -> DetectorNetwork:
    return load_detector(f"someone/{design}", weights=folders[design])


def picture(height: int, width: int) -> np.ndarray[Any, Any]:
    """Blots of colour, which leave something to be found at any scale."""
    small = np.random.default_rng(5).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR))


def head_of(network: DetectorNetwork) -> QueryHead:
    weight, bias = own_classes(network)
    rows = tuple(place if place < len(network.classes) and network.classes[place] else -1 for place in range(len(bias)))
    return QueryHead(QuerySpec.of(network, len(network.classes), rows), weight, bias)


def found(network: DetectorNetwork, head: QueryHead, image: Any, choice: EngineChoice) -> Detections:
    """By topwork, in pixels of the image."""
    square = network.preprocessing(image)
    features = open_engine(network, network.outputs(), choice)(square[None])
    return in_image(head.detect(features, ALL)[0], network.preprocessing, *image.shape[:2])


def same(ours: Detections, scores: Any, labels: Any, corners: Any) -> None:
    """What the library finds is found here: the class, the score to 1e-3, the box to half a pixel; and no more."""
    scores, labels, corners = (np.asarray(each) for each in (scores, labels, corners))
    sure = scores > 0.03
    assert 5 <= sure.sum() <= (ours.scores > 0.029).sum()
    assert (ours.scores > 0.031).sum() <= (scores > 0.029).sum()
    for score, label, box in zip(scores[sure], labels[sure], corners[sure], strict=True):
        alike = (ours.labels == label) & (abs(ours.scores - score) < 1e-3)
        assert (abs(ours.corners[alike] - box).max(axis=1) < 0.5).any(), (score, label, box)


def by_transformers(design: str, network: Any, image: Any, **inputs: Any) -> Any:
    processor: Any = processor_of(design)
    own = {"size": {"shortest_edge": SIDE, "longest_edge": SIDE}} if design == "detr" else {}
    pixels = processor(images=Image.fromarray(image), return_tensors="pt", **own)["pixel_values"]
    with torch.no_grad():
        told = network(pixel_values=pixels, **inputs)
    height, width = image.shape[:2]
    result = processor.post_process_object_detection(
        told, threshold=0.02, target_sizes=torch.tensor([[height, width]])
    )[0]
    corners = result["boxes"].numpy().clip(0, [width, height, width, height])
    seen = (corners[:, 2:] > corners[:, :2]).all(axis=1)  # nothing of a box beyond the image is told
    return result["scores"].numpy()[seen], result["labels"].numpy()[seen], corners[seen]


@pytest.mark.parametrize("design", DESIGNS)
def test_what_is_found_is_what_transformers_finds(folders: dict[str, Path], design: str, empty_cache: Path) -> None:
    """From the file to the box. DETR keeps the aspect ratio: a square image fills the square.

    D-FINE with random numbers makes much of a pixel that is rounded otherwise, so its image needs no resizing.
    """
    image, choice = picture(*DESIGNS[design]), TORCH if design == "rt_detr" else FAST
    network = load(folders, design)
    assert network.classes == COCO
    theirs = by_transformers(design, network_of(design), image)
    same(found(network, head_of(network), image, choice), *theirs)


def test_words_tell_owlv2_what_transformers_is_told(folders: dict[str, Path], empty_cache: Path) -> None:
    import transformers

    network, texts = load(folders, "owlv2"), ["a dog", "tv", "red car"]
    assert (network.classes, network.queries, network.channels) == ((), 16, 17)
    weight, bias = word_classes(network, [(text,) for text in texts])
    head = QueryHead(QuerySpec.of(network, 3, (0, 1, 2)), weight, bias)
    tokenizer = transformers.CLIPTokenizer.from_pretrained(str(folders["owlv2"]))
    tokens = tokenizer(texts, padding="max_length", max_length=16, return_tensors="pt")
    assert tokens["input_ids"][0].tolist()[:5] != tokens["input_ids"][1].tolist()[:5]
    # its own processor asks for more than an image: what is compared is the square that both see
    image, own = picture(SIDE, SIDE), network_of("owlv2")
    mean, std = (torch.tensor(each)[:, None, None] for each in (network.preprocessing.mean, network.preprocessing.std))
    pixels = ((torch.from_numpy(image.copy()).permute(2, 0, 1) / 255 - mean) / std)[None]
    with torch.no_grad():
        told = own(pixel_values=pixels, input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
    result = processor_of("owlv2").post_process_object_detection(told, 0.02, torch.tensor([[SIDE, SIDE]]))[0]
    corners = result["boxes"].numpy().clip(0, SIDE)
    for choice in (TORCH, FAST):
        same(found(network, head, image, choice), result["scores"].numpy(), result["labels"].numpy(), corners)


@pytest.mark.parametrize("name", ["ssdlite", "fasterrcnn-mobilenet-320", "torchvision:retinanet_resnet50_fpn"])
def test_what_is_found_is_what_torchvision_finds(name: str, tmp_path: Path) -> None:
    """From its own file of weights; RetinaNet's first weights are of batch norms without an epsilon."""
    from torchvision.models import get_model

    network = load_detector(name, weights="random", size=None if name == "ssdlite" else 128)
    kind, size = network.config["architecture"], network.preprocessing.size
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        own: Any = get_model(kind, weights=None, weights_backbone=None, num_classes=91).eval()
        for label, value in own.named_parameters():  # sure of something
            if ("cls" in label or "class" in label) and value.shape[0] % 91 == 0:
                value.data = torch.randn_like(value) * (0.05 if value.ndim > 1 else 2)
    file = tmp_path / "own.pth"
    if "retinanet" in kind:
        _without_epsilon(own)
    torch.save(own.state_dict(), file)
    if hasattr(own.transform, "min_size") and name != "ssdlite":
        own.transform.min_size, own.transform.max_size = (size,), size
    with pytest.raises(BackboneError, match="may run code"):
        load_detector(name, weights=file)
    network = load_detector(name, weights=file, allow_pickle=True).replace(size=size)
    assert isinstance(network, DetectorNetwork)
    image = picture(size, size)
    with torch.no_grad():
        told = own([torch.from_numpy(image.copy()).permute(2, 0, 1) / 255])[0]
    ours = found(network, head_of(network), image, TORCH)
    corners, named = told["boxes"], torch.tensor([bool(network.classes[label]) for label in told["labels"]])
    keep = ((told["scores"] > 0.02) & named & (corners[:, 2:] > corners[:, :2]).all(dim=1)).numpy()
    same(ours, *(told[each].numpy()[keep] for each in ("scores", "labels", "boxes")))


def _without_epsilon(network: Any) -> None:
    """As torchvision uses its weights of 2020; statistics so small that an epsilon is seen."""
    for module in network.backbone.body.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = 0.0
            module.running_var.fill_(1e-3)
            module.weight.data.fill_(1e-3**0.5)


def test_a_folder_is_a_name_too(folders: dict[str, Path], empty_cache: Path, tmp_path: Path) -> None:
    place = tmp_path / "my detr"
    place.symlink_to(folders["detr"])
    assert load_detector(str(place)) == load_detector("someone/my-detr", weights=place)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text("{}")
    with pytest.raises(BackboneError, match=r"has no model\.safetensors"):
        load_detector(str(tmp_path / "other"))
    with pytest.raises(BackboneError, match="there is no such folder"):
        load_detector(str(tmp_path / "none"))


def test_a_detector_comes_from_the_hub_pinned(hub: Hub, folders: dict[str, Path], empty_cache: Path) -> None:
    files = {path.name: path.read_bytes() for path in folders["detr"].iterdir()}
    commit = hub.publish("someone/tiny", files)
    network = load_detector("someone/tiny")
    weights = network.weights
    assert (weights.source, weights.location, weights.revision) == ("hub", "someone/tiny", commit)
    assert (network.name, network.licence, network.scoring, network.preprocessing.size) == (
        "tiny",
        "Apache-2.0",
        "softmax",
        SIDE,
    )
    again = backbone_from_dict(json.loads(json.dumps(network.to_dict())))
    assert isinstance(again, DetectorNetwork)
    assert (again.identity, again.preprocessing, again.width("queries")) == (
        network.identity,
        network.preprocessing,
        10 * 36,
    )
    squares = np.stack([network.preprocessing(picture(40 + each, 60)) for each in range(3)])
    assert decide(again, "openvino", squares).precision == "f32"
    hub.publish("someone/copyleft", {**files, "README.md": b"---\nlicense: agpl-3.0\n---\n"})
    with pytest.raises(BackboneError, match=r"its licence is agpl-3\.0"):
        load_detector("someone/copyleft")
    hub.publish(
        "someone/pickled", {**{k: v for k, v in files.items() if k != "model.safetensors"}, "pytorch_model.bin": b"x"}
    )
    with pytest.raises(BackboneError, match=r"model\.safetensors cannot be downloaded"):
        load_detector("someone/pickled")
    hub.publish("someone/code", {**files, "config.json": b'{"model_type": "detr", "auto_map": {"AutoModel": "x.Y"}}'})
    with pytest.raises(BackboneError, match="code of its own"):
        load_detector("someone/code")
    hub.publish("someone/other", {**files, "config.json": b'{"model_type": "bert"}'})
    with pytest.raises(BackboneError, match="no design of detectors"):
        load_detector("someone/other")


def test_candidates_in_another_order_are_the_same() -> None:
    """Near ties change places from engine to engine; what is not there deviates."""
    rng = np.random.default_rng(0)
    boxes, queries = rng.random((2, 9, 4), np.float32), rng.random((2, 9, 5), np.float32)
    order = rng.permutation(9)
    here, there = (
        np.concatenate([boxes[:, o].reshape(2, -1), queries[:, o].reshape(2, -1)], axis=1)
        for o in (np.arange(9), order)
    )
    assert deviation(there, here) > 0.1
    assert deviation(_in_order_of(there, here, 9), here) == 0
    assert deviation(_in_order_of(there + 0.1, here, 9), here) > 0.05


@pytest.mark.parametrize("name", ["ultralytics/YOLO11", "yolov8n", "someone/yolov5s", "yolo11x"])
def test_what_is_under_the_agpl_is_refused_by_name(name: str) -> None:
    with pytest.raises(BackboneError, match="AGPL") as caught:
        load_detector(name)
    assert "rtdetr-r18" in caught.value.hint


def test_a_wrong_name_tells_the_nearest_right_ones() -> None:
    with pytest.raises(BackboneError, match="no detector is called 'rtdetr-r81'") as caught:
        load_detector("rtdetr-r81")
    assert "rtdetr-r18" in caught.value.hint
    with pytest.raises(BackboneError) as caught:
        load_detector("torchvision:fcos_resnet50")
    assert "fcos-r50" in caught.value.hint


def test_weights_that_are_damaged_or_of_another_network_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "net"
    folder.mkdir()
    for path in folders["rt_detr_v2"].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {str(place): f"class {place}" for place in range(3)}
    config["label2id"] = {name: int(place) for place, name in config["id2label"].items()}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BackboneError, match="do not fit the network") as caught:
        load_detector("someone/net", weights=folder).module()
    assert "(3, 32), file (8, 32)" in caught.value.message
    weights = load_file(folders["rt_detr_v2"] / "model.safetensors")
    first = sorted(weights)[0]
    save_file({**weights, first: weights[first] * torch.nan}, folder / "model.safetensors")
    with pytest.raises(BackboneError, match="NaN"):
        load_detector("someone/net", weights=folder).module()
    (folder / "model.safetensors").write_bytes(b"\x10" * 64)
    with pytest.raises(BackboneError, match="not a readable"):
        load_detector("someone/net", weights=folder).module()
    (folder / "preprocessor_config.json").write_text('{"size": {"height": 64, "width": 96}}')
    with pytest.raises(BackboneError, match="not square"):
        load_detector("someone/net", weights=folder)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(BackboneError, match="has no preprocessor_config"):
        load_detector("someone/net", weights=folder)
    with pytest.raises(BackboneError, match="do not fit"):
        load_detector("ssdlite", weights=folders["detr"] / "model.safetensors").module()
    with pytest.raises(BackboneError, match="does not download"):
        load_detector("ssdlite")
    with pytest.raises(BackboneError, match="has no output"):
        load_detector("ssdlite", weights="random").width("embedding")
    with pytest.raises(BackboneError, match="words tell them"):
        own_classes(load(folders, "owlv2"))
    with pytest.raises(BackboneError, match="words tell it nothing"):
        word_classes(load(folders, "detr"), [("a dog",)])


def test_the_catalogue_says_what_torchvision_says() -> None:
    """Names, parameters and published figures; and no licence but free ones."""
    from torchvision.models import get_model_weights

    rows = detector_rows()
    assert len({name for row in rows for name in (row.alias, row.name)}) == 2 * len(rows)
    assert all(row.free and row.paper and row.advice for row in rows)
    for row in rows:
        assert bool(row.repository) == (row.library == "transformers")
        if row.library == "torchvision":
            told: Any = next(iter(get_model_weights(row.name))).meta
            assert row.ap == told["_metrics"]["COCO-val2017"]["box_map"]
            assert row.parameters == pytest.approx(told["num_params"] / 1e6, abs=0.06)
            assert row.classes == len(told["categories"])
    assert {row.alias for row in select_detectors(max_params=5)} == {"dfine-n", "ssdlite"}
    assert select_detectors(licence="MIT") == ()
