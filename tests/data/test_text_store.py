"""Texts on disk: what is stored comes back, and a disk that takes nothing is a plain error."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from topwork._texts import Texts
from topwork.data import TextStore, read_texts
from topwork.errors import DataError


@pytest.mark.parametrize("waiting", [1, 5, 2**20])
def test_texts_come_back_as_they_were(waiting: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topwork.data._text_store._WAITING", waiting)
    texts = ["one", "", "둘", "a\x00b\ud800", "x" * 1000]
    store = TextStore.of(iter(texts))
    assert [store.source(row) for row in range(len(store))] == texts
    assert len(TextStore.of([])) == 0
    assert TextStore.of(["", ""]).source(1) == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("texts", [["short", "texts"], ["long " * 2**19] * 3])
def test_a_full_disk_is_told(texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **how: open("/dev/full", "wb"))  # noqa: SIM115
    with pytest.raises(DataError, match="cannot be kept on disk: No space left") as refused:
        read_texts((texts, ["a", "b", "a"][: len(texts)]))
    assert "TMPDIR" in refused.value.hint
    assert Texts("ko").said(refused.value.message).startswith("텍스트를 디스크에")


def test_what_the_texts_themselves_raise_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def texts() -> Iterator[Any]:
        yield "one"
        raise FileNotFoundError("reviews.csv")

    with pytest.raises(FileNotFoundError):
        TextStore.of(texts())


def test_no_place_for_a_file_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**how: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    with pytest.raises(DataError, match="Permission denied"):
        TextStore.of(["one"])
