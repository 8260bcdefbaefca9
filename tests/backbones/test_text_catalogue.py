"""The catalogue of text networks: every row is whole, and what stands in it is told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from topwork.backbones import DEFAULT_TEXT, TextFamily, load_text, row, text_row, text_rows
from topwork.backbones._text_catalogue import TextRow, select_texts
from topwork.backbones._text_files import text_works_offline
from topwork.errors import BackboneError

ROWS = text_rows()


@pytest.mark.parametrize("entry", ROWS, ids=[entry.alias for entry in ROWS])
def test_every_row_is_complete(entry: TextRow) -> None:
    assert all((entry.alias, entry.name, entry.languages, entry.pretrained_on, entry.licence))
    assert entry.family in get_args(TextFamily)[:2]
    assert entry.pooling in ("mean", "max", "cls")
    assert 0 < entry.parameters < 1000
    assert entry.width % 2 == 0
    assert re.fullmatch(r"[A-Z][^.:]*[.:;].*|[A-Z].*\.", entry.advice)
    assert entry.advice.endswith(".")
    assert sum(map(bool, (entry.module, entry.file))) + (bool(entry.repository) and not entry.module) == 1
    assert bool(entry.module) == bool(entry.weights) == bool(entry.sha256) == bool(entry.extra)
    assert not entry.repository or re.fullmatch(r"[\w-]+/[\w.-]+", entry.repository)
    assert re.fullmatch(r"[0-9a-f]{40}|", entry.revision)
    assert re.fullmatch(r"[\w.-]+", entry.licence)


def test_names_are_their_own() -> None:
    names = [name for entry in ROWS for name in {entry.alias, entry.name}]
    assert len(set(names)) == len(names)
    assert [name for name in names if row(name)] == []  # no network of images has one of them
    assert ROWS[0].alias == DEFAULT_TEXT
    assert text_row("all-MiniLM-L6-v2") is text_row("minilm")
    assert text_row("none") is None


def test_rows_are_chosen_by_licence_and_size() -> None:
    assert {entry.licence for entry in select_texts(licence="free")} == {"Apache-2.0", "MIT", "PDDL-1.0"}
    assert [entry.alias for entry in select_texts(licence="cc-by-sa-3.0")] == ["fasttext", "fasttext-ko"]
    assert all(entry.parameters <= 40 for entry in select_texts(max_params=40))
    assert select_texts(max_params=1) == ()


def test_a_file_of_word_vectors_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="word2vec is a file of word vectors") as caught:
        load_text("word2vec")
    assert caught.value.hint == "get GoogleNews-vectors-negative300.bin from its makers and give it with --weights"
    file = tmp_path / "glove.6B.300d.txt"
    file.write_text("the 0.1 0.2\ncat 0.3 0.4\n")
    found = load_text("glove-300d", weights=file)
    assert (found.embedding, found.licence, found.languages) == (2, "PDDL-1.0", "English")
    other = tmp_path / "mine.txt"
    other.write_bytes(file.read_bytes())
    assert load_text("glove-300d", weights=other).licence == "unknown"


def test_what_works_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topwork.backbones._hub.cached_file", lambda *args: None)
    there = [entry.alias for entry in ROWS if text_works_offline(entry)]
    assert set(there) <= {"minilm", "glove"}
