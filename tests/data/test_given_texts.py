"""Texts that are to be predicted: as people hold them, and in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from topwork.data import given_texts, text_rows
from topwork.errors import DataError

TEXTS = ["good", "", "두 줄\nlines"]


@pytest.mark.parametrize(
    "held",
    [TEXTS, tuple(TEXTS), iter(TEXTS), (text for text in TEXTS), pd.Series(TEXTS, index=[7, 7, 9]), np.array(TEXTS)],
)
def test_whatever_holds_texts_gives_them_one_by_one(held: Any) -> None:
    assert list(given_texts(held)) == TEXTS


def test_numbers_are_their_digits_and_gaps_are_empty() -> None:
    held = [12, 3.5, np.int64(7), np.float32(2), None, float("nan"), pd.NA, "\ud800\0"]
    assert list(given_texts(held)) == ["12", "3.5", "7", "2", "", "", "", "\ud800\0"]


@pytest.mark.parametrize(
    ("held", "message", "hint"),
    [
        ("one text", "several texts are expected as a list", r"model.predict\(\[text\]\)"),
        (b"bytes", "several texts are expected as a list", ""),
        (Path("a.csv"), "several texts are expected as a list", ""),
        ({"text": ["a"]}, "a dict is not a list of texts", r"df\['text'\]"),
        (pd.DataFrame({"text": ["a"]}), "a DataFrame is not a list of texts", r"df\['text'\]"),
        (7, "a int is not a list of texts", "give a list"),
        (["a", ["b"]], r"the texts, row 1: 'text' is \[\"b\"\], expected text", ""),
        ([b"a"], "the texts, row 0: 'text' is \"bytes\", expected text", ""),
    ],
)
def test_what_is_no_list_of_texts_is_refused(held: Any, message: str, hint: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        list(given_texts(held))
    assert not hint or pd.Series([caught.value.hint]).str.contains(hint).all()


def test_tables_need_no_labels(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [1, 2, 3], "comment": ["a", None, "c\nd"]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_csv(tmp_path / "t.tsv", index=False, sep="\t")
    frame.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    frame.to_parquet(tmp_path / "t.parquet")
    for kind, last in (("csv", 5), ("tsv", 5), ("jsonl", 3), ("parquet", 3)):
        rows = list(text_rows(tmp_path / f"t.{kind}"))
        assert [text for _, text in rows] == ["a", "", "c\nd"]
        assert rows[2][0] == f"t.{kind}:{last}"
    assert [text for _, text in text_rows(tmp_path / "t.csv", {"text": "id"})] == ["1", "2", "3"]
    with pytest.raises(DataError, match="no column 'nothing' for the text"):
        list(text_rows(tmp_path / "t.csv", {"text": "nothing"}))


def test_lines_and_files(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_bytes("첫 줄이다\r\n\r\n  \n둘째 줄은\tx\n".encode("cp949"))
    assert list(text_rows(tmp_path / "lines.txt")) == [("lines.txt:1", "첫 줄이다"), ("lines.txt:4", "둘째 줄은\tx")]
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.txt").write_text("one\ntext\n")
    (tmp_path / "deep" / "empty.txt").write_text("")
    (tmp_path / "deep" / "c.md").write_text("no text")
    assert list(text_rows(tmp_path / "deep")) == [("b.txt", "one\ntext"), ("empty.txt", "")]
    assert [name for name, _ in text_rows(tmp_path)] == ["lines.txt", "deep/b.txt", "deep/empty.txt"]


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(b"PK")
    (tmp_path / "bad.txt").write_bytes(b"\xff\x00\xfe\x00\n")
    (tmp_path / "none").mkdir()
    for name, message in (
        ("a.docx", "neither a folder nor a file of texts"),
        ("bad.txt", "not UTF-8"),
        ("none", "no .txt file"),
        ("gone.csv", "no such file"),
        ("gone.txt", "no such file"),
    ):
        with pytest.raises(DataError, match=message):
            list(text_rows(tmp_path / name))
    with pytest.raises(DataError, match=r"bad\.txt: its encoding cannot be recognised"):
        list(text_rows(tmp_path))
