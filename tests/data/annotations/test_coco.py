"""Boxes as COCO writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.data.annotations.conftest import Save, coco, korean, write_json
from topwork.data import looks_like_boxes, read_boxes
from topwork.errors import DataError


def one(save: Save, *annotations: dict[str, Any], **image: Any) -> Path:
    """A file beside its image, which is 60 × 40."""
    path = save("a.jpg")
    return write_json(path.parent / "boxes.json", coco([{"file_name": "a.jpg", **image}], annotations))


def test_as_the_packages_own_reader_has_it(tmp_path: Path, save: Save) -> None:
    from faster_coco_eval import COCO

    rng, images, annotations = np.random.default_rng(0), [], []
    for number in range(6):
        save(f"images/{number}.png", 100 + number, 80)
        images.append({"file_name": f"{number}.png", "id": 10 * number, "width": 100 + number, "height": 80})
        for _ in range(number):
            corner, side = rng.uniform(0, 50, 2), rng.uniform(1, 30, 2)
            box = [*map(float, (*corner, *side))]
            crowd = int(rng.random() < 0.3)
            annotations.append(
                {"image_id": 10 * number, "bbox": box, "category_id": int(rng.integers(1, 4)), "iscrowd": crowd}
            )
    file = write_json(tmp_path / "annotations/instances.json", coco(images, annotations, ["b", "a", "c"]))
    oracle = COCO(str(file))
    for given in (tmp_path, file):
        found = read_boxes(given)
        korean(found)
        assert found.classes == ("b", "a", "c")
        assert found.counts.tolist() == [0, 1, 2, 3, 4, 5]
        assert found.sizes[:, 1].tolist() == [100, 101, 102, 103, 104, 105]
        assert (found.notes, found.left_out, found.flaws) == ((), (), ())
        for row in range(6):
            rows = oracle.loadAnns(oracle.getAnnIds(imgIds=[10 * row]))
            boxes = found.boxes(row)
            wanted = np.array([each["bbox"] for each in rows]).reshape(-1, 4)
            wanted[:, 2:] += wanted[:, :2]
            np.testing.assert_allclose(boxes.corners, wanted, atol=1e-4)
            assert [found.classes[label] for label in boxes.labels] == [
                oracle.cats[each["category_id"]]["name"] for each in rows
            ]
            assert boxes.crowd.tolist() == [bool(each["iscrowd"]) for each in rows]


def test_splits_come_from_names_and_folders(tmp_path: Path, save: Save) -> None:
    box = [{"bbox": [1, 2, 3, 4]}]
    for split in ("train2017", "val2017"):
        save(f"images/{split}/1.jpg")
        write_json(tmp_path / f"annotations/instances_{split}.json", coco([{"file_name": "1.jpg"}], box))
        write_json(tmp_path / f"annotations/captions_{split}.json", {"images": [], "annotations": []})
    found = read_boxes(tmp_path)
    korean(found)
    assert found.paths == ("images/train2017/1.jpg", "images/val2017/1.jpg")
    assert found.splits.tolist() == ["train", "val"]


def test_as_roboflow_exports(tmp_path: Path, save: Save) -> None:
    for split in ("train", "valid", "test"):
        save(f"{split}/same name.jpg")
        content = coco([{"file_name": "same name.jpg"}], [{"bbox": [1, 2, 3, 4], "category_id": 2}], ["fruit", "pear"])
        content["categories"][0]["supercategory"] = "none"
        content["categories"][1]["supercategory"] = "fruit"
        write_json(tmp_path / split / "_annotations.coco.json", content)
    found = read_boxes(tmp_path)
    korean(found)
    assert found.splits.tolist() == ["train", "val", "test"]
    assert found.classes == ("pear",)
    assert "'fruit' is the category above the others, not a class: left out" in found.notes


def test_what_is_wrong_with_a_box_is_listed(save: Save) -> None:
    given = [
        {"bbox": [50, 10, 30, 20]},  # reaches out
        {"bbox": [100, 10, 30, 20]},  # outside
        {"bbox": [10, 10, 0, 20]},
        {"bbox": [10, 10, -5, 20]},
        {"bbox": [1, 2, 3, 4]},
        {"bbox": [1, 2, 3, 4]},
        {"bbox": [1, 2, 3, 4], "category_id": 2},
        {"bbox": [1, 2, float("nan"), 4]},
        {"bbox": [1, 2, float("inf"), 4]},
        {"bbox": ["a", 2, 3, 4]},
        {"bbox": [1, 2, 3]},
        {"bbox": [1, 2, 3, 4], "category_id": 77},
        {"bbox": [0.1, 0.1, 0.5, 0.5]},
        {"segmentation": {"counts": "abc", "size": [40, 60]}},
        {},
        {"segmentation": [[10, 10, 20, 10, 20, 25], [30, 5, 31, 6, 32, 7]]},
        {"bbox": ["20", "10", "5", "5"]},
    ]
    found = read_boxes(one(save, *given))
    korean(found)
    kinds = [(flaw.kind, flaw.used) for flaw in found.flaws]
    assert sorted(kinds) == sorted(
        [("outside", True), ("outside", False), ("empty", False), ("empty", False), ("doubled", False)]
        + [("number", False)] * 4
        + [("class", False), ("unit", False), ("mask", False), ("none", False)]
    )
    wanted = [[50, 10, 60, 30], [1, 2, 4, 6], [1, 2, 4, 6], [10, 5, 32, 25], [20, 10, 25, 15]]
    assert found.corners.tolist() == wanted
    assert found.labels.tolist() == [0, 0, 1, 0, 0]
    outside = next(flaw for flaw in found.flaws if flaw.used)
    assert (outside.path, outside.box) == ("a.jpg", (50, 10, 80, 30))
    assert outside.detail == "it reaches out of the image of 60 × 40 pixels; cut off at the edge"
    assert "1 box is that around a polygon, which came without a box" in found.notes
    assert "4 boxes were left out: corners that are no numbers" in found.notes


def test_an_image_of_which_no_box_can_be_used_is_no_background(tmp_path: Path, save: Save) -> None:
    for name in "abc":
        save(f"{name}.jpg")
    images = [{"file_name": f"{name}.jpg"} for name in "abc"]
    write_json(tmp_path / "x.json", coco(images, [{"bbox": [1, 1, 0, 0]}, {"image_id": 2, "bbox": [1, 1, 5, 5]}]))
    found = read_boxes(tmp_path)
    korean(found)
    assert found.paths == ("b.jpg", "c.jpg")
    assert [(item.path, item.reason) for item in found.left_out] == [("a.jpg", "none of its boxes can be used")]
    assert [flaw.path for flaw in found.flaws] == ["a.jpg"]
    assert found.select([1]).flaws == ()


def test_images_and_annotations_that_do_not_find_each_other(tmp_path: Path, save: Save) -> None:
    for name in ("a", "b", "c", "d"):
        save(f"{name}.jpg")
    (tmp_path / "d.jpg").write_bytes(b"no image")
    names = ["a.jpg", "gone.jpg", "../../etc/passwd", "/etc/passwd", "b.jpg", "c.jpg", "a.jpg", "d.jpg"]
    images = [{"file_name": name, "id": place} for place, name in enumerate(names)]
    images[5]["id"] = 4  # that of b
    annotations = [{"image_id": place, "bbox": [place, 1, 2, 3]} for place in (0, 1, 4, 6, 7, 99, 99)]
    write_json(tmp_path / "x.json", coco([*images, {"id": 50}], annotations))
    found = read_boxes(tmp_path)
    korean(found)
    assert found.paths == ("a.jpg",)
    assert found.corners.tolist() == [[0, 1, 2, 4], [6, 1, 8, 4]]
    assert {item.path: item.reason for item in found.left_out} == {
        "../../etc/passwd": "its path leaves the data folder",
        "a.jpg": "listed more than once; used once",
        "b.jpg": "its id 4 is that of another image too",
        "c.jpg": "its id 4 is that of another image too",
        "d.jpg": "not an image: it starts with 'no image'",
        "gone.jpg": "no such file",
        "passwd": "no such file",
        "x.json, images": "an image without a file_name",
        "x.json, image_id 99": "2 annotations name an image that is not listed",
    }


@pytest.mark.parametrize(
    ("box", "told", "orientation", "wanted"),
    [
        ([10, 5, 20, 15], (60, 40), 6, [20, 10, 35, 30]),  # of the image as stored: turned along
        ([10, 5, 20, 15], (40, 60), 6, [10, 5, 30, 20]),  # of the image as shown
        ([10, 5, 20, 15], (60, 40), 1, [10, 5, 30, 20]),
        ([20, 10, 40, 30], (120, 80), 1, [10, 5, 30, 20]),  # drawn on a larger copy
        ([10, 5, 20, 15], (0, 0), 1, [10, 5, 30, 20]),
        ([10, 5, 20, 15], ("?", None), 1, [10, 5, 30, 20]),
        ([10, 5, 20, 15], (60, 41), 1, [10, 5 * 40 / 41, 30, 20 * 40 / 41]),
        ([0.25, 0.25, 0.5, 0.25], (60, 40), 1, [15, 10, 45, 20]),  # shares of the image
    ],
)
def test_the_annotations_size_tells_what_its_boxes_are_of(
    tmp_path: Path, save: Save, box: list[float], told: tuple[Any, Any], orientation: int, wanted: list[float]
) -> None:
    save("a.jpg", orientation=orientation)
    image = {"file_name": "a.jpg", "width": told[0], "height": told[1]}
    found = read_boxes(write_json(tmp_path / "x.json", coco([image], [{"bbox": box}])))
    korean(found)
    np.testing.assert_allclose(found.corners, [wanted], atol=1e-5)
    assert found.sizes.tolist() == [[60, 40] if orientation == 6 else [40, 60]]


def test_boxes_of_an_image_of_another_shape_are_not_used(tmp_path: Path, save: Save) -> None:
    save("a.jpg")
    save("b.jpg")
    images = [{"file_name": "a.jpg", "width": 60, "height": 60}, {"file_name": "b.jpg"}]
    boxes = [{"bbox": [1, 1, 5, 5]}, {"image_id": 2, "bbox": [1, 1, 5, 5]}]
    found = read_boxes(write_json(tmp_path / "x.json", coco(images, boxes)))
    korean(found)
    reason = "its annotation is of an image of 60 × 60 pixels, it has 60 × 40"
    assert [(item.path, item.reason) for item in found.left_out] == [("a.jpg", reason)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [', "not JSON: it ends too early"),
        ('{"images": [}', "not JSON: Expecting value"),
        ('{"images": [' + "[" * 100_000, "not JSON"),
        ('{"images": [], "annotations": []}', "'categories' is missing"),
        ('{"images": {}, "annotations": [], "categories": []}', "'images' is no list"),
        ('{"images": [], "annotations": [], "categories": [{}]}', "a category has no id"),
        ('{"images": [], "annotations": [], "categories": [{"id":1,"name":"a"},{"id":1,"name":"b"}]}', "both 'a', 'b'"),
        ('{"images": [], "annotations": [], "categories": []}', "no image with annotations"),
        ('{"answers": 42}', "'categories' is missing"),
        ("[1]", "not an object"),
    ],
)
def test_what_is_no_coco_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        read_boxes(file)


def test_class_names_in_an_older_encoding(tmp_path: Path, save: Save) -> None:
    save("a.jpg")
    content = coco([{"file_name": "a.jpg"}], [{"bbox": [1, 2, 3, 4]}], ["너구리", 'a, "b"'])
    file = tmp_path / "x.json"
    file.write_bytes(json.dumps(content, ensure_ascii=False).encode("cp949"))
    found = read_boxes(file)
    korean(found)
    assert found.classes == ("너구리", 'a, "b"')
    assert "class names are read as CP949: class '너구리'" in found.notes


def test_the_classes_of_a_saved_model(save: Save) -> None:
    file = one(save, {"bbox": [1, 2, 3, 4], "category_id": 2})
    assert read_boxes(file, classes=["owl", "dog"]).labels.tolist() == [1]
    with pytest.raises(DataError, match="class 'dog' is not one that the model knows"):
        read_boxes(file, classes=["owl", "dogs"])
    assert read_boxes(read_boxes(file), classes=["dog", "cat"]).labels.tolist() == [0]
    assert looks_like_boxes(file)
