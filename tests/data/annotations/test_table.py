"""Boxes in tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.data.annotations.conftest import Save, korean, thing, voc, write
from topwork.data import looks_like_boxes, read_boxes
from topwork.errors import DataError

ROWS = [
    ("a.jpg", "cat", 1, 2, 10, 20, "train"),
    ("a.jpg", 'dog, "big"', 2.5, 2, 12, 20, "train"),
    ("b.jpg", "너구리", 1, 2, 60, 40, "val"),
    ("c.jpg", None, None, None, None, None, "test"),
]
FRAME = pd.DataFrame(ROWS, columns=["path", "label", "xmin", "ymin", "xmax", "ymax", "split"])


@pytest.mark.parametrize("kind", ["csv", "cp949", "tsv", "jsonl", "parquet", "frame"])
def test_every_kind_of_table(tmp_path: Path, save: Save, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        save(f"{name}.jpg")
    table = tmp_path / f"boxes.{kind.replace('cp949', 'csv')}"
    if kind == "parquet":
        FRAME.to_parquet(table)
    elif kind == "jsonl":
        FRAME.to_json(table, orient="records", lines=True, force_ascii=False)
    else:
        FRAME.to_csv(
            table, index=False, sep="\t" if kind == "tsv" else ",", encoding="cp949" if kind == "cp949" else "utf-8"
        )
    monkeypatch.chdir(tmp_path)
    given = FRAME if kind == "frame" else table
    assert looks_like_boxes(given)
    found = read_boxes(given)
    korean(found)
    assert found.paths == ("a.jpg", "b.jpg", "c.jpg")
    assert found.splits.tolist() == ["train", "val", "test"]
    assert found.classes == ("cat", 'dog, "big"', "너구리")
    assert found.counts.tolist() == [2, 1, 0]
    assert found.corners.tolist() == [[1, 2, 10, 20], [2.5, 2, 12, 20], [1, 2, 60, 40]]


@pytest.mark.parametrize(
    ("folder", "text"),
    [
        ("images/train", "filename,width,height,class,xmin,ymin,xmax,ymax\n1.jpg,60,40,cat,15,10,45,30\n"),
        ("", "1.jpg,15,10,45,30,cat\n2.jpg,,,,,\n"),
        (
            "deep/er",
            "TRAIN,gs://bucket/1.jpg,cat,0.25,0.25,,,0.75,0.75,,\nTEST,gs://b/2.jpg,cat,0.25,0.25,,,0.75,0.75,,\n",
        ),
        ("", "ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf\n1.jpg,cat,0.25,0.75,0.25,0.75,0\n"),
        ("images", "image,name,x1,y1,x2,y2\nC:\\data\\1.jpg,cat,15,10,45,30\n"),
    ],
)
def test_tables_as_others_write_them(tmp_path: Path, save: Save, folder: str, text: str) -> None:
    for name in "12":
        save(f"{folder}/{name}.jpg".lstrip("/"))
    write(tmp_path / "labels.csv", text)
    for given in (tmp_path, tmp_path / "labels.csv"):
        assert looks_like_boxes(given)
        found = read_boxes(given)
        korean(found)
        assert found.boxes(0).corners.tolist() == [[15, 10, 45, 30]]
        assert found.classes == ("cat",)
        assert found.paths[0] == f"{folder}/1.jpg".lstrip("/")


def test_as_roboflow_exports(tmp_path: Path, save: Save) -> None:
    for split in ("train", "valid"):
        save(f"{split}/1.jpg")
        text = "filename,width,height,class,xmin,ymin,xmax,ymax\n1.jpg,60,40,cat,15,10,45,30\n"
        write(tmp_path / split / "_annotations.csv", text)
    found = read_boxes(tmp_path)
    korean(found)
    assert (found.paths, found.splits.tolist()) == (("train/1.jpg", "valid/1.jpg"), ["train", "val"])


def test_what_is_wrong_is_listed(tmp_path: Path, save: Save) -> None:
    save("a.jpg")
    lines = ["cat,1,2,3,4", "cat,1,2,3,x", "cat,NaN,2,3,4", ",1,2,3,4", "cat,,,,", "cat,30,20,10,5"]
    rows = [f"a.jpg,{line}" for line in lines] + ["gone.jpg,cat,1,2,3,4", "../a.jpg,cat,1,2,3,4"] * 2
    write(tmp_path / "t.csv", "\n".join(["path,label,xmin,ymin,xmax,ymax", *rows]))
    found = read_boxes(tmp_path)
    korean(found)
    assert found.corners.tolist() == [[1, 2, 3, 4], [10, 5, 30, 20]]
    assert sorted(flaw.kind for flaw in found.flaws) == ["class", "none", "number", "number", "swapped"]
    assert [(item.path, item.reason) for item in found.left_out] == [
        ("../a.jpg", "its path leaves the data folder"),
        ("gone.jpg", "no such file"),
    ]


def test_columns_in_another_order_are_suspected(tmp_path: Path, save: Save) -> None:
    """Nothing else tells them: the boxes that reach out of their image would all lie in it."""
    save("a.jpg"), save("b.jpg")
    head, rows = "path,label,ymin,xmin,ymax,xmax\n", ["a.jpg,cat,{},{},{},{}", "b.jpg,cat,{},{},{},{}"]
    boxes = [(30, 5, 55, 30), (2, 3, 20, 9)]  # x before y under names that say the opposite
    lines = [row.format(*box) for row, box in zip(rows, boxes, strict=True)]
    found = read_boxes(write(tmp_path / "t.csv", head + "\n".join(lines)))
    korean(found)
    assert any(note.startswith("with x and y exchanged") for note in found.notes)
    lines[0] = "a.jpg,cat,30,5,155,30"  # too far either way
    other = read_boxes(write(tmp_path / "t.csv", head + "\n".join(lines)))
    assert not any("exchanged" in note for note in other.notes)


def test_in_an_image_of_one_pixel_shares_are_pixels(tmp_path: Path, save: Save) -> None:
    save("a.jpg"), save("dot.jpg", 1, 1)
    head = "path,label,xmin,ymin,xmax,ymax\ndot.jpg,cat,0,0,1,1\na.jpg,cat,"
    pixels = read_boxes(write(tmp_path / "t.csv", head + "5,5,30,20"))
    assert (len(pixels), pixels.flaws) == (2, ())
    shares = read_boxes(write(tmp_path / "t.csv", head + "0.1,0.1,0.5,0.5"))
    np.testing.assert_allclose(shares.corners, [[0, 0, 1, 1], [6, 4, 30, 20]])


def test_where_no_box_can_be_used_the_first_reason_is_told(tmp_path: Path, save: Save) -> None:
    save("a.jpg")
    head = "path,label,xmin,ymin,xmax,ymax\n"
    for row, hint in {
        "a.jpg,cat,5,5,5,9": "1 left out, the first: a.jpg: it has no area",
        "a.jpg,,,,,": "check that the annotations name a box",
    }.items():
        with pytest.raises(DataError, match="can be used") as raised:
            read_boxes(write(tmp_path / "t.csv", head + row))
        assert raised.value.hint == hint


def test_an_image_in_two_splits_is_refused(tmp_path: Path, save: Save) -> None:
    save("a.jpg")
    text = "path,label,xmin,ymin,xmax,ymax,split\na.jpg,cat,1,2,3,4,train\na.jpg,cat,1,2,3,4,test\n"
    with pytest.raises(DataError, match=r"line 3: 'a.jpg' is in another split above"):
        read_boxes(write(tmp_path / "t.csv", text))


def test_what_has_no_boxes_does_not_look_like_them(tmp_path: Path, save: Save) -> None:
    save("cat/1.jpg")
    save("dog/1.jpg")
    write(tmp_path / "labels.csv", "path,label\ncat/1.jpg,cat\n")
    write(tmp_path / "texts/good/1.txt", "a fine text, 5 of 5")
    write(tmp_path / "meta.json", '{"images": ["cat/1.jpg"], "id": 3}')
    for given in (tmp_path, tmp_path / "labels.csv", tmp_path / "texts", tmp_path / "none", 5, FRAME[["path"]], None):
        assert not looks_like_boxes(given)
        with pytest.raises(DataError):
            read_boxes(given)


def test_class_folders_with_boxes_in_them_stay_class_folders(tmp_path: Path, save: Save) -> None:
    for name in ("cat", "dog"):
        save(f"{name}/1.jpg")
        write(tmp_path / name / "1.xml", voc("1.jpg", thing(name, 1, 2, 30, 40)))
    assert not looks_like_boxes(tmp_path)
    assert read_boxes(tmp_path).classes == ("cat", "dog")


def test_columns_of_other_names_and_groups(tmp_path: Path, save: Save) -> None:
    save("a.jpg")
    save("b.jpg")
    text = "where,label,l,t,r,b,split,group\na.jpg,cat,1,2,3,4,train,x\nb.jpg,cat,1,2,3,4,test,{}\n"
    columns = {"path": "where", "xmin": "l", "ymin": "t", "xmax": "r", "ymax": "b"}
    found = read_boxes(write(tmp_path / "t.csv", text.format("y")), columns=columns)
    korean(found)
    assert (found.groups, found.corners.tolist()) == (("x", "y"), [[1, 2, 3, 4]] * 2)
    with pytest.raises(DataError, match="group 'x' is in both train and test"):
        read_boxes(write(tmp_path / "t.csv", text.format("x")), columns=columns)


@pytest.mark.parametrize("form", ["sides", "corners"])
@pytest.mark.parametrize("kind", ["records", "lists", "columns"])
@pytest.mark.parametrize("saved", [False, True])
def test_hugging_face(tmp_path: Path, save: Save, form: str, kind: str, saved: bool) -> None:
    import datasets

    datasets.disable_progress_bars()
    rng = np.random.default_rng(0)
    names, wanted, rows = ["cat", "dog"], [], []
    image = save("a.png", 100, 80).read_bytes()
    for count in (3, 0, 2):
        corner, side = rng.uniform(0, 50, (count, 2)), rng.uniform(1, 30, (count, 2))
        wanted += np.hstack([corner, corner + side]).tolist()
        boxes = np.hstack([corner, side if form == "sides" else corner + side]).tolist()
        rows.append((boxes, rng.integers(0, 2, count).tolist()))
    label, box = datasets.ClassLabel(names=names), datasets.Sequence(datasets.Value("float32"), 4)
    records = {"bbox": box, "category": label}
    features = {"image": datasets.Image(), "width": datasets.Value("int32"), "height": datasets.Value("int32")}
    columns = {"image": [{"bytes": image, "path": None}] * 3, "width": [100] * 3, "height": [80] * 3}
    if kind == "columns":
        features |= {"bboxes": datasets.Sequence(box), "labels": datasets.Sequence(label)}
        columns |= {"bboxes": [boxes for boxes, _ in rows], "labels": [labels for _, labels in rows]}
    elif kind == "lists":
        features |= {"objects": datasets.Sequence(records)}
        columns |= {"objects": [{"bbox": boxes, "category": labels} for boxes, labels in rows]}
    else:
        features |= {"objects": [records]}
        columns |= {"objects": [[{"bbox": b, "category": c} for b, c in zip(*row, strict=True)] for row in rows]}
    data = datasets.DatasetDict(train=datasets.Dataset.from_dict(columns, features=datasets.Features(features)))
    given = data
    if saved:
        data.save_to_disk(tmp_path / "saved")
        given = tmp_path / "saved"
    assert looks_like_boxes(given)
    found = read_boxes(given)
    korean(found)
    assert (found.classes, found.counts.tolist()) == (("cat", "dog"), [3, 0, 2])
    np.testing.assert_allclose(found.corners, wanted, atol=1e-4)
    assert found.labels.tolist() == [label for _, labels in rows for label in labels]
    assert found.splits.tolist() == ["train"] * 3
    assert found.source(2) == image
