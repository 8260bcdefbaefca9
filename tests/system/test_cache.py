from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from topwork._system import delete_file, delete_folder, make_room, size_limit, use
from topwork.errors import TopworkError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", 10 * 2**30),
        ("  ", 10 * 2**30),
        ("0", 0),
        ("1000", 1000),
        ("2GB", 2**31),
        ("1.5 mb", 3 * 2**19),
        ("1tb", 2**40),
    ],
)
def test_the_limit_is_read(text: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOPWORK_CACHE_SIZE", text)
    assert size_limit() == size


@pytest.mark.parametrize("text", ["much", "2 gigabytes", "GB", "-1GB", "inf", "nan", "infGB"])
def test_a_limit_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOPWORK_CACHE_SIZE", text)
    with pytest.raises(TopworkError, match="TOPWORK_CACHE_SIZE must be a size such as 500MB or 2GB, not "):
        size_limit()


def made(path: Path, *, days: float = 0.0, size: int = 100) -> Path:
    """A file that was used so many days ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    os.utime(path, (time.time() - days * 86_400,) * 2)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_used_longest_ago_goes_until_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, days in (("a", 2), ("b", 4), ("c", 1), ("d", 3)):
        made(tmp_path / f"{name}.kept", days=days)
    made(tmp_path / "no mark", days=9, size=0)
    monkeypatch.setenv("TOPWORK_CACHE_SIZE", "400")
    make_room(tmp_path, "*.kept", delete_file)
    assert names(tmp_path) == ["a.kept", "b.kept", "c.kept", "d.kept", "no mark"]
    monkeypatch.setenv("TOPWORK_CACHE_SIZE", "299")
    make_room(tmp_path, "*.kept", delete_file)
    assert names(tmp_path) == ["a.kept", "c.kept", "no mark"]
    make_room(tmp_path / "none", "*", delete_file)  # a cache without that kind yet


def test_what_this_process_uses_stays_and_counts_as_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, other = made(tmp_path / "mine", days=9), made(tmp_path / "other", days=1)
    assert use(mine)
    assert use(mine)
    assert time.time() - mine.stat().st_mtime < 60
    monkeypatch.setenv("TOPWORK_CACHE_SIZE", "0")
    make_room(tmp_path, "*", delete_file)
    assert (mine.exists(), other.exists()) == (True, False)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX locks")
def test_what_another_process_uses_stays_for_as_long_as_it_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = made(tmp_path / "its", days=9)
    code = "import pathlib, sys, topwork._system as c; print(c.use(pathlib.Path(sys.argv[1])), flush=True); input()"
    monkeypatch.setenv("TOPWORK_CACHE_SIZE", "0")
    with subprocess.Popen([sys.executable, "-c", code, file], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        make_room(tmp_path, "*", delete_file)
        assert file.exists()
        process.kill()
    make_room(tmp_path, "*", delete_file)
    assert not file.exists()


def test_a_file_that_is_gone_cannot_be_used(tmp_path: Path) -> None:
    assert not use(tmp_path / "none")
    file = made(tmp_path / "file")
    assert use(file)
    file.unlink()
    assert not use(file)
    assert use(made(file))


def test_a_folder_goes_whole_and_what_a_killed_run_left_of_one_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = [made(tmp_path / name / "deep" / "mark", days=days) for name, days in (("old", 2), ("new", 1))]
    made(tmp_path / "old" / "record", size=50)
    made(tmp_path / ".older-deleted" / "mark")
    monkeypatch.setenv("TOPWORK_CACHE_SIZE", "100")
    make_room(tmp_path, "*/deep/mark", lambda mark: delete_folder(mark.parents[1]))
    assert names(tmp_path) == ["new"]
    assert delete_folder(tmp_path / "none") == 0
    assert delete_file(marks[0]) == 0
