"""Boxes are written so that others, and we, read the same."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml

from tests.data.annotations.conftest import Save, coco, write_json
from topwork.data import BoxDataset, BoxFormat, read_boxes, write_boxes
from topwork.data._annotations._write import BOX_FORMATS
from topwork.errors import DataError

NAMES = ("고양이", 'dog, "big" <1>', "eel: # no", "🦊")


@pytest.fixture
def hard(tmp_path: Path, save: Save) -> BoxDataset:
    """Three splits; names that are alike, turned images, crowds, an image without boxes, corners with many digits."""
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        images, annotations = [], []
        for number, name in enumerate(("same name.png", "same name.jpg", "사진, 1.jpg", "d/e.jpg", "turned.jpg")):
            save(f"set/{split}/{name}", 3001, 1234, orientation=6 if name == "turned.jpg" else 0)
            width, height = (1234, 3001) if name == "turned.jpg" else (3001, 1234)
            images.append({"file_name": name, "id": number, "width": width, "height": height})
            for _ in range(number):
                corner, side = rng.uniform(0, 600, 2), rng.uniform(0.1, 600, 2)
                crowd, label = int(rng.random() < 0.2), int(rng.integers(1, 5))
                box = [*map(float, (*corner, *side))]
                annotations.append({"image_id": number, "bbox": box, "category_id": label, "iscrowd": crowd})
        write_json(tmp_path / "set" / split / "boxes.json", coco(images, annotations, NAMES))
    return read_boxes(tmp_path / "set")


def same(found: BoxDataset, given: BoxDataset, *, crowds: bool = True) -> None:
    """The same images with the same boxes in the same splits; names of files may differ."""

    def told(dataset: BoxDataset) -> list[Any]:
        rows = []
        for row, boxes in enumerate(dataset.all_boxes()):
            kept = [place for place in range(len(boxes)) if crowds or not boxes.crowd[place]]
            names = [(dataset.classes[boxes.labels[place]], bool(boxes.crowd[place])) for place in kept]
            size = dataset.sizes[row].tolist()
            rows.append((str(dataset.splits[row]), size, len(names), sorted(names), boxes.corners[kept]))
        return sorted(rows, key=lambda each: (*each[:4], each[4].tolist()))

    for one, other in zip(told(found), told(given), strict=True):
        assert one[:4] == other[:4]
        np.testing.assert_allclose(one[4], other[4], atol=1e-4, rtol=0)


@pytest.mark.parametrize("form", BOX_FORMATS)
@pytest.mark.parametrize("copy", [False, True])
def test_what_is_written_is_read(tmp_path: Path, hard: BoxDataset, form: BoxFormat, copy: bool) -> None:
    written = write_boxes(hard, tmp_path / "out", form, copy=copy)
    found = read_boxes(tmp_path / "out")
    same(found, hard, crowds=form != "yolo")
    assert (found.left_out, found.flaws) == ((), ())
    assert (written.images, written.boxes) == (15, len(found.labels))
    assert set(found.classes) == set(NAMES)
    assert found.classes == NAMES or form in ("voc", "csv")
    crowds = int(hard.crowd.sum())
    notes = {
        "coco": (),
        "yolo": (f"{crowds} crowd boxes were left out: YOLO's files cannot mark a crowd",),
    }
    lost = "this format holds no list of classes: they come back sorted, without those that have no box"
    assert written.notes == notes.get(form, (lost,))
    links = {os.stat(found.full_path(row)).st_nlink for row in range(len(found))}
    assert links == ({1} if copy else {2})
    again = write_boxes(found, tmp_path / "again", form)
    assert read_boxes(again.path).fingerprint() == found.fingerprint()


def test_others_read_the_same(tmp_path: Path, hard: BoxDataset) -> None:
    from faster_coco_eval import COCO

    part = hard.split("val")
    oracle = COCO(str(write_boxes(hard, tmp_path / "coco", "coco").path / "annotations/instances_val.json"))
    boxes = [each["bbox"] for each in oracle.anns.values()]
    np.testing.assert_allclose(np.array(boxes)[:, :2], part.corners[:, :2], atol=1e-4)
    assert [oracle.cats[each["category_id"]]["name"] for each in oracle.anns.values()] == [
        NAMES[label] for label in part.labels
    ]
    for image in oracle.imgs.values():
        assert (tmp_path / "coco/images/val" / image["file_name"]).is_file()
    root = write_boxes(hard, tmp_path / "voc", "voc").path
    lines = (root / "ImageSets/Main/val.txt").read_text().split("\n")
    assert len(lines) == 6
    tree = ElementTree.parse(root / f"Annotations/{lines[4]}.xml").getroot()
    assert (root / "JPEGImages" / tree.findtext("filename", "")).is_file()
    xmin = np.array([each.text for each in tree.iter("xmin")], np.float32)
    np.testing.assert_array_equal(xmin, part.boxes(4).corners[:, 0])
    root = write_boxes(hard, tmp_path / "yolo", "yolo").path
    config = yaml.safe_load((root / "data.yaml").read_text("utf-8"))
    assert (tuple(config["names"].values()), config["val"]) == (NAMES, "images/val")
    values = np.loadtxt(next((root / "labels/val").glob("*turned.txt")), ndmin=2)
    kept = part.boxes(4).corners[~part.boxes(4).crowd]
    np.testing.assert_allclose(values[:, 3] * 1234, kept[:, 2] - kept[:, 0], atol=1e-4)


@pytest.mark.parametrize(("form", "name"), [("coco", "x.json"), ("csv", "x.csv")])
def test_a_file_beside_the_images(tmp_path: Path, hard: BoxDataset, form: BoxFormat, name: str) -> None:
    part = hard.split("train")
    write_boxes(part, tmp_path / name, form)
    found = read_boxes(tmp_path / name)
    assert found.paths == tuple(f"set/{path}" for path in part.paths)
    np.testing.assert_allclose(found.corners, part.corners, atol=1e-4)
    with pytest.raises(DataError, match="which lies outside its folder"):
        write_boxes(part, tmp_path / "set/val" / name, form)
    if form == "coco":
        with pytest.raises(DataError, match="cannot say splits"):
            write_boxes(hard, tmp_path / "y.json", form)


def test_nothing_is_overwritten(tmp_path: Path, hard: BoxDataset) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match="it is there already"):
        write_boxes(hard, tmp_path / "out", "coco")
    with pytest.raises(DataError, match="such a file cannot hold voc"):
        write_boxes(hard, tmp_path / "new.json", "voc")
    with pytest.raises(DataError, match="no format 'tfrecord'"):
        write_boxes(hard, tmp_path / "new", "tfrecord")  # type: ignore[arg-type]
    (tmp_path / "set/val/same name.png").unlink()
    with pytest.raises(DataError, match="cannot be written"):
        write_boxes(hard, tmp_path / "new", "coco")
    assert not (tmp_path / "new").exists()
    assert not list(tmp_path.glob(".new*"))
