from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from topwork.data import from_arrays, looks_like_texts, read_texts

Make = Callable[..., Path]


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("t.csv", "text,label\na,x\n", True),
        ("t.csv", "내용;감정\na;x\n", True),
        ("t.tsv", "label\tsentence\na\tx\n", True),
        ("t.csv", "path,label\na.jpg,x\n", False),
        ("t.csv", "image,text,label\na.jpg,a,x\n", False),
        ("t.csv", "words,label\na,x\n", False),
        ("t.csv", "", False),
        ("t.csv", "a film to see,good\nbad film,bad\nanother,good\na third,bad\n", True),
        ("t.csv", "a/1.jpg,good\na/2.jpg,bad\na/3.jpg,good\na/4.jpg,bad\n", False),
        ("t.jsonl", '{"text": "a", "label": 1}\n{', True),
        ("t.jsonl", '{"path": "a", "label": 1}\n', False),
        ("t.jsonl", '["text"]\n', False),
        ("t.jsonl", "no json", False),
        ("t.parquet", "no parquet", False),
        ("t.txt", "text,label\n", False),
        ("t.csv", 'text,label\n"' + "a long text " * 100_000 + '",x\n', True),
    ],
)
def test_tables_are_told_by_their_first_lines(name: str, content: str, texts: bool, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert looks_like_texts(tmp_path / name) is texts
    assert looks_like_texts(str(tmp_path / name)) is texts
    (tmp_path / name).rename(tmp_path / f"train{Path(name).suffix}")
    assert looks_like_texts(tmp_path) is texts


def test_encodings_and_parquet(tmp_path: Path) -> None:
    for encoding in ("cp949", "utf-16", "utf-8-sig"):
        (tmp_path / "t.csv").write_bytes("리뷰,감정\n좋아요,긍정\n".encode(encoding))
        assert looks_like_texts(tmp_path / "t.csv")
    for columns, texts in ((["text", "label"], True), (["text", "image"], False), (["a", "label"], False)):
        pd.DataFrame([["a", "b"]], columns=columns).to_parquet(tmp_path / "t.parquet")
        assert looks_like_texts(tmp_path / "t.parquet") is texts


def test_folders(make: Make, tmp_path: Path) -> None:
    assert looks_like_texts(make("a/1.txt", "b/1.txt", root="texts"))
    assert looks_like_texts(make("train/a/1.txt", "train/b/1.txt", "test/a/1.txt", root="splits"))
    assert not looks_like_texts(make("a/*2", "b/*2", "readme.txt", root="images"))
    assert not looks_like_texts(make("a/1.jpg", "a/1.txt", "b/1.jpg", "b/1.txt", root="captions"))
    assert not looks_like_texts(make("a/1.wav", "b/1.wav", "readme.txt", root="sounds"))
    assert not looks_like_texts(make("a/", root="empty"))
    assert not looks_like_texts(make("train-0.tar", "classes.txt", root="shards"))
    assert not looks_like_texts(tmp_path / "gone")


def test_objects(photos: list[Path]) -> None:
    import datasets

    frame = pd.DataFrame({"comment": ["a", "b"], "label": [0, 1]})
    assert looks_like_texts(frame)
    assert not looks_like_texts(frame.assign(image="a.jpg"))
    pairs: list[tuple[Any, bool]] = [
        (["a text", None, "b"], True),
        (pd.Series(["a text", "b"]), True),
        (np.array(["a text", "b"]), True),
        (["a/1.jpg", "b/2.JPG"], False),
        ([Path("a.jpg")], False),
        (np.zeros((2, 8, 8, 3), np.uint8), False),
        ([], False),
    ]
    for held, texts in pairs:
        assert looks_like_texts((held, [0, 1])) is texts
    assert looks_like_texts(read_texts((["a", "b"], [0, 1])))
    assert not looks_like_texts(from_arrays(np.zeros((2, 8, 8), np.uint8), [0, 1]))
    for nothing in (None, 7, "", "a\0b", ("a", "b")):
        assert not looks_like_texts(nothing)
    labels = datasets.Features(text=datasets.Value("string"), label=datasets.ClassLabel(names=["a", "b"]))
    texts = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}, features=labels)
    assert looks_like_texts(texts)
    assert looks_like_texts(datasets.DatasetDict(train=texts.rename_column("text", "words")))
    assert not looks_like_texts(texts.remove_columns("text"))
    images = {"image": [str(photos[0])], "text": ["a"], "label": [0]}
    assert not looks_like_texts(datasets.Dataset.from_dict(images).cast_column("image", datasets.Image()))


def test_saved_data_sets_are_told_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    import datasets

    datasets.disable_progress_bars()
    one = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]})
    one.save_to_disk(tmp_path / "one")
    datasets.DatasetDict(train=one, test=one).save_to_disk(tmp_path / "both")
    one.rename_column("text", "file_name").save_to_disk(tmp_path / "files")
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert [looks_like_texts(tmp_path / name) for name in ("one", "both", "files")] == [True, True, False]
