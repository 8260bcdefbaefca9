"""A page as a file: whole or not at all, and never over something of the user's."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from pathlib import Path

import pytest

from topwork.data import ImageDataset
from topwork.errors import ReportError, TopworkError
from topwork.report import checkup_page, require_free, write_page
from topwork.report._page import MARK
from topwork.tasks.classification._page import SECTIONS

from .conftest import checkup

PAGE = f"<!doctype html>{MARK} 1.0"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_page_is_written_as_it_is_and_again(tmp_path: Path, dataset: ImageDataset) -> None:
    html = checkup_page(checkup(dataset))
    path = tmp_path / "out" / "page.html"
    path.parent.mkdir()
    assert write_page(html, path) == path
    assert path.read_bytes() == html.encode()
    assert write_page(PAGE + "é\r\n", str(path)) == path
    assert path.read_bytes() == (PAGE + "é\r\n").encode()
    assert names(path.parent) == ["page.html"]
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_nothing_but_an_earlier_page_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8mine")
    (tmp_path / "empty.html").touch()
    (tmp_path / "folder").mkdir()
    write_page(PAGE, tmp_path / "page.html")
    (tmp_path / "link").symlink_to("page.html")
    (tmp_path / "dead").symlink_to("nowhere")
    before = names(tmp_path)
    for name in ("photo.jpg", "empty.html", "folder", "link", "dead"):
        with pytest.raises(ReportError, match=f"{name}: already exists and is not a page of topwork's") as caught:
            write_page(PAGE + "new", tmp_path / name)
        assert caught.value.hint == "choose another name"
        with pytest.raises(ReportError, match=re.escape(caught.value.message)):
            require_free(tmp_path / name)
    require_free(tmp_path / "page.html")
    require_free(tmp_path / "new.html")
    assert (tmp_path / "photo.jpg").read_bytes() == b"\xff\xd8mine"
    assert (tmp_path / "page.html").read_text() == PAGE
    assert names(tmp_path) == before


def test_a_page_without_images_does_not_replace_one_with_them(tmp_path: Path, dataset: ImageDataset) -> None:
    of_images = [each.name for each in SECTIONS if each.of_images]
    assert of_images == ["findings", "worst", "unsure", "space"]
    page = tmp_path / "page.html"
    write_page(checkup_page(checkup(dataset)), page)
    require_free(page)
    with pytest.raises(ReportError, match=r"page\.html: this page shows images") as caught:
        require_free(page, without=of_images)
    assert "--data" in caught.value.hint
    write_page(PAGE, page)
    require_free(page, without=of_images)
    require_free(tmp_path / "new.html", without=of_images)


@pytest.mark.parametrize("name", ["none/page.html", "file/page.html"])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReportError, match=r"page\.html: cannot be written: N") as caught:
        write_page(PAGE, tmp_path / name)
    assert isinstance(caught.value, TopworkError)
    assert "existing, writable folder" in caught.value.hint
    with pytest.raises(ReportError, match=re.escape(caught.value.message)):
        require_free(tmp_path / name)
    assert names(tmp_path) == ["file"]


def test_a_name_that_is_too_long_or_not_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="cannot be written: File name too long"):
        write_page(PAGE, tmp_path / ("x" * 300))
    with pytest.raises(ReportError, match=r"one\\nline/p: cannot be written"):
        write_page(PAGE, tmp_path / "one\nline" / "p")


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_fault_32_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "page.html"
    write_page(PAGE, path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(ReportError, match=r"page\.html: cannot be written: No space left"):
        write_page(PAGE + "new", path)
    assert path.read_text() == PAGE
    assert names(tmp_path) == ["page.html"]


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_page(PAGE, tmp_path / "page.html")
    assert names(tmp_path) == []
