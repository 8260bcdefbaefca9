"""What somebody in a hurry points topwork at: the message says what it is, and the hint what would help."""

from __future__ import annotations

from pathlib import Path

import pytest

from topwork._texts import Texts
from topwork.data import read
from topwork.errors import DataError

from .conftest import Make


def refused(path: Path) -> tuple[str, str]:
    """The message and the hint, both of which are in Korean too."""
    with pytest.raises(DataError) as caught:
        read(path)
    for text in (caught.value.message, caught.value.hint):
        assert Texts("ko").said(text) != text
    return caught.value.message.replace(str(path), "X"), caught.value.hint


@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.jsonl"])
@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\xff\xfe"], ids=["0 bytes", "a mark", "a mark of UTF-16"])
def test_a_table_without_a_byte_of_text_is_empty(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert refused(path)[0] == "X: the file is empty"


def test_of_many_columns_a_few_are_named(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(",".join(f"f{number}" for number in range(1280)) + "\n")
    assert (
        refused(path)[0] == "X: no column 'path', 'label' among 'f0', 'f1', 'f2', 'f3', 'f4', 'f5', … (1,280 columns)"
    )


def test_a_table_of_names_alone_has_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("path,label\n")
    assert refused(path) == ("no training rows in X", "it has no rows at all: each image needs one")


@pytest.mark.parametrize("content", ["", "{bad", "[]", '{"a": 1}'])
def test_json_of_something_else_is_said_to_be_no_coco(tmp_path: Path, content: str) -> None:
    path = tmp_path / "m.json"
    path.write_text(content)
    message, hint = refused(path)
    assert message == "X: not COCO JSON, which is what topwork reads of .json files"
    assert hint == 'it names "images", "annotations" and "categories"; JSON with one object a line is called .jsonl'


def test_images_beside_an_empty_folder_of_masks_are_told_to_lack_masks(make: Make) -> None:
    root = make("images/*3")
    (root / "masks").mkdir()
    assert refused(root) == (
        "only class 'images' has training images in X",
        "if these are images and their masks, put a mask of the same name into masks/ for each image",
    )


def test_one_class_that_has_images_is_told_to_lack_another(make: Make) -> None:
    root = make("cat/*3")
    (root / "dog").mkdir()
    assert refused(root) == ("only class 'cat' has training images in X", "add images of another class")
