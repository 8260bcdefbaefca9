"""Boxes as Pascal VOC writes them."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.data.annotations.conftest import Save, korean, thing, voc, write
from topwork.data import looks_like_boxes, read_boxes, split
from topwork.errors import DataError

CAT = thing("cat", 10, 5, 30, 20)


@pytest.fixture(scope="module")
def raccoon() -> Path:
    folder = Path(os.environ.get("TOPWORK_TEST_DATA", "")) / "raccoon"
    if not os.environ.get("TOPWORK_TEST_DATA") or not folder.is_dir():
        pytest.skip("set TOPWORK_TEST_DATA to the folder that holds raccoon/")
    return folder


def test_a_real_set(raccoon: Path) -> None:
    assert looks_like_boxes(raccoon)
    found = read_boxes(raccoon)
    korean(found)
    assert (len(found), len(found.labels), found.classes) == (200, 217, ("raccoon",))
    assert (found.left_out, found.flaws, found.notes) == ((), (), ())
    for row, path in enumerate(found.paths):
        root = ElementTree.parse(raccoon / "annotations" / f"{Path(path).stem}.xml").getroot()
        wanted = [
            [float(box.findtext(tag, "")) for tag in ("xmin", "ymin", "xmax", "ymax")] for box in root.iter("bndbox")
        ]
        assert found.boxes(row).corners.tolist() == wanted
        assert found.sizes[row].tolist() == [int(root.findtext(f"size/{side}", "")) for side in ("height", "width")]
    held_out = split(found, test=0.2, seed=0).split("test")
    assert len(held_out) == 40


def test_the_kits_own_layout(tmp_path: Path, save: Save) -> None:
    """Its files count pixels from 1, the last one included; its lists say the splits."""
    head = "<source><database>The VOC2007 Database</database></source>"
    for name, objects in {"1": [thing("dog", 1, 1, 60, 40, difficult=1)], "2": [CAT], "3": [], "4": [CAT]}.items():
        save(f"VOC2007/JPEGImages/{name}.jpg")
        write(tmp_path / f"VOC2007/Annotations/{name}.xml", voc(f"{name}.jpg", *objects, head=head))
    lists = {"train": "1\n3\n", "val": "2\n", "trainval": "1\n2\n3\n", "test": "9\n", "dog_train": "1 1\n2 -1\n"}
    for name, text in lists.items():
        write(tmp_path / f"VOC2007/ImageSets/Main/{name}.txt", text)
    found = read_boxes(tmp_path)
    korean(found)
    assert [path[-5:] for path in found.paths] == ["1.jpg", "2.jpg", "3.jpg"]
    assert found.splits.tolist() == ["train", "val", "train"]
    assert found.counts.tolist() == [1, 1, 0]
    assert found.corners.tolist() == [[0, 0, 60, 40], [9, 4, 30, 20]]
    assert found.crowd.tolist() == [True, False]
    assert {item.path: item.reason for item in found.left_out} == {
        "VOC2007/Annotations/4.xml": "no list of ImageSets/Main names it",
        "9": "it is listed in ImageSets/Main and has no annotation",
    }
    write(tmp_path / "VOC2007/ImageSets/Main/test.txt", "1\n")
    with pytest.raises(DataError, match="'1' is in both"):
        read_boxes(tmp_path)


def test_xml_beside_the_images_of_each_split(tmp_path: Path, save: Save) -> None:
    for name in ("train", "valid"):
        save(f"{name}/1.jpg")
        write(tmp_path / name / "1.xml", voc("renamed since.png", CAT))
    found = read_boxes(tmp_path)
    korean(found)
    assert (found.paths, found.splits.tolist()) == (("train/1.jpg", "valid/1.jpg"), ["train", "val"])


def test_pairs_that_are_none_are_listed(tmp_path: Path, save: Save) -> None:
    for name in ("good", "alone", "other", "cut", "bomb", "svg"):
        save(f"{name}.jpg")
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]>' + voc("bomb.jpg", thing("&c;", 1, 2, 3, 4))
    texts = {
        "good": voc("good.jpg", CAT),
        "no image": voc("gone.jpg", CAT),
        "out": voc("../../etc/passwd", CAT),
        "again": voc("good.jpg", CAT),
        "by its name inside": voc("other.jpg", CAT),
        "cut": voc("cut.jpg", CAT)[:-20],
        "bomb": bomb,
        "svg": "<svg></svg>",
        "empty": "",
    }
    for name, text in texts.items():
        write(tmp_path / f"{name}.xml", text)
    found = read_boxes(tmp_path)
    korean(found)
    assert found.paths == ("good.jpg", "other.jpg")
    reasons = {item.path: item.reason for item in found.left_out}
    assert reasons.pop("cut.xml").startswith("not XML: ")
    assert reasons.pop("empty.xml").startswith("not XML: ")
    assert reasons == {
        "again.xml": "its image, good.jpg, has another annotation",
        "alone.jpg": "it has no annotation",
        "bomb.xml": "it declares a document type, which is refused",
        "no image.xml": "its image, gone.jpg: no such file",
        "out.xml": "its image, ../../etc/passwd: its path leaves the data folder",
        "svg.xml": "not an annotation of Pascal VOC but <svg>",
    }


def test_what_is_wrong_with_a_box_is_listed(tmp_path: Path, save: Save) -> None:
    save("a.jpg")
    polygon = "<object><name>cat</name><polygon><x1>5</x1><y1>6</y1><x2>9</x2><y2>7</y2></polygon></object>"
    things = [
        thing("cat", 30, 20, 10, 5),
        thing("cat", "x", 1, 2, 3),
        thing("", 1, 2, 3, 4),
        thing("cat", 1.25, 2.5, 3, 4),
        "<object><name>cat</name></object>",
        polygon,
    ]
    write(tmp_path / "a.xml", voc("a.jpg", *things, width=0, height=0))
    found = read_boxes(tmp_path)
    korean(found)
    assert [(flaw.kind, flaw.used) for flaw in found.flaws] == [
        ("class", False),
        ("none", False),
        ("number", False),
        ("swapped", True),
    ]
    assert found.corners.tolist() == [[10, 5, 30, 20], [1.25, 2.5, 3, 4], [5, 6, 9, 7]]


@pytest.mark.parametrize("declared", ["", '<?xml version="1.0" encoding="euc-kr"?>', '<?xml version="1.0"?>'])
@pytest.mark.parametrize("encoding", ["utf-8", "cp949", "utf-16"])
def test_class_names_in_any_encoding(tmp_path: Path, save: Save, declared: str, encoding: str) -> None:
    if encoding == "utf-16" and declared:
        declared = declared.replace("euc-kr", "utf-16")
    save("사진.jpg")
    write(tmp_path / "사진.xml", declared + voc("사진.jpg", thing("너구리, 큰", 1, 2, 3, 4)), encoding)
    assert read_boxes(tmp_path).classes == ("너구리, 큰",)
