"""From files to findings: what an annotation file has wrong is on the doctor's list, and its page shows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.report.pages import finding_section, parsed
from topwork.data import read_boxes
from topwork.report import checkup_page

from .conftest import HEIGHT, WIDTH, checked

Box = list[float]


def coco(folder: Path, annotations: list[dict[str, Any]], *, turned: bool = False) -> Path:
    """Twelve images in COCO's form with two sound boxes each, and these annotations as well."""
    rng = np.random.default_rng(0)
    images, boxes = [], []
    for place in range(12):
        pixels = rng.integers(0, 256, (12, 16, 3), np.uint8)
        image = Image.fromarray(pixels).resize((WIDTH, HEIGHT))
        exif = Image.Exif()
        if turned and place == 0:
            exif[0x0112] = 6
        image.save(folder / f"{place:02}.jpg", quality=95, exif=exif)
        images.append({"id": place, "file_name": f"{place:02}.jpg", "width": WIDTH, "height": HEIGHT})
        boxes += [{"image_id": place, "category_id": label, "bbox": [8 + 55 * label, 9, 40, 50]} for label in (0, 1)]
    numbered = [{"id": number, **each} for number, each in enumerate([*boxes, *annotations])]
    file = folder / "annotations.json"
    categories = [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}]
    file.write_text(json.dumps({"images": images, "annotations": numbered, "categories": categories}))
    return file


def of(box: Any, label: int = 0, **more: Any) -> dict[str, Any]:
    return {"image_id": 3, "category_id": label, "bbox": box, **more}


@pytest.mark.parametrize(
    ("annotation", "name", "drawn"),
    [
        (of([100, 40, 60, 30]), "outside-boxes", [100, 40, 160, 70]),
        (of([200, 40, 60, 30]), "outside-boxes", [200, 40, 260, 70]),
        (of([10, 20, 0, 30]), "empty-boxes", [10, 20, 10, 50]),
        (of([60, 70, -30, -20]), "empty-boxes", [30, 50, 60, 70]),
        (of([8, 9, 40, 50]), "repeated-boxes", [8, 9, 48, 59]),
        (of([10, 20, "x", 30]), "boxes-without-numbers", None),
        (of([10, 20, 30, 30], 7), "boxes-of-unknown-class", None),
        (of(None, segmentation={"counts": "abc", "size": [HEIGHT, WIDTH]}), "masks-without-boxes", None),
        (of(None), "annotations-without-boxes", None),
        (of([9, 9, 40, 50]), "nearly-equal-boxes", [9, 9, 49, 59]),
        (of([9, 9, 40, 50], 1), "boxes-of-two-classes", [9, 9, 49, 59]),
        (of([100, 80, 2, 3]), "tiny-boxes", [100, 80, 102, 83]),
    ],
)
def test_each_fault_of_a_file_is_listed_with_its_picture(
    tmp_path: Path, annotation: dict[str, Any], name: str, drawn: Box | None
) -> None:
    checkup = checked(read_boxes(coco(tmp_path, [annotation])))
    finding = checkup.finding(name)
    assert finding is not None
    assert finding.cases[0].paths == ("03.jpg",)
    told = [[round(float(edge)) for edge in each.corners] for each in finding.cases[0].outlines]
    assert drawn is None or drawn in told
    article = finding_section(parsed(checkup_page(checkup, packages=("topwork.tasks.detection",))), name)
    assert len(article.classed("boxed")) == 1


def test_boxes_of_a_picture_that_exif_turns_are_told_of(tmp_path: Path) -> None:
    dataset = read_boxes(coco(tmp_path, [], turned=True))
    notes = checked(dataset).finding("reader-notes")
    assert notes is not None
    assert "turned along with it, as EXIF says" in notes.what
    assert dataset.sizes[0].tolist() == [WIDTH, HEIGHT]
    assert checked(dataset).finding("boxes-beyond-image") is None


def test_many_boxes_outside_stop_a_fit(tmp_path: Path) -> None:
    beyond = [{"image_id": place, "category_id": 0, "bbox": [300, 10, 20, 20]} for place in range(12)]
    assert [each.name for each in checked(read_boxes(coco(tmp_path, beyond))).blocking()] == ["outside-boxes"]


def test_an_image_whose_boxes_cannot_be_used_is_not_called_damaged(tmp_path: Path) -> None:
    file = coco(tmp_path, [{"image_id": 99, "category_id": 0, "bbox": [1, 2, 30, 40]}])
    told = json.loads(file.read_text())
    told["images"][0]["width"] = 3 * WIDTH
    file.write_text(json.dumps(told))
    found = checked(read_boxes(tmp_path))
    unusable = found.finding("unusable-annotations")
    assert unusable is not None
    assert unusable.count == 2
    assert found.finding("damaged") is None
