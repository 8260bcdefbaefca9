"""Manifests of every kind: what each adds to CSV, and FAULTS that all must answer alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from topwork.data import decode, read
from topwork.errors import DataError

from .conftest import MANIFESTS

Make = Callable[..., Path]
WriteRows = Callable[[str, Path, Sequence[dict[str, Any]]], Path]

each_kind = pytest.mark.parametrize("kind", MANIFESTS)


def rows(*paths: str) -> list[dict[str, Any]]:
    return [{"path": path, "label": "ab"[n % 2]} for n, path in enumerate(paths)]


@each_kind
@pytest.mark.parametrize(
    "path",
    [
        *("../x.jpg", "a/../../x.jpg", "..", "/etc/passwd", "C:\\x.jpg", "\\\\host\\x.jpg", "a/..\\..\\x.jpg"),
        *("file:///etc/passwd", "file:/etc/passwd", "file:../x.jpg", "FILE:%2e%2e/x.jpg", "file:///%2e%2e/etc/passwd"),
    ],
)
def test_fault_51_a_path_that_leaves_the_folder_is_refused(
    kind: str, path: str, make: Make, write_rows: WriteRows
) -> None:
    manifest = write_rows(kind, make("x/*2"), rows("x/0.jpg", path, "x/1.jpg"))
    with pytest.raises(DataError, match=r"the path .* (is absolute|leaves the manifest's folder)"):
        read(manifest)


@each_kind
def test_fault_51_a_file_url_may_not_climb_out(kind: str, make: Make, write_rows: WriteRows) -> None:
    folder = make("x/*2")
    make("secret.jpg", root="outside")
    manifest = write_rows(kind, folder, rows("x/0.jpg", f"file://{folder}/x/../../outside/secret.jpg"))
    with pytest.raises(DataError, match="leaves the manifest's folder"):
        read(manifest)


@each_kind
def test_file_urls_inside_the_folder_are_paths(kind: str, make: Make, write_rows: WriteRows, jpeg: bytes) -> None:
    folder = make("x/*2", "x/a b#?é.jpg", "x/%41.jpg")
    urls = [
        f"file://{folder}/x/0.jpg",
        f"file:{folder}/x/1.jpg",
        f"file://localhost{folder}/x/a%20b%23%3F%C3%A9.jpg",
        "file:x/%2541.jpg",
    ]
    dataset = read(write_rows(kind, folder, rows(*urls)))
    assert dataset.paths == ("x/0.jpg", "x/1.jpg", "x/a b#?é.jpg", "x/%41.jpg")
    assert decode(dataset.source(2)).shape == decode(jpeg).shape


def test_a_file_url_by_the_folders_real_name_or_its_link(make: Make, write_rows: WriteRows, tmp_path: Path) -> None:
    folder = make("x/*2")
    (tmp_path / "alias").symlink_to("set")
    manifest = write_rows("csv", folder, rows(f"file://{folder}/x/0.jpg", f"file://{tmp_path}/alias/x/1.jpg"))
    assert read(tmp_path / "alias" / manifest.name).paths == ("x/0.jpg", "x/1.jpg")


@each_kind
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("https://example.org/a.jpg", "a URL of 'https:', only 'file:' is read"),
        ("s3://bucket/a.jpg", "a URL of 's3:'"),
        ("file://server/share/a.jpg", "on another machine, 'server'"),
        ("file:x/0.jpg?raw", "holds '\\?' or '#'"),
        ("file:x/%00.jpg", "holds a NUL"),
        ("file:", "the path is empty"),
    ],
)
def test_urls_that_are_not_read_are_refused(
    kind: str, path: str, message: str, make: Make, write_rows: WriteRows
) -> None:
    with pytest.raises(DataError, match=message):
        read(write_rows(kind, make("x/*2"), rows("x/0.jpg", path)))


@each_kind
def test_faults_10_11_13_what_is_named_and_cannot_be_used_is_listed(
    kind: str, make: Make, write_rows: WriteRows, tmp_path: Path
) -> None:
    folder = make("x/*2", "d/")
    (folder / "out.jpg").symlink_to(make("secret.jpg", root="outside") / "secret.jpg")
    os.mkfifo(folder / "pipe.jpg")
    manifest = write_rows(kind, folder, rows("x/0.jpg", "x/1.jpg", "d", "out.jpg", "pipe.jpg", "gone.jpg"))
    dataset = read(manifest)
    assert len(dataset) == 2
    assert {item.path: item.reason for item in dataset.left_out} == {
        "d": "not a regular file",
        "gone.jpg": "no such file",
        "out.jpg": "a link that leaves the data folder",
        "pipe.jpg": "not a regular file",
    }


@each_kind
def test_fault_9_names_of_any_bytes(kind: str, make: Make, write_rows: WriteRows, jpeg: bytes) -> None:
    names = ["x/two\nlines.jpg", 'x/"quoted", and more.jpg', "x/é.jpg", os.fsdecode(b"x/caf\xe9.jpg")]
    folder = make("x/*1")
    for name in names:
        (folder / name).write_bytes(jpeg)
    dataset = read(write_rows(kind, folder, rows(*names)))
    assert dataset.paths == tuple(names)
    assert all(decode(dataset.source(row)).size for row in range(4))


@each_kind
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": " "}, "the label is empty"),
        ({"path": ""}, "the path is empty"),
        ({"split": "tset"}, "split 'tset'; nearest: 'test'"),
        ({"split": ""}, "some rows name a split and others do not"),
        ({"path": "x/0.jpg"}, "'x/0.jpg' came before as 'a'/'train', now as 'b'/'train'"),
    ],
)
def test_a_row_that_cannot_be_meant_is_refused_with_its_place(
    kind: str, change: dict[str, str], message: str, make: Make, write_rows: WriteRows
) -> None:
    table = [{**row, "split": "train"} for row in rows("x/0.jpg", "x/1.jpg")]
    place = {"csv": "line 3", "jsonl": "line 2", "parquet": "row 2"}[kind]
    with pytest.raises(DataError, match=f"{place}: {message}"):
        read(write_rows(kind, make("x/*2"), [table[0], {**table[1], **change}]))


@each_kind
def test_a_wrong_column_is_refused_with_the_nearest(kind: str, make: Make, write_rows: WriteRows) -> None:
    with pytest.raises(DataError, match="unknown column 'lable'; nearest: 'label'"):
        read(write_rows(kind, make("x/*1"), [{"path": "x/0.jpg", "lable": "a"}]))
    with pytest.raises(DataError, match="no column 'label'"):
        read(write_rows(kind, make("x/*1"), [{"path": "x/0.jpg"}]))


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_whole_numbers_are_labels_and_nothing_is_no_split(kind: str, make: Make, write_rows: WriteRows) -> None:
    table = [{"path": f"x/{n}.jpg", "label": n % 2, "split": None, "group": [7, None][n % 2]} for n in range(4)]
    dataset = read(write_rows(kind, make("x/*4"), table))
    assert dataset.classes == ("0", "1")
    assert dataset.splits.tolist() == [""] * 4
    assert dataset.groups == ("7", "", "7", "")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x", "line 2: not JSON"),
        ("[1]", "line 2: not an object"),
        ("{}", "line 2: not an object"),
        ('"text"', "line 2: not an object"),
        ('[["path", "x/1.jpg"], ["label", "a"]]', "line 2: not an object"),
        ('{"path": "x/1.jpg", "label": "b", "label": "a"}', "line 2: a column comes twice"),
        ('{"path": "x/1.jpg", "label": 1.0}', r"line 2: 'label' is 1\.0, expected text"),
        ('{"path": "x/1.jpg", "label": true}', "line 2: 'label' is true"),
        ('{"path": "x/1.jpg", "label": null}', "line 2: 'label' is null"),
        ('{"path": "x/1.jpg", "label": NaN}', "line 2: 'label' is NaN"),
        ('{"path": 3, "label": "a"}', "line 2: 'path' is 3"),
        ('{"path": "x/1.jpg", "label": {"a": 1}}', "line 2: 'label' is "),
        ('{"path": "x/1.jpg", "label": "a\\u0000"}', "line 2: the label contains a NUL"),
        ("[" * 100_000, "line 2: not JSON"),
        ('{"path": "x/1.jpg", "label": ' + "9" * 5000 + "}", "line 2: not JSON"),
        (" " * 2**20, "line 2: longer than 1,048,576 characters"),
    ],
)
def test_a_line_that_is_no_row_is_refused(make: Make, line: str, message: str) -> None:
    manifest = make("x/*2") / "set.jsonl"
    manifest.write_text('{"path": "x/0.jpg", "label": "a"}\n' + line + "\n")
    with pytest.raises(DataError, match=message) as caught:
        read(manifest)
    assert len(caught.value.message) < 1000


def test_jsonl_takes_blank_lines_a_byte_order_mark_and_windows_ends(make: Make) -> None:
    manifest = make("x/*2") / "SET.JSONL"
    text = '\ufeff{"path": "x/0.jpg", "label": "a"}\r\n\r\n{"label": "b", "path": "x/1.jpg"}'
    manifest.write_bytes(text.encode())
    assert read(manifest).paths == ("x/0.jpg", "x/1.jpg")


@pytest.mark.parametrize("content", [b"PAR1", b"text" * 100, b"PAR1" + bytes(100) + b"\xff\xff\xff\x7fPAR1"])
def test_what_is_no_parquet_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "set.parquet").write_bytes(content)
    with pytest.raises(DataError, match="not a Parquet file that can be read"):
        read(tmp_path / "set.parquet")


def test_fault_21_a_truncated_parquet_file_is_refused(make: Make, write_rows: WriteRows) -> None:
    manifest = write_rows("parquet", make("x/*2"), rows("x/0.jpg", "x/1.jpg"))
    data = manifest.read_bytes()
    for length in range(37, len(data), 37):
        manifest.write_bytes(data[:length])
        with pytest.raises(DataError, match="not a Parquet file that can be read"):
            read(manifest)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("label", [0.5, 1.5], "column 'label' is of type double"),
        ("label", [True, False], "column 'label' is of type bool"),
        ("path", [1, 2], "column 'path' is of type int64"),
        ("path", [{"bytes": b"1"}, {"bytes": b"2"}], "column 'path' is of type struct"),
        ("label", ["a", None], "row 2: the label is missing"),
    ],
)
def test_a_parquet_column_of_another_type_is_refused(
    make: Make, write_rows: WriteRows, column: str, values: list[Any], message: str
) -> None:
    table = rows("x/0.jpg", "x/1.jpg")
    for row, value in zip(table, values, strict=True):
        row[column] = value
    with pytest.raises(DataError, match=message):
        read(write_rows("parquet", make("x/*2"), table))


def test_a_parquet_file_of_images_is_refused_with_the_way_to_read_it(make: Make, write_rows: WriteRows) -> None:
    with pytest.raises(DataError, match="column 'image' is of type binary") as caught:
        read(write_rows("parquet", make("x/*1"), [{"image": b"1", "label": 0}]))
    assert 'datasets.load_dataset("parquet"' in caught.value.hint


def test_parquet_categories_are_labels(make: Make) -> None:
    import pyarrow
    import pyarrow.parquet

    labels = pyarrow.array(["b", "a", "b"]).dictionary_encode()
    table = pyarrow.table({"path": ["x/0.jpg", "x/1.jpg", "x/2.jpg"], "label": labels})
    manifest = make("x/*3") / "set.parquet"
    pyarrow.parquet.write_table(table, manifest)
    assert read(manifest).labels.tolist() == [1, 0, 1]
