"""What a detector says of images: as torch says it, whatever the images are, and from a folder as before."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from tests.tasks.detection.made import SIZE, made
from topwork.data import BoxDataset, Boxes, decode
from topwork.errors import DataError, ImageError, ModelError
from topwork.features._store import MemoryStore
from topwork.metrics import Detections
from topwork.model import Classifier
from topwork.tasks import load
from topwork.tasks.detection import Detector, FoundObjects
from topwork.tasks.detection._card import detector_methods


@pytest.fixture(scope="module")
def detector() -> Detector:
    return made()


@pytest.fixture(scope="module")
def saved(detector: Detector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return detector.save(tmp_path_factory.mktemp("models") / "model")


def by_torch(detector: Detector, photo: Path, floor: float) -> Detections:
    """The same network and head in torch, decoded and freed of doubles by torch's and torchvision's own functions."""
    import torch
    from torchvision.ops import batched_nms, clip_boxes_to_image

    backbone, spec, pixels = detector.backbone, detector.head.spec, decode(photo)
    square = torch.from_numpy(backbone.preprocessing(pixels).copy()).permute(2, 0, 1)[None] / 255
    mean, std = (
        torch.tensor(each)[:, None, None] for each in (backbone.preprocessing.mean, backbone.preprocessing.std)
    )
    network, maps = backbone.module(), list[torch.Tensor]()
    for name in spec.stages:
        network.get_submodule(name).register_forward_hook(lambda module, given, found: maps.append(found))
    with torch.no_grad():
        network((square - mean) / std)
        said = detector.head.to_module()(maps)
    scores = said.logits[0].sigmoid()
    if said.centreness is not None:
        scores = torch.sqrt(scores * said.centreness[0].sigmoid()[:, None])
    places, labels = torch.nonzero(scores > floor, as_tuple=True)
    points = torch.from_numpy(spec.points.copy())[places]
    away = said.distances[0, places] * points[:, 2:]
    corners = torch.cat([points[:, :2] - away[:, :2], points[:, :2] + away[:, 2:]], dim=1)
    corners = clip_boxes_to_image(corners, (SIZE, SIZE))
    kept = batched_nms(corners, scores[places, labels], labels, 0.6)[:100]
    height, width = pixels.shape[:2]
    scale = torch.tensor([width, height, width, height]) / SIZE
    found = corners[kept] * scale, scores[places, labels][kept], labels[kept].int()
    return Detections(*(each.numpy() for each in found))


def test_it_says_what_torch_says(detector: Detector, photos: list[Path]) -> None:
    compared = 0
    for photo, found in zip(photos[:6], detector.predict(photos[:6], threshold=0.3), strict=True):
        expected = by_torch(detector, photo, 0.3)
        assert len(found) == len(expected)
        for corners, score, label in zip(expected.corners, expected.scores, expected.labels, strict=True):
            near = np.abs(found.detections.corners - corners).max(axis=1) < 0.5
            same = near & (found.detections.labels == label) & (np.abs(found.detections.scores - score) < 1e-3)
            assert same.any()
            compared += 1
    assert compared > 50


def test_images_of_any_kind_are_answered_each_for_itself(
    detector: Detector, photos: list[Path], tmp_path: Path
) -> None:
    upright, turned = Image.open(photos[0]), tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # to be seen upright, it has to be turned by 90 degrees
    upright.transpose(Image.Transpose.ROTATE_90).save(turned, exif=exif, quality=98)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(photos[1].read_bytes()[:2000])
    line, dot = np.zeros((1, 10_000, 3), np.uint8), np.full((1, 1, 3), 200, np.uint8)
    sources = [photos[0], broken, turned, line, tmp_path / "none.jpg", dot, upright, "text.txt", 5]
    (tmp_path / "text.txt").write_text("no image")
    first, damaged, same, long, gone, small, held, _, odd = found = detector.predict(sources, threshold=0.3)
    assert [bool(each.error) for each in found] == [False, True, False, False, True, False, False, True, True]
    assert (first.source, long.source, gone.source) == (str(photos[0]), "#3", str(tmp_path / "none.jpg"))
    assert "no such file" in gone.error
    assert "an image" in odd.error
    assert len(damaged) == 0
    assert first.size == same.size == held.size == (upright.height, upright.width)
    assert (long.size, small.size) == ((1, 10_000), (1, 1))
    assert [each.label for each in first][:5] == [each.label for each in same][:5]
    np.testing.assert_allclose(first.detections.corners[:5], same.detections.corners[:5], atol=3)
    for each in (first, long, small):
        height, width = each.size
        assert (each.detections.corners >= 0).all()
        assert (each.detections.corners <= [width, height, width, height]).all()
    alone = detector.predict([photos[0]], threshold=0.3)[0]
    np.testing.assert_allclose(alone.detections.corners, first.detections.corners, atol=0.5)
    with pytest.raises(ImageError, match="several images are expected"):
        detector.predict(photos[0])


def test_thresholds_are_the_classes_own_or_one_for_all(detector: Detector, photos: list[Path]) -> None:
    everything = detector.predict(photos[:4], threshold=0)
    labels = np.concatenate([each.detections.labels for each in everything])
    scores = np.concatenate([each.detections.scores for each in everything])
    own = made(thresholds=(0.5, 0.3, 1.0))
    found = own.predict(photos[:4])
    counts = [sum(each.counts().get(name, 0) for each in found) for name in own.classes]
    expected = [int(((labels == place) & (scores >= floor)).sum()) for place, floor in enumerate((0.5, 0.3, 1.0))]
    assert counts == expected
    assert counts[1] > 0
    for wrong in (-0.1, 1.5, float("nan")):
        with pytest.raises(DataError, match="a threshold is a number from 0 to 1"):
            detector.predict(photos[:1], threshold=wrong)


def test_no_score_is_too_low_to_be_asked_for(detector: Detector, photos: list[Path]) -> None:
    """Measured down to the lowest scores, and shown from the threshold on, however low: never from another."""
    (low,), (high,) = (detector.predict(photos[:1], threshold=each) for each in (0.01, 0.3))
    surer = low.detections.select(low.detections.scores >= 0.3)
    assert np.array_equal(surer.corners, high.detections.corners)
    dull = made()
    dull.head.arrays["logits.bias"][:] = -6.0  # type: ignore[index]
    (found,) = dull.predict(photos[:1], threshold=0.002)
    assert 0.002 <= found.detections.scores.min() < 0.05
    assert not len(dull.predict(photos[:1], threshold=1.0)[0])
    table = perfect(dull, photos[:2], ["", ""])
    assert min(each.scores.min() for each in dull.evaluate(table, cache=False).detections) < 0.05


def test_tiles_look_at_the_parts_too(detector: Detector, photos: list[Path]) -> None:
    pixels = decode(photos[0])
    large = np.concatenate([np.concatenate([pixels] * 3, axis=1)] * 2)
    whole, parts = detector.predict([large], threshold=0.3)[0], detector.predict([large], threshold=0.3, tile=224)[0]
    assert parts.size == whole.size == large.shape[:2]
    sides = [
        np.sort((each.detections.corners[:, 2:] - each.detections.corners[:, :2]).min(axis=1))
        for each in (whole, parts)
    ]
    assert len(parts) > len(whole)
    assert np.median(sides[1]) < np.median(sides[0])
    assert (parts.detections.corners <= [large.shape[1], large.shape[0]] * 2).all()
    assert (np.diff(parts.detections.scores) <= 0).all()
    small = detector.predict([pixels], threshold=0.3)[0]
    np.testing.assert_array_equal(
        detector.predict([pixels], threshold=0.3, tile=4000)[0].detections.corners, small.detections.corners
    )
    with pytest.raises(DataError, match="a tile is at least 16 pixels wide and high, not 8"):
        detector.predict([pixels], tile=8)


def test_a_prediction_is_in_cocos_form(detector: Detector, photos: list[Path]) -> None:
    found = detector.predict([photos[0], "none.jpg"], threshold=0.3)
    told = json.loads(json.dumps(found[0].to_dict()))
    height, width = found[0].size
    assert (told["source"], told["width"], told["height"]) == (str(photos[0]), width, height)
    assert told["count"] == len(told["objects"]) == len(found[0]) > 0
    (x, y, across, down), first = told["objects"][0]["bbox"], next(iter(found[0]))
    np.testing.assert_allclose([x, y, x + across, y + down], first.corners, atol=0.02)
    assert told["objects"][0]["category"] == first.label in detector.classes
    assert found[1].to_dict() == {"source": "none.jpg", "error": found[1].error}
    assert "<table" in found._repr_html_()  # type: ignore[attr-defined]
    assert "<table" in found[0]._repr_html_()
    assert FoundObjects("a.jpg").counts() == {}


@pytest.mark.parametrize("spoilt", [np.nan, np.inf, 3e38])
def test_an_image_for_which_the_network_gives_no_numbers_is_told_and_the_others_answered(
    detector: Detector, photos: list[Path], monkeypatch: pytest.MonkeyPatch, spoilt: float
) -> None:
    add, wrong = MemoryStore.add, hashlib.blake2b(photos[1].read_bytes(), digest_size=16).digest()
    plain = detector.predict(photos[:3], threshold=0.3)

    def spoiling(store: Any, keys: list[bytes], rows: np.ndarray) -> None:
        add(store, keys, np.where(np.array([key == wrong for key in keys])[:, None], np.float32(spoilt), rows))

    monkeypatch.setattr(MemoryStore, "add", spoiling)
    first, bad, last = detector.predict(photos[:3], threshold=0.3)
    assert bad.error == "the network gives NaN or infinity for this image"
    assert (len(bad), bad.to_dict()) == (0, {"source": str(photos[1]), "error": bad.error})
    for each, before in ((first, plain[0]), (last, plain[2])):
        np.testing.assert_array_equal(each.detections.corners, before.detections.corners)


def test_a_chunk_at_a_time_is_looked_at(detector: Detector, photos: list[Path]) -> None:
    given = 0

    def endless() -> Iterator[Path]:
        nonlocal given
        while True:
            given += 1
            yield photos[given % 4]

    first = next(iter(detector.predict_each(endless())))
    assert first.error == ""
    assert given <= 64


def test_it_comes_back_from_a_folder_and_a_pickle(detector: Detector, saved: Path, photos: list[Path]) -> None:
    before = detector.predict(photos[:3], threshold=0.3)
    for again in (load(saved), pickle.loads(pickle.dumps(detector))):
        assert isinstance(again, Detector)
        assert (again.classes, again.record.task.thresholds) == (detector.classes, (0.3, 0.3, 0.3))
        for old, new in zip(before, again.predict(photos[:3], threshold=0.3), strict=True):
            np.testing.assert_array_equal(old.detections.corners, new.detections.corners)
    with pytest.raises(ModelError, match="this command cannot use a model of the task detection"):
        load(saved, Classifier)
    card = (saved / "README.md").read_text("utf-8")
    assert "pipeline_tag: object-detection" in card
    assert "| eel | 1 | – | 0.30 | – |" in card
    assert "no images were held out" in card.lower()
    methods = (saved / "methods.md").read_text("utf-8")
    assert "A detector of objects of 3 classes (cat, dog, eel)" in methods
    untold = detector.record.model_copy(update={"strategy": "as-is"})
    told = detector_methods(untold, 0, detector.kind).text
    assert "Nothing was trained: the detector's own classes answer" in told
    assert "pyramid" not in told
    assert "@inproceedings{lin2017fpn" in (saved / "references.bib").read_text("utf-8")
    assert "cat, dog, eel" in detector._repr_html_()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: (folder / "head.safetensors").unlink(), "head.safetensors: not a readable .safetensors file"),
        (lambda folder: tensor(folder, "logits.bias", np.zeros(4, np.float32)), "logits.bias: expected float32"),
        (lambda folder: tensor(folder, "logits.bias", np.full(3, np.nan, np.float32)), "3 of 3 numbers are NaN"),
        (lambda folder: field(folder, "classes", ["cat", "dog"]), "2 classes, but training of 3"),
        (lambda folder: field(folder, "classes", ["cat", "dog", "cat"]), "a class name comes twice"),
        (lambda folder: field(folder, "thresholds", [0.5]), "3 classes, but thresholds of 1"),
        (lambda folder: field(folder, "metrics", {"images": 3}), "metrics: not a saved report"),
        (lambda folder: field(folder, "head", {"stages": ["blocks.2"]}), "a detector's head is not as expected"),
        (lambda folder: field(folder, "unknown", 1), "task.unknown: Extra inputs are not permitted"),
    ],
)  # fmt: skip
def test_a_damaged_folder_is_refused_by_name(detector: Detector, tmp_path: Path, damage: object, told: str) -> None:
    folder = detector.save(tmp_path / "model")
    damage(folder)  # type: ignore[operator]
    with pytest.raises(ModelError, match="model") as refused:
        load(folder)
    assert told in refused.value.message


def tensor(folder: Path, name: str, value: np.ndarray) -> None:
    save_file({**load_file(folder / "head.safetensors"), name: value}, folder / "head.safetensors")


def field(folder: Path, name: str, value: object) -> None:
    record = json.loads((folder / "model.json").read_text("utf-8"))
    record["task"][name] = value
    (folder / "model.json").write_text(json.dumps(record), "utf-8")


def perfect(detector: Detector, photos: list[Path], splits: list[str]) -> BoxDataset:
    """Photos whose boxes are what the detector finds in them."""
    found = detector.predict(photos, threshold=0.3)
    boxes = [Boxes(each.detections.corners, each.detections.labels, np.zeros(len(each), np.bool_)) for each in found]
    none = {"corners": np.zeros((0, 4)), "labels": np.zeros(0), "crowd": np.zeros(0), "counts": np.zeros(len(photos))}
    empty = BoxDataset(
        photos[0].parent,
        tuple(photo.name for photo in photos),
        np.array(splits),
        sizes=np.array([each.size for each in found]),
        classes=detector.classes,
        **none,
    )
    return empty.with_boxes(boxes)


def test_it_is_measured_on_the_held_out_split(detector: Detector, photos: list[Path]) -> None:
    dataset = perfect(detector, photos[:8], ["train"] * 4 + ["test"] * 4)
    found = detector.evaluate(dataset)
    assert (found.split, found.report.images, found.trained, found.seen_in_training) == ("test", 4, None, False)
    assert found.report.boxes == int(dataset.split("test").counts.sum()) > 0
    assert found.report.ap50 is not None
    assert found.report.ap50.value > 0.95  # what is found at lower scores is wrong, and comes later
    assert found.operating.overall.recall is not None
    assert found.operating.overall.recall.value == found.operating.overall.precision.value == 1.0  # type: ignore[union-attr]
    assert len(found.detections) == len(found.dataset) == 4
    with pytest.raises(DataError, match="are not the model's"):
        made(("cat", "dog", "cow")).evaluate(dataset)


def test_what_cannot_be_read_is_left_out_of_a_measurement(
    detector: Detector, photos: list[Path], tmp_path: Path
) -> None:
    copies = [tmp_path / photo.name for photo in photos[:3]]
    for copy, photo in zip(copies, photos, strict=False):
        copy.write_bytes(photo.read_bytes())
    dataset = perfect(detector, copies, ["", "", ""])
    copies[1].write_bytes(copies[1].read_bytes()[:3000])
    found = detector.evaluate(dataset)
    assert [item.path for item in found.left_out] == [copies[1].name]
    assert found.report.images == 2
    copies[0].unlink()
    copies[2].unlink()
    with pytest.raises(DataError, match="none of the 3 images can be read"):
        detector.evaluate(dataset)


def test_torch_is_not_imported(saved: Path, photos: list[Path]) -> None:
    code = (
        "import sys, topwork; "
        f"found = topwork.load({str(saved)!r}).predict([{str(photos[0])!r}]); assert not found[0].error; "
        "assert not {'torch', 'torchvision', 'timm', 'scipy', 'sklearn'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
