"""Class names as people have them: in an older encoding, with white space, written in two ways."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from topwork.data import from_arrays, read
from topwork.data._names import decoded
from topwork.errors import DataError

Make = Callable[..., Path]


def raw(text: str, encoding: str) -> str:
    """A name as the system gives it where its bytes are in another encoding than UTF-8."""
    return os.fsdecode(text.encode(encoding))


@pytest.mark.parametrize(
    ("names", "encoding", "title"),
    [
        (["강아지", "고양이"], "cp949", "CP949"),
        (["뷁", "똠양꿍", "강아지 사진"], "cp949", "CP949"),
        (["café", "Müßiggang", "São Paulo", "Äpfel"], "latin-1", "Latin-1"),
    ],
)
def test_names_are_read_in_their_own_encoding(names: list[str], encoding: str, title: str) -> None:
    texts, told = decoded([*(raw(name, encoding) for name in names), "dog", "고양이 (UTF-8)"])
    assert sorted(texts.values()) == sorted(names)
    assert told == title


def test_what_cannot_be_told_is_an_error() -> None:
    with pytest.raises(UnicodeError, match=r"\\x81"):
        decoded([raw("강아지", "cp949"), "\udc81 "])
    with pytest.raises(UnicodeError):
        decoded(["\ud800"])
    assert decoded(["dog", "고양이"]) == ({}, "")


def test_class_folders_of_an_old_korean_zip_are_read(make: Make) -> None:
    folder = make()
    for name in ("강아지", "고양이"):
        os.mkdir(os.fsencode(folder) + b"/" + name.encode("cp949"))
        with open(os.fsencode(folder) + b"/" + name.encode("cp949") + b"/0.jpg", "wb") as file:
            file.write(b"\xff\xd8\xff")
    dataset = read(folder)
    assert dataset.classes == ("강아지", "고양이")
    assert "class names are read as CP949: 2 classes: '강아지', '고양이'" in dataset.notes
    assert dataset.full_path(0).is_file()


def test_folders_in_no_known_encoding_are_refused_with_the_way_out(make: Make) -> None:
    folder = make("dog/*1")
    os.mkdir(os.fsencode(folder) + b"/\x81\x20")
    with pytest.raises(DataError, match=r"is not UTF-8.*'\\x81 '") as caught:
        read(folder)
    assert "convmv" in caught.value.hint


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_manifest_in_any_usual_encoding_is_the_same(make: Make, encoding: str, kind: str) -> None:
    folder = make("강아지/*1", "고양이/*1")
    lines = {
        "csv": ["path,label", "강아지/0.jpg,강아지", "고양이/0.jpg,고양이"],
        "jsonl": [f'{{"path": "{name}/0.jpg", "label": "{name}"}}' for name in ("강아지", "고양이")],
    }[kind]
    (folder / f"d.{kind}").write_bytes("\r\n".join(lines).encode(encoding))
    dataset = read(folder / f"d.{kind}")
    assert dataset.classes == ("강아지", "고양이")
    assert dataset.paths == ("강아지/0.jpg", "고양이/0.jpg")
    assert dataset.left_out == ()


def test_a_latin_1_manifest_is_read(make: Make) -> None:
    folder = make("a/*1", "b/*1")
    (folder / "d.csv").write_bytes("path,label\na/0.jpg,café\nb/0.jpg,thé\n".encode("latin-1"))
    assert read(folder / "d.csv").classes == ("café", "thé")


def test_white_space_around_names_makes_no_classes(make: Make) -> None:
    folder = make("a/*2", "b/*2")
    (folder / "d.csv").write_text("path , label\na/0.jpg,cat\na/1.jpg, cat \nb/0.jpg,dog\nb/1.jpg,dog\u3000\n", "utf-8")
    dataset = read(folder / "d.csv")
    assert dataset.classes == ("cat", "dog")
    assert dataset.counts().tolist() == [2, 2]
    assert "white space around class names is left out: 2 classes: 'cat', 'dog'" in dataset.notes


@pytest.mark.parametrize(
    ("one", "two", "told"),
    [
        ("1", "1.0", "are the same number"),
        ("cat", "Cat", "differ only by case or Unicode form"),
        ("ｃａｔ", "cat", "differ only by case or Unicode form"),
    ],
)
def test_names_for_one_thing_are_noted_and_kept(make: Make, one: str, two: str, told: str) -> None:
    folder = make("a/*2")
    (folder / "d.csv").write_text(f"path,label\na/0.jpg,{one}\na/1.jpg,{two}\n", "utf-8")
    dataset = read(folder / "d.csv")
    assert set(dataset.classes) == {one, two}
    assert sum(told in note for note in dataset.notes) == 1


def test_a_saved_models_own_names_stay(make: Make) -> None:
    folder = make("cat /*1", "dog/*1")
    assert read(folder, classes=("cat ", "dog")).counts().tolist() == [1, 1]
    assert read(folder).classes == ("cat", "dog")


def test_names_in_arrays_are_trimmed_too() -> None:
    import numpy as np

    images = np.zeros((4, 8, 8, 3), np.uint8)
    assert from_arrays(images, ["cat", "cat ", "dog", "dog"]).classes == ("cat", "dog")
