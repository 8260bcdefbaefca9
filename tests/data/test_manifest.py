from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from topwork.data import read
from topwork.errors import DataError

Make = Callable[..., Path]


def write(folder: Path, text: str, name: str = "set.csv") -> Path:
    manifest = folder / name
    manifest.write_bytes(text.encode("utf-8", "surrogateescape"))
    return manifest


def test_a_manifest_is_read(make: Make) -> None:
    folder = make("x/*3", "plain")
    text = '\ufeffpath,label\nx/0.jpg,dog\n\nx/1.jpg,"cat, small"\nx/./2.jpg,dog\nplain,dog\n'
    dataset = read(write(folder, text))
    assert dataset.root == folder
    assert dataset.classes == ("cat, small", "dog")
    assert dataset.paths == ("x/0.jpg", "x/1.jpg", "x/2.jpg", "plain")
    assert dataset.labels.tolist() == [1, 0, 1, 1]
    assert dataset.groups == ()


def test_columns_stand_in_any_order_and_parts_and_groups_are_read(make: Make) -> None:
    rows = ["group,split,label,path", "p1,train,a,x/0.jpg", ",Train,b,x/1.jpg", "p2,valid,a,x/2.jpg"]
    text = "\n".join([*rows, "p3,test,b,x/3.jpg"])
    dataset = read(write(make("x/*4"), text))
    assert dataset.splits.tolist() == ["train", "train", "val", "test"]
    assert dataset.groups == ("p1", "", "p2", "p3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,lable\n", "unknown column 'lable'; nearest: 'label'"),
        ("path;label\n", "no training rows"),
        ("path;label;splt\n", "unknown column 'splt'; nearest: 'split'"),
        ("path,class,category\n", "which is the label: 'class', 'category'"),
        ("path\n", "no column 'label'"),
        ("", "set.csv: the file is empty"),
        ("\ufeff", "set.csv: the file is empty"),
        ("path,label,path\n", "a column comes twice"),
        ("path,label\nx/0.jpg\n", "line 2: 1 fields, expected 2"),
        ("path,label\nx/0.jpg,a,b\n", "line 2: 3 fields"),
        ("path,label\nx/0.jpg, \n", "line 2: the label is empty"),
        ("path,label\n,a\n", "line 2: the path is empty"),
        ("path,label\nx/0.jpg,a\0\n", "line 2: the label contains a NUL|not a CSV"),
        ("path,label\nx\0,a\n", "NUL"),
        ('path,label\n"x/0.jpg,a\n', "not a CSV file"),
        ("path,label,split\nx/0.jpg,a,tset\n", "line 2: split 'tset'; nearest: 'test'"),
        ("path,label,split\nx/0.jpg,a,train\nx/1.jpg,a,\n", "line 3: some rows name a split"),
        ("path,label\nx/0.jpg,a\nx/0.jpg,b\n", "line 3: 'x/0.jpg' came before as 'a', now as 'b'"),
        ("path,label,split\nx/0.jpg,a,train\nx/./0.jpg,a,test\n", "came before as 'a'/'train'"),
        ("path,label\n", "no training rows"),
        ("path,label,split\nx/0.jpg,a,val\nx/1.jpg,b,val\n", "no training rows"),
        ("path,label\nx/8.jpg,a\nx/9.jpg,b\n", "no usable image"),
    ],
)
def test_a_manifest_that_cannot_be_meant_is_refused(make: Make, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(write(make("x/*2"), text))


@pytest.mark.parametrize(
    "path",
    [
        *(
            "../x.jpg",
            "a/../../x.jpg",
            "..",
            "/etc/passwd",
            "C:\\x.jpg",
            "C:x.jpg",
            "\\\\host\\x.jpg",
            "..\\x.jpg",
        ),
        *("a\\b/../../../x.jpg", "a\\b/../../x.jpg", "a/..\\..\\x.jpg"),
    ],
)
def test_fault_51_a_manifest_path_that_leaves_its_folder_is_refused(make: Make, path: str) -> None:
    with pytest.raises(DataError, match=r"line 3: the path .* (is absolute|leaves the manifest's folder)"):
        read(write(make("x/*2"), f"path,label\nx/0.jpg,a\n{path},b\n"))


def test_fault_51_a_path_that_comes_back_inside_is_meant(make: Make) -> None:
    assert read(write(make("x/*2"), "path,label\nx/../x/0.jpg,a\nx/1.jpg,b\n")).paths[0] == "x/0.jpg"


def test_fault_10_a_manifest_path_through_a_link_may_not_leave_the_folder(make: Make, tmp_path: Path) -> None:
    outside = make("secret.jpg", root="outside")
    folder = make("x/*2")
    (folder / "out").symlink_to(outside)
    (folder / "within").symlink_to("x")
    (folder / "x" / "out.jpg").symlink_to(outside / "secret.jpg")
    text = "path,label\nx/0.jpg,a\nwithin/1.jpg,b\nout/secret.jpg,a\nx/out.jpg,b\n"
    dataset = read(write(folder, text))
    assert dataset.paths == ("x/0.jpg", "within/1.jpg")
    leaves = "a link that leaves the data folder"
    assert {item.path: item.reason for item in dataset.left_out} == {
        "out/secret.jpg": leaves,
        "x/out.jpg": leaves,
    }


def test_what_a_manifest_names_and_is_not_there_is_listed(make: Make) -> None:
    folder = make("x/*2", "d/")
    os.mkfifo(folder / "pipe.jpg")
    text = "path,label\nx/0.jpg,a\nx/1.jpg,b\nx/9.jpg,a\nd,a\npipe.jpg,c\nx/0.jpg,a\n"
    dataset = read(write(folder, text))
    assert {item.path: item.reason for item in dataset.left_out} == {
        "d": "not a regular file",
        "pipe.jpg": "not a regular file",
        "x/0.jpg": "listed more than once; used once",
        "x/9.jpg": "no such file",
    }
    assert dataset.classes == ("a", "b", "c")  # c has lost its only image and keeps its place
    assert dataset.counts().tolist() == [1, 1, 0]


def test_fault_9_a_manifest_may_name_a_file_that_is_not_utf8(make: Make, jpeg: bytes) -> None:
    folder = make("x/*1")
    name = os.fsdecode(b"x/caf\xe9.jpg")
    try:
        (folder / name).write_bytes(jpeg)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    dataset = read(write(folder, f"path,label\nx/0.jpg,a\n{name},b\n"))
    assert dataset.full_path(1).read_bytes() == jpeg


def test_fault_5_an_extra_class_held_out_in_a_manifest_is_an_error(make: Make) -> None:
    text = "path,label,split\nx/0.jpg,a,train\nx/1.jpg,b,train\nx/2.jpg,c,test\n"
    with pytest.raises(DataError, match="class 'c' is in test but not in train"):
        read(write(make("x/*3"), text))


def test_fault_17_one_group_in_two_parts_is_refused(make: Make) -> None:
    text = "path,label,split,group\nx/0.jpg,a,train,p1\nx/1.jpg,b,train,p2\nx/2.jpg,a,test,p1\n"
    with pytest.raises(DataError, match="group 'p1' is in both train and test"):
        read(write(make("x/*3"), text))
    apart = text.replace("x/2.jpg,a,test,p1", "x/2.jpg,a,test,p3")
    assert read(write(make("x/*3"), apart)).groups == ("p1", "p2", "p3")


def test_rows_without_a_group_share_none(make: Make) -> None:
    text = "path,label,split,group\nx/0.jpg,a,train,\nx/1.jpg,b,train,p\nx/2.jpg,a,test,\n"
    assert len(read(write(make("x/*3"), text))) == 3


ROWS = [("im/a/0.jpg", "a"), ("im/a/1.jpg", "a"), ("im/b/0.jpg", "b"), ("im/b/1.jpg", "b")]


@pytest.mark.parametrize(
    ("header", "row", "note"),
    [
        ("path;label", "{path};{label}", ""),
        ("path\tlabel", "{path}\t{label}", ""),
        ("filename,class", "{path},{label}", ""),
        ("Image_Path,Species", "{path},{label}", ""),
        ("path,label,age", "{path},{label},3", "unused columns: 'age'"),
        (",path,label", "0,{path},{label}", ""),
        ("Unnamed: 0,path,label", "0,{path},{label}", ""),
        ("path,label,class", "{path},{label},x", "unused columns: 'class'"),
        ("path;label;;", "{path};{label};;", ""),
        ("사진;분류", "{path};{label}", ""),
    ],
)
def test_manifests_are_read_as_people_write_them(make: Make, header: str, row: str, note: str) -> None:
    folder = make("im/a/*2", "im/b/*2")
    lines = [header, *(row.format(path=path, label=label) for path, label in ROWS)]
    (folder / "d.csv").write_text("\n".join(lines))
    dataset = read(folder / "d.csv")
    assert dataset.classes == ("a", "b")
    assert dataset.paths == tuple(path for path, _ in ROWS)
    assert [each for each in dataset.notes if "columns" in each] == ([note] if note else [])


@pytest.mark.parametrize(("encoding", "delimiter"), [("cp949", ";"), ("utf-8-sig", ","), ("utf-16", "\t")])
def test_what_a_korean_spreadsheet_exports_is_read(make: Make, encoding: str, delimiter: str) -> None:
    """Its header too, paths of Windows, and the lines of delimiters that stand below a table."""
    folder, labels = make("im/a/*2", "im/b/*2"), {"a": "고양이", "b": "강아지"}
    rows = [("그림", "이름", "비고"), *((path.replace("/", "\\"), labels[k], "메모") for path, k in ROWS), ("", "", "")]
    (folder / "d.csv").write_bytes("\r\n".join(map(delimiter.join, rows)).encode(encoding))
    dataset = read(folder / "d.csv", columns={"path": "그림", "label": "이름"})
    assert dataset.classes == ("강아지", "고양이")
    assert dataset.paths == tuple(path for path, _ in ROWS)
    assert "unused columns: '비고'" in dataset.notes
    with pytest.raises(DataError, match="no column 'path', 'label' among '그림', '이름', '비고'"):
        read(folder / "d.csv")


def test_an_absolute_path_of_windows_is_answered_with_what_to_do(make: Make) -> None:
    folder = make("im/a/*2", "im/b/*2")
    (folder / "d.csv").write_text("path;label\nC:\\Users\\kim\\im\\a\\0.jpg;a\n")
    with pytest.raises(DataError, match="is absolute") as caught:
        read(folder / "d.csv")
    assert "such as cat/1.jpg" in caught.value.hint


def test_a_tsv_and_paths_of_windows_are_read(make: Make) -> None:
    folder = make("im/a/*2", "im/b/*2")
    (folder / "d.tsv").write_text("path\tlabel\n" + "".join(f"{p.replace('/', chr(92))}\t{k}\n" for p, k in ROWS))
    assert read(folder / "d.tsv").paths == tuple(path for path, _ in ROWS)


def test_columns_are_called_what_the_user_says(make: Make) -> None:
    folder = make("im/a/*2", "im/b/*2")
    (folder / "d.csv").write_text("was,class,wo\n" + "".join(f"{k},x,{p}\n" for p, k in ROWS))
    dataset = read(folder / "d.csv", columns={"path": "wo", "label": "was"})
    assert dataset.classes == ("a", "b")
    with pytest.raises(DataError, match="no column 'wer' for the label; there are 'was', 'class', 'wo'") as told:
        read(folder / "d.csv", columns={"label": "wer"})
    assert told.value.hint == "--columns label=NAME takes one of these names"
    with pytest.raises(DataError, match="no column 'weight' is read"):
        read(folder / "d.csv", columns={"weight": "was"})
    with pytest.raises(DataError, match="no column 'path'") as caught:
        read(folder / "d.csv")
    assert "--columns" in caught.value.hint


def test_a_second_label_for_an_image_says_what_to_do(make: Make) -> None:
    folder = make("im/a/*2")
    (folder / "d.csv").write_text("path,label\nim/a/0.jpg,red\nim/a/0.jpg,round\n")
    with pytest.raises(DataError, match="'red', now as 'round'") as caught:
        read(folder / "d.csv")
    assert "keep one" in caught.value.hint


def test_a_data_frame_is_a_manifest(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    pandas = pytest.importorskip("pandas")
    folder = make("im/a/*2", "im/b/*2")
    frame = pandas.DataFrame({"file": [str(folder / path) for path, _ in ROWS], "class": [k for _, k in ROWS], "n": 1})
    dataset = read(frame)
    assert dataset.classes == ("a", "b")
    assert [dataset.full_path(row).is_file() for row in range(4)] == [True] * 4
    monkeypatch.chdir(folder)
    relative = pandas.DataFrame(ROWS, columns=["path", "label"]).astype({"label": "category"})
    assert read(relative).classes == ("a", "b")
    assert read(relative.assign(label=[1, 1, 2, 2])).classes == ("1", "2")
    with pytest.raises(DataError, match="data frame, row 1: 'label' is null"):
        read(relative.assign(label=["a", None, "b", "b"]))
    with pytest.raises(DataError, match="no column 'label'"):
        read(relative[["path"]])


def table(folder: Path, labels: list[str]) -> Path:
    lines = ["path;label", *(f"im/{row % 40}.jpg;{label}" for row, label in enumerate(labels))]
    (folder / "d.csv").write_text("\n".join(lines))
    return folder / "d.csv"


@pytest.mark.parametrize("labels", [["disc,red", "box,red", "disc,blue"] * 4, ["a|b", "a", "b"] * 4])
def test_several_labels_in_a_cell_are_refused(make: Make, labels: list[str]) -> None:
    with pytest.raises(DataError, match=r"d\.csv: labels such as .* name several classes for an image") as caught:
        read(table(make("im/*40"), labels))
    assert "not supported yet" in caught.value.hint


def test_names_with_a_comma_are_names(make: Make) -> None:
    labels = ["tench, Tinca tinca", "goldfish, Carassius auratus", "great white shark"] * 4
    assert len(read(table(make("im/*40"), labels)).classes) == 3


@pytest.mark.parametrize(
    "labels", [[f"{20 + row / 3:.1f}" for row in range(40)], [str(100 + 7 * row) for row in range(40)]]
)
def test_quantities_are_refused_as_regression(make: Make, labels: list[str]) -> None:
    with pytest.raises(DataError, match=r"look like measurements .* regression"):
        read(table(make("im/*40"), labels))


@pytest.mark.parametrize("labels", [[str(row % 20) for row in range(40)], [str(row % 3 * 50) for row in range(40)]])
def test_numbers_that_count_classes_are_classes(make: Make, labels: list[str]) -> None:
    assert len(read(table(make("im/*40"), labels)).classes) == len(set(labels))
