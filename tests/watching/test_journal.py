"""The table and its journal, broken off at every byte."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import pytest

from topwork.errors import WatchError
from topwork.watching._journal import Journal, Seen


def row(name: str, error: str = "") -> dict[str, object]:
    return {"file": name, "class": "고양이", "probability": 0.5, "unlike": None, "error": error}


def names(table: Path) -> list[str]:
    with table.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return [each["file"] for each in csv.DictReader(file)]


def batch(journal: Journal, *files: str) -> None:
    journal.add({name: Seen((1, 2), f"content of {name}") for name in files}, [row(name) for name in files])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "out.csv"


def test_a_batch_that_is_broken_off_at_any_byte_is_whole_or_not_there(tmp_path: Path, table: Path) -> None:
    with Journal(table, "photos") as journal:
        batch(journal, "a.jpg", 'b,"2\n".jpg')
        first_log, first_rows = journal.file.read_bytes(), table.read_bytes()
        batch(journal, "c.jpg", "\udcff.jpg")
    log, rows = journal.file.read_bytes(), table.read_bytes()
    written = [(log[:end], first_rows) for end in range(len(first_log), len(log))]
    written += [(log, rows[:end]) for end in range(len(first_rows), len(rows) + 1)]
    for log_part, rows_part in written:
        journal.file.write_bytes(log_part)
        table.write_bytes(rows_part)
        with Journal(table, "photos") as again:
            known = set(again.seen)
            assert names(table) == (
                ["a.jpg", 'b,"2\n".jpg', "c.jpg", "\udcff.jpg"] if log_part == log else names(table)
            )
            assert set(names(table)) == known
            assert len(names(table)) == len(known) == (4 if log_part == log else 2)
            batch(again, "d.jpg")
        assert set(names(table)) == {*known, "d.jpg"}


def test_the_first_batch_is_completed_too_where_the_table_was_not_made_yet(table: Path) -> None:
    with Journal(table, "photos") as journal:
        batch(journal, "a.jpg")
    whole = table.read_bytes()
    table.unlink()
    Journal(table, "photos").close()
    assert table.read_bytes() == whole


def test_a_table_that_a_person_edits_or_moves_away_is_gone_on_with(tmp_path: Path, table: Path) -> None:
    with Journal(table, "photos") as journal:
        batch(journal, "a.jpg")
        batch(journal, "b.jpg")
    text = "file,class,probability,unlike,error\na.jpg,dog,,,"  # shorter, other line ends, none at the end
    table.write_text(text)
    with Journal(table, "photos") as journal:
        assert table.read_text() == text
        batch(journal, "c.jpg")
        assert names(table) == ["a.jpg", "c.jpg"]
        shutil.move(table, tmp_path / "yesterday.csv")
        batch(journal, "d.jpg")
    assert names(table) == ["d.jpg"]
    with Journal(table, "photos") as journal:
        assert set(journal.seen) == {"a.jpg", "b.jpg", "c.jpg", "d.jpg"}


def test_other_columns_are_refused_before_anything_is_written(table: Path) -> None:
    with Journal(table, "photos") as journal:
        batch(journal, "a.jpg")
        table.write_text("datei;klasse\n")
        with pytest.raises(WatchError, match="its columns are datei;klasse, and not file, class"):
            batch(journal, "b.jpg")
        assert "b.jpg" not in journal.seen
    assert b"b.jpg" not in journal.file.read_bytes()


def test_a_full_disk_is_said_plainly_and_costs_nothing(table: Path) -> None:
    """The kernel's own limit on a file's size stands for the disk's: a write is cut short, the next refused."""
    resource = pytest.importorskip("resource")
    with Journal(table, "photos") as journal:
        batch(journal, "a.jpg")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (journal.file.stat().st_size + 100, before[1]))
        try:
            with pytest.raises(WatchError, match=r"out\.csv: cannot be written: File too large") as told:
                batch(journal, "b.jpg", "c.jpg")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert "goes on where it stopped" in told.value.hint
        batch(journal, "b.jpg")
    assert names(table) == ["a.jpg", "b.jpg"]
    with Journal(table, "photos") as journal:
        assert set(journal.seen) == {"a.jpg", "b.jpg"}


def test_a_table_of_something_else_is_left_alone(table: Path) -> None:
    table.write_text("my,own,figures\n")
    with pytest.raises(WatchError, match="was not made by `topwork watch`"):
        Journal(table, "photos")
    assert table.read_text() == "my,own,figures\n"
    assert os.listdir(table.parent) == [table.name]


def test_a_table_belongs_to_one_folder_and_one_process(table: Path) -> None:
    with Journal(table, "photos") as journal:
        batch(journal, "a.jpg")
        with pytest.raises(WatchError, match="another `topwork watch` writes it"):
            Journal(table, "photos")
    with pytest.raises(WatchError, match=r"it is the table of the folder .*photos"):
        Journal(table, "others")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"my notes\n", "line 1: damaged"),
        (b'{"topwork watch": 99, "folder": ""}\n', "no journal of this topwork"),
        (b'["topwork watch"]\n', "line 1: damaged"),
        (b"HEAD\n{\n", "line 2: damaged"),
        (b'HEAD\n{"files": [[1]]}\n', "line 2: damaged"),
        (b'HEAD\n{"rows": ""}\n', "line 2: damaged"),
        (b"HEAD\n" + b"[" * 100_000 + b"\n", "line 2: damaged"),
    ],
)
def test_a_damaged_journal_is_refused_and_kept(table: Path, content: bytes, told: str) -> None:
    head = json.dumps({"topwork watch": 1, "folder": os.path.realpath("photos")}).encode()
    file = table.with_name("out.csv.watch")
    file.write_bytes(content.replace(b"HEAD", head))
    with pytest.raises(WatchError, match=told):
        Journal(table, "photos")
    assert file.read_bytes() == content.replace(b"HEAD", head)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(WatchError, match="cannot be written: No such file or directory"):
        Journal(tmp_path / "none" / "out.csv", "photos")
    (tmp_path / "folder").mkdir()
    with pytest.raises(WatchError, match="folder"):
        Journal(tmp_path / "folder", "photos")
