"""Which files of a folder are new, and whole; without any model."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from topwork.data import text_of
from topwork.watching._arrivals import Arrivals
from topwork.watching._journal import GONE, Seen


class Looks:
    """A folder that is looked at, and what was seen of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: dict[str, Seen] = {}
        self.arrivals = self._arrivals()

    def _arrivals(self) -> Arrivals:
        return Arrivals(str(self.folder), (".txt",), text_of, self.seen)

    def again(self) -> None:
        """As after a restart."""
        self.arrivals = self._arrivals()

    def look(self) -> dict[str, str]:
        """The new files of one look, each with its text or its fault."""
        found = {}
        for batch in self.arrivals.batches():
            for each in batch:
                self.seen |= {each.was: GONE} if each.was else {}
                self.seen[each.name] = each.seen
                if each.is_new:
                    found[each.name] = each.fault or each.source
        return found

    def settled(self) -> dict[str, str]:
        """Two looks: whatever does not change meanwhile is whole."""
        return self.look() | self.look()


@pytest.fixture
def looks(tmp_path: Path) -> Looks:
    return Looks(tmp_path)


def test_each_file_comes_once_and_folders_below_count(looks: Looks) -> None:
    (looks.folder / "deep" / "deeper").mkdir(parents=True)
    (looks.folder / "a.txt").write_text("one\n")
    (looks.folder / "deep" / "deeper" / "b.TXT").write_text("이 영화는 정말 재미있다", "cp949")
    (looks.folder / "c.jpg").write_text("no text")
    (looks.folder / ".hidden.txt").write_text("hidden")
    assert looks.look() == {}
    assert looks.arrivals.waiting
    assert looks.look() == {"a.txt": "one", "deep/deeper/b.TXT": "이 영화는 정말 재미있다"}
    assert (looks.settled(), looks.arrivals.waiting) == ({}, False)
    looks.again()
    assert looks.settled() == {}


def test_a_file_that_grows_is_waited_for(looks: Looks) -> None:
    file = looks.folder / "a.txt"
    for length in range(1, 5):
        file.write_text("x" * length)
        assert looks.look() == {}
        assert looks.arrivals.waiting
    assert looks.look() == {"a.txt": "xxxx"}


def test_a_file_that_is_rewritten_while_it_is_read_is_waited_for(looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    from topwork.watching import _arrivals

    file = looks.folder / "a.txt"
    file.write_text("old")
    looks.look()

    def read(path: str) -> bytes:
        file.write_text("newer")
        return b"old"

    with monkeypatch.context() as patch:
        patch.setattr(_arrivals, "read_bytes", read)
        assert looks.look() == {}
    assert looks.settled() == {"a.txt": "newer"}


def test_content_tells_what_is_new(looks: Looks) -> None:
    """Touched: nothing. Renamed: nothing. Copied: one more. Rewritten: again. A name that is used again: again."""
    a, b, c = (looks.folder / f"{name}.txt" for name in "abc")
    a.write_text("one")
    assert looks.settled() == {"a.txt": "one"}
    os.utime(a, (1, 1))
    assert looks.settled() == {}
    a.rename(b)
    assert looks.settled() == {}
    looks.again()
    shutil.copy(b, c)
    assert looks.settled() == {"c.txt": "one"}
    b.write_text("two")
    assert looks.settled() == {"b.txt": "two"}
    a.write_text("one")
    assert looks.settled() == {"a.txt": "one"}


def test_names_that_move_on_while_a_new_file_takes_the_first(looks: Looks) -> None:
    """As cameras and logs do: 0 is the newest, and every other one takes the next number."""
    for turn in range(4):
        for number in reversed(range(turn)):
            (looks.folder / f"{number}.txt").rename(looks.folder / f"{number + 1}.txt")
        (looks.folder / "0.txt").write_text(f"turn {turn}")
        assert looks.settled() == {"0.txt": f"turn {turn}"}


def test_an_unreadable_file_is_told_once_and_read_when_it_can_be(looks: Looks) -> None:
    file = looks.folder / "a.txt"
    os.mkfifo(file)
    assert looks.settled()["a.txt"].startswith("not a regular file")
    assert (looks.settled(), looks.arrivals.waiting) == ({}, False)
    looks.again()
    assert looks.settled() == {}
    file.unlink()
    file.write_text("one")
    assert looks.settled() == {"a.txt": "one"}


def test_what_is_no_text_has_its_reason(looks: Looks) -> None:
    (looks.folder / "a.txt").write_bytes(bytes(range(128, 256)))
    os.mkfifo(looks.folder / "pipe.txt")
    (looks.folder / "link.txt").symlink_to(looks.folder / "none")
    (looks.folder / "folder.txt").mkdir()
    found = looks.settled()
    assert found.pop("pipe.txt").startswith("not a regular file")
    assert found == {"a.txt": "its encoding cannot be recognised"}


def test_a_folder_that_goes_away_for_a_while_doubles_nothing(looks: Looks) -> None:
    (looks.folder / "a.txt").write_text("one")
    assert looks.settled() == {"a.txt": "one"}
    away = looks.folder.with_name("away")
    looks.folder.rename(away)
    assert looks.settled() == {}
    away.rename(looks.folder)
    assert looks.settled() == {}


def test_many_files_come_in_batches(looks: Looks) -> None:
    for number in range(150):
        (looks.folder / f"{number}.txt").write_text(str(number))
    looks.look()
    assert [len(batch) for batch in looks.arrivals.batches()] == [64, 64, 22]
