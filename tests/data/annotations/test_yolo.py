"""Boxes as YOLO's tools write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.data.annotations.conftest import Save, korean, write
from topwork.data import looks_like_boxes, read_boxes
from topwork.data._annotations._yaml import flat_yaml
from topwork.errors import DataError

BOX = "0 0.5 0.5 0.5 0.25\n"
CORNERS = [15, 15, 45, 25]  # of an image of 60 × 40


@pytest.mark.parametrize(
    ("config", "folder"),
    [
        ("path: .\ntrain: images/train\nval: images/val\nnames:\n  0: cat\n  1: dog # two\n", "images/{}|labels/{}"),
        ("train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['cat', 'dog']\n", "{}/images|{}/labels"),
        ("train: /home/of/another/train\nnames: [cat, dog]\n", "{}/images|{}/labels"),
        ("train: train.txt\nval: [val.txt]\nnames: {0: cat, 1: dog}\n", "images/{}|labels/{}"),
        ("", "images/{}|images/{}"),
    ],
)
def test_layouts(tmp_path: Path, save: Save, config: str, folder: str) -> None:
    images, labels = folder.split("|")
    val = "valid" if "{}/" in folder else "val"
    for split in ("train", val):
        save(f"{images.format(split)}/1.png")
        write(tmp_path / labels.format(split) / "1.txt", BOX)
        write(tmp_path / f"{split}.txt", f"/other/machine/images/{split}/1.png\n")
    write(tmp_path / ("data.yaml" if config else "classes.txt"), config or "cat\ndog\n")
    assert looks_like_boxes(tmp_path)
    found = read_boxes(tmp_path)
    korean(found)
    assert found.splits.tolist() == ["train", "val"]
    assert found.classes == ("cat", "dog")
    assert found.corners.tolist() == [CORNERS, CORNERS]
    assert "no training box of class 'dog': it cannot be learnt" in found.notes


def test_images_without_boxes_and_boxes_without_images(tmp_path: Path, save: Save) -> None:
    for name in ("a", "b", "c", "bad"):
        save(f"images/{name}.jpg")
    write(tmp_path / "labels/a.txt", BOX)
    write(tmp_path / "labels/b.txt", "")
    write(tmp_path / "labels/gone.txt", BOX)
    write(
        tmp_path / "labels/bad.txt", "0 a b c d\n0 1 2\n0.5 0.1 0.1 0.1 0.1\n0 0.5 0.5 0.1 0.1 0.9\n0 0.5 0.5 -0.1 0.1"
    )
    found = read_boxes(tmp_path)
    korean(found)
    assert found.paths == ("images/a.jpg", "images/b.jpg", "images/c.jpg")
    assert found.counts.tolist() == [1, 0, 0]
    assert found.notes[:2] == (
        "1 image has no file of boxes: no object is taken to be in it",
        "the classes have no names: they are called by their ids",
    )
    assert [(item.path, item.reason) for item in found.left_out] == [
        ("images/bad.jpg", "none of its boxes can be used"),
        ("labels/gone.txt", "no image is called as it is"),
    ]
    assert sorted(flaw.kind for flaw in found.flaws) == ["class", "empty", "number", "number", "number"]


@pytest.mark.parametrize(
    ("names", "ids", "classes", "labels"),
    [
        ("[cat, dog]", [1, 2, 1], ("cat", "dog"), [0, 1, 0]),  # from 1
        ("[cat, dog]", [0, 1], ("cat", "dog"), [0, 1]),
        ("[cat, dog, owl]", [1, 2], ("cat", "dog", "owl"), [1, 2]),
        ("{1: cat, 2: dog}", [1, 2], ("cat", "dog"), [0, 1]),
        ("{0: cat, 7: dog}", [0, 7, 3], ("cat", "dog"), [0, 1]),  # holes, and an id in one
        ("[cat]", [0, 1, 5], ("cat",), [0]),
        ("['a, \"b\"', 너구리]", [1, 0], ('a, "b"', "너구리"), [1, 0]),
    ],
)
def test_ids(
    tmp_path: Path, save: Save, names: str, ids: list[int], classes: tuple[str, ...], labels: list[int]
) -> None:
    save("images/a.jpg")
    write(tmp_path / "data.yaml", f"train: images\nval: images\nnames: {names}\n")
    write(tmp_path / "labels/a.txt", "".join(f"{n} 0.5 0.5 0.{place + 1} 0.5\n" for place, n in enumerate(ids)))
    found = read_boxes(tmp_path / "data.yaml")
    korean(found)
    assert (found.classes, found.labels.tolist()) == (classes, labels)
    assert len(found.flaws) == len(ids) - len(labels)
    assert all(flaw.kind == "class" and flaw.box for flaw in found.flaws)
    assert ("the class ids count from 1: the first name is that of 1" in found.notes) == (ids == [1, 2, 1])


@pytest.mark.parametrize(
    ("line", "wanted", "note"),
    [
        ("0 0.25 0.25 0.75 0.25 0.5 0.75", [15, 10, 45, 30], "polygon"),
        ("0 30 20 30 10", CORNERS, "all boxes are pixels, not shares of the image, and are read so"),
        ("0 0.9 0.5 0.5 0.25", [39, 15, 60, 25], "corrected: outside its image"),
        ("0 0.5 0.5 1.0000004 1", [0, 0, 60, 40], ""),
    ],
)
def test_lines(tmp_path: Path, save: Save, line: str, wanted: list[float], note: str) -> None:
    save("a.jpg")
    write(tmp_path / "a.txt", line)
    write(tmp_path / "classes.txt", "cat")
    found = read_boxes(tmp_path)
    korean(found)
    np.testing.assert_allclose(found.corners, [wanted], atol=1e-4)
    assert any(note in each for each in found.notes) if note else not found.notes


def test_pixels_among_shares_are_listed(tmp_path: Path, save: Save) -> None:
    save("a.jpg", orientation=6)
    write(tmp_path / "a.txt", BOX + "0 30 20 30 10\n")
    found = read_boxes(tmp_path)
    korean(found)
    assert [flaw.kind for flaw in found.flaws] == ["unit"]
    assert found.corners.tolist() == [[10, 22.5, 30, 37.5]]  # shares of the image as shown
    assert "1 image is turned by EXIF; its boxes are taken to be of the image as shown" in found.notes


def test_ten_thousand_boxes_in_an_image(tmp_path: Path, save: Save) -> None:
    save("a.png", 1000, 1000)
    places = np.random.default_rng(0).uniform(0.01, 0.9, (10_000, 2))
    write(tmp_path / "a.txt", "".join(f"0 {x:.6f} {y:.6f} 0.01 0.02\n" for x, y in places))
    found = read_boxes(tmp_path)
    korean(found)
    np.testing.assert_allclose(found.corners[:, 0], places[:, 0] * 1000 - 5, atol=1e-3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [cat, cat]\ntrain: x", "a class name comes twice: 'cat'"),
        ("names: {a: cat}\ntrain: x", "a class id is no whole number"),
        ("names: [cat, dog\ntrain: x", "a bracket that is not closed"),
        ("train: x\n!!python/object:os.system\nnames: [a]", "not a line of YAML that is read"),
    ],
)
def test_what_is_no_configuration_is_refused(tmp_path: Path, save: Save, text: str, message: str) -> None:
    save("images/a.jpg")
    with pytest.raises(DataError, match=message):
        read_boxes(write(tmp_path / "data.yaml", text))


@pytest.mark.parametrize(
    "text",
    [
        "path: ../d # where\ntrain: a/b # (from 'path')\ntest: # none\n\n",
        "names:\n  0: x\n  1: y's\n  2: \"# 2\"\n  3: 'it''s'\n",
        "names: ['a, b', \"c\\u00e9\", d e]\nroboflow:\n  workspace: x\n  at: http://x.y/z:1\n",
        "---\nnames:\n- cat\n- dog\nnc: 2\n",
        "names: [cat,\n  dog,  # second\n  '너구리']\n",
        'names: {0: cat, 5: "x: y"}\ntrain: [a/b, c]\n',
    ],
)
def test_yaml_as_the_package_reads_it(text: str) -> None:
    def as_text(value: object) -> object:
        if isinstance(value, dict):
            return {str(key): as_text(each) for key, each in value.items()}
        return [as_text(each) for each in value] if isinstance(value, list) else "" if value is None else str(value)

    assert flat_yaml(text) == as_text(yaml.safe_load(text))
