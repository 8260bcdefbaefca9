"""Which encoding a file of texts is in; Python's codecs write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from topwork.data import read_texts
from topwork.errors import DataError

KOREAN = ["좋아요 ㅋㅋㅋ “강추” 漢字", "별로…", "첫", "펲시 쌰핚 10점"]
WESTERN = ["“Très” bon café – 5 € l’addition", "Größe naïve", "mañana", "plain"]
RUSSIAN = ["Привет, мир", "До свидания", "Хорошо", "Плохо"]
JAPANESE = ["とても良い映画でした", "つまらない", "最高です", "普通"]


def written(path: Path, texts: list[str], encoding: str) -> Path:
    lines = ["text,label", *(f"{text},{'ab'[row % 2]}" for row, text in enumerate(texts))]
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


@pytest.mark.parametrize(
    ("texts", "encoding", "title"),
    [
        (KOREAN, "utf-8", ""),
        (KOREAN, "utf-8-sig", ""),
        (KOREAN, "utf-16", ""),
        (JAPANESE, "utf-16", ""),
        (KOREAN, "cp949", "CP949"),
        (WESTERN, "cp1252", "Windows-1252"),
        (["it’s plain but for this", "b"], "cp1252", "Windows-1252"),
    ],
)
def test_what_can_be_told_is_read_and_noted(texts: list[str], encoding: str, title: str, tmp_path: Path) -> None:
    dataset = read_texts(written(tmp_path / "t.csv", texts, encoding))
    assert list(dataset.sources()) == texts
    assert [note for note in dataset.notes if "is read as" in note] == ([f"t.csv is read as {title}"] if title else [])


@pytest.mark.parametrize(
    ("texts", "encoding"),
    [
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (JAPANESE, "shift-jis"),
        (JAPANESE, "euc-jp"),
        (["非常好看的电影"] * 2, "gbk"),
    ],
)
def test_what_cannot_be_told_is_refused(texts: list[str], encoding: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.csv, line 2: not UTF-8, and its encoding cannot be recognised") as caught:
        read_texts(written(tmp_path / "t.csv", texts, encoding))
    assert "iconv" in caught.value.hint


@pytest.mark.parametrize(("texts", "encoding"), [(KOREAN, "cp949"), (WESTERN, "cp1252")])
def test_fault_77_a_file_in_two_encodings_is_refused(texts: list[str], encoding: str, tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", texts, encoding)
    path.write_bytes(path.read_bytes() + f"\n{texts[0]},a\n".encode())
    with pytest.raises(DataError, match="line 2: not UTF-8, and other lines are"):
        read_texts(path)


def test_two_encodings_beyond_what_is_looked_at_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", KOREAN * 100_000, "cp949")
    path.write_bytes(path.read_bytes() + b"\n\x80 and more,a\n")
    with pytest.raises(DataError, match="not cp949 throughout"):
        read_texts(path)


def test_cut_utf_16_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", KOREAN, "utf-16")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"not utf-16.* throughout"):
        read_texts(path)
