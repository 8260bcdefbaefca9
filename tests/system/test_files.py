from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from topwork._system import cache_dir, folder_size, restored, write_whole, written_whole


def test_the_cache_lies_where_the_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOPWORK_CACHE", str(tmp_path / "mine"))
    assert cache_dir() == tmp_path / "mine"
    assert not (tmp_path / "mine").exists()  # asking makes nothing


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("linux", "/home/ada/.cache/topwork"),
        ("darwin", "/home/ada/Library/Caches/topwork"),
        ("win32", "/home/ada/AppData/Local/topwork"),
    ],
)
def test_without_it_the_cache_lies_where_the_system_wants_it(
    platform: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TOPWORK_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_dir() == Path(expected)
    monkeypatch.setenv("TOPWORK_CACHE", "")
    monkeypatch.setenv({"linux": "XDG_CACHE_HOME", "win32": "LOCALAPPDATA"}.get(platform, "NOTHING"), "/elsewhere")
    assert cache_dir() == Path(expected if platform == "darwin" else "/elsewhere/topwork")


def fill(final: Path, text: str, *, replace: bool) -> None:
    with written_whole(final, replace=replace) as draft:
        (draft / "deep").mkdir()
        (draft / "deep" / "file").write_text(text)


def content(final: Path) -> str:
    return (final / "deep" / "file").read_text()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    final = tmp_path / "a" / "b" / "model"
    with written_whole(final, replace=False) as draft:
        assert draft.parent == final.parent  # the same file system, or the rename would copy
        assert draft.name.startswith(".")
        assert not final.exists()
    assert final.is_dir()
    assert names(final.parent) == ["model"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_a_folder_may_be_read_by_others(tmp_path: Path) -> None:
    fill(tmp_path / "model", "x", replace=False)
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == 0o755


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
@pytest.mark.parametrize("replace", [True, False])
def test_fault_31_a_body_that_raises_leaves_what_was_there(
    tmp_path: Path, error: type[BaseException], replace: bool
) -> None:
    fill(tmp_path / "model", "old", replace=False)

    def body(final: Path) -> None:
        with written_whole(final, replace=replace) as draft:
            (draft / "half").touch()
            raise error

    for name in ("model", "other"):
        with pytest.raises(error):
            body(tmp_path / name)
    assert names(tmp_path) == ["model"]
    assert content(tmp_path / "model") == "old"


def test_the_first_writer_wins_or_the_last_as_asked(tmp_path: Path) -> None:
    fill(tmp_path / "model", "first", replace=False)
    fill(tmp_path / "model", "second", replace=False)
    assert content(tmp_path / "model") == "first"
    fill(tmp_path / "model", "third", replace=True)
    assert content(tmp_path / "model") == "third"
    assert names(tmp_path) == ["model"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX locks")
def test_fault_31_what_a_killed_save_left_is_swept_by_the_next_one_and_a_living_ones_is_not(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys; from topwork._system import written_whole\n"
        "with written_whole(pathlib.Path(sys.argv[1]), replace=True) as draft:\n"
        "    (draft / 'half').touch(); print(draft, flush=True); input()\n"
    )
    given = [sys.executable, "-c", code, str(tmp_path / "model")]
    (tmp_path / ".model-settings").mkdir()  # somebody's own
    (tmp_path / ".model-two-abcdefgh.draft").mkdir()  # of another model
    before = {*names(tmp_path), "model"}
    with subprocess.Popen(given, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        draft = Path(process.stdout.readline().rstrip("\n"))
        long_ago(draft)
        fill(tmp_path / "model", "new", replace=True)
        assert (draft / "half").exists()
        process.kill()
    fill(tmp_path / "model", "newer", replace=False)
    assert {*names(tmp_path)} == before


def test_a_draft_that_was_made_just_now_is_not_swept(tmp_path: Path) -> None:
    draft = tmp_path / ".model-abcdefgh.draft"
    draft.mkdir()  # and its process has not yet locked it
    fill(tmp_path / "model", "new", replace=True)
    assert draft.exists()


def long_ago(path: Path) -> None:
    os.utime(path, (0, 0))


def test_fault_32_a_place_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for final in (tmp_path / "file" / "model", tmp_path / "file"):
        with pytest.raises(OSError, match="file"):
            fill(final, "x", replace=False)
    assert (tmp_path / "file").read_text() == "mine"
    assert names(tmp_path) == ["file"]


def test_fault_32_a_rename_that_fails_is_told_and_the_old_folder_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    final = tmp_path / "model"
    fill(final, "old", replace=False)
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if target == final and (self / "deep" / "file").read_text() == "new":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        fill(final, "new", replace=True)
    assert content(final) == "old"
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize("name", ["model", "model[1]", "a*b", "model-x"])
def test_fault_31_a_run_killed_between_its_two_renames_loses_nothing(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    final = tmp_path / name
    fill(final, "old", replace=False)
    rename = Path.rename

    class Killed(BaseException):
        """Nothing in the code under test runs after it."""

    def killed_after_one(self: Path, target: Path) -> Path:
        rename(self, target)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed_after_one)
        with pytest.raises(Killed):
            fill(final, "new", replace=True)
    assert not final.exists()
    assert restored(final) == final
    assert content(final) == "old"
    assert names(tmp_path) == [name]


def test_only_a_folders_own_old_one_is_brought_back(tmp_path: Path) -> None:
    for name in (".model-x-abcd1234-old", ".models-abcd1234-old", "model-abcd1234-old"):
        (tmp_path / name).mkdir()
    before = names(tmp_path)
    assert not restored(tmp_path / "model").exists()
    assert names(tmp_path) == before
    assert not restored(tmp_path / "no" / "parent" / "model").exists()


def test_a_folders_size_is_its_files(tmp_path: Path) -> None:
    assert folder_size(tmp_path / "none") == 0
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert folder_size(tmp_path) == 0  # folders are no bytes that could be freed
    (tmp_path / "a" / "one").write_bytes(bytes(1000))
    (tmp_path / "a" / "b" / "two").write_bytes(bytes(234))
    (tmp_path / "gone").symlink_to("nowhere")
    assert folder_size(tmp_path) == 1234


def test_a_file_appears_whole_and_replaces_what_was_there(tmp_path: Path) -> None:
    final = tmp_path / "page.html"
    for content in (b"first", b"second" * 1000):
        write_whole(final, content)
        assert final.read_bytes() == content
    assert os.listdir(tmp_path) == ["page.html"]
    if os.name == "posix":
        assert final.stat().st_mode & 0o777 == 0o644


def test_fault_32_a_file_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    final = tmp_path / "page.html"
    write_whole(final, b"old")

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(final, b"new")
    assert final.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["page.html"]
