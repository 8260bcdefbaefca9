"""Boxes from one format to another, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Run
from tests.cli.test_language import ENGLISH
from tests.data.annotations.conftest import Save, coco, save, write_json  # noqa: F401
from tests.tasks.segmentation.made import written
from topwork.data import read_boxes, read_masks


@pytest.fixture
def boxed(tmp_path: Path, save: Save) -> Path:  # noqa: F811
    save("data/a.jpg")
    save("data/b.jpg")
    images = [{"file_name": "a.jpg"}, {"file_name": "b.jpg"}, {"file_name": "gone.jpg"}]
    boxes = [
        {"bbox": [1, 2, 3, 4]},
        {"bbox": [50, 2, 30, 4], "category_id": 2},
        {"bbox": [1, 2, 0, 4]},
        {"image_id": 2, "bbox": [9, 9, 9, 9], "iscrowd": 1},
    ]
    write_json(tmp_path / "data/x.json", coco(images, boxes))
    return tmp_path / "data"


def test_from_one_format_to_another(run: Run, tmp_path: Path, boxed: Path) -> None:
    done = run("convert", boxed, "-o", tmp_path / "voc", "--to", "voc")
    assert (done.code, done.out) == (0, f"Written: 2 images with 3 boxes as voc: {tmp_path / 'voc'}\n")
    assert "note: left out: gone.jpg: no such file" in done.err
    assert "note: 1 box was corrected: outside its image" in done.err
    again = run("convert", tmp_path / "voc", "-o", tmp_path / "yolo", "--to", "yolo", "--copy", "--json")
    told = json.loads(again.out)
    assert (told["images"], told["boxes"], told["classes"]) == (2, 2, ["cat", "dog"])
    assert told["notes"] == ["1 crowd box was left out: YOLO's files cannot mark a crowd"]
    assert read_boxes(tmp_path / "yolo").corners.tolist() == [[1, 2, 4, 6], [50, 2, 60, 6]]


def test_failures_are_plain(run: Run, tmp_path: Path, boxed: Path) -> None:
    assert run("convert", boxed, "-o", boxed, "--to", "voc").failed()[0] == f"{boxed}: it is there already"
    assert "no boxes in" in run("convert", tmp_path / "data/a.jpg", "-o", tmp_path / "x", "--to", "coco").failed()[0]
    assert run("convert", boxed, "-o", tmp_path / "x", "--to", "tfrecord").code == 2


def test_it_speaks_korean(run: Run, tmp_path: Path, boxed: Path) -> None:
    done = run("convert", boxed, "-o", tmp_path / "ko", "--to", "csv", "--lang", "ko")
    assert done.out == f"쓴 것: 이미지 2장, 상자 3개, csv 형식: {tmp_path / 'ko'}\n"
    assert not ENGLISH.search(done.err), done.err
    assert len(done.err.splitlines()) == 3
    failed = run("convert", boxed, "-o", boxed, "--to", "voc", "--lang", "ko")
    assert failed.err == f"오류: {boxed}: 이미 있습니다\n해결 방법: 다른 이름을 고르세요\n"


def test_masks_go_there_and_back(run: Run, tmp_path: Path) -> None:
    data = written(tmp_path / "data", 2)
    there = run("convert", data, "-o", tmp_path / "coco", "--to", "coco", "--json")
    told = json.loads(there.out)
    assert (told["images"], told["masks"], told["objects"]) == (2, 2, 0)
    back = run("convert", tmp_path / "coco", "-o", tmp_path / "png", "--to", "png")
    assert back.out == f"Written: 2 images with masks as png: {tmp_path / 'png'}\n"
    first, last = read_masks(data), read_masks(tmp_path / "png")
    for row in range(2):
        np.testing.assert_array_equal(first.mask(row).labels, last.mask(row).labels)
    korean = run("convert", data, "-o", tmp_path / "ko", "--to", "png", "--lang", "ko")
    assert korean.out == f"쓴 것: 마스크가 있는 이미지 2장, png 형식: {tmp_path / 'ko'}\n"
    assert run("convert", data, "-o", tmp_path / "x", "--to", "yolo").failed()
