"""Places that results cannot be written to: refused in two plain lines, in both languages, before any work is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Run
from tests.model.samples import easy_folder, textiles

HINT = "choose a file in an existing, writable folder"


@pytest.mark.parametrize("option", ["--csv", "--parquet"])
@pytest.mark.parametrize(
    ("place", "why"),
    [("folder", "Is a directory"), ("none/x", "No such file or directory"), ("file/x", "Not a directory")],
)
def test_a_table_that_cannot_be_written_is_told_before_any_image_is_read(
    run: Run, model: Path, tmp_path: Path, option: str, place: str, why: str
) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    out = tmp_path / place
    given = ("predict", model, textiles("local")[30], option, out)
    assert run(*given).failed() == (f"{out}: cannot be written: {why}", HINT)
    told = run(*given, "--lang", "ko").err
    assert told.startswith("오류: ")
    assert "해결 방법: " in told


def test_watch_in_a_folder_that_is_not_there_is_told_to_go_elsewhere(run: Run, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "none" / "w.csv"
    said = run("watch", model, tmp_path, "--csv", out, "--once", "--quiet").failed()
    assert said == (f"{out}: cannot be written: No such file or directory", "choose another file with --csv")


@pytest.mark.parametrize("to", ["coco", "png"])
def test_masks_that_cannot_be_written_come_with_a_hint(run: Run, tmp_path: Path, to: str) -> None:
    for name, mode in (("images", "RGB"), ("masks", "L")):
        (tmp_path / "cells" / name).mkdir(parents=True)
        for number in range(2):
            picture = Image.new(mode, (16, 16), 0 if mode == "L" else (9, 9, 90))
            picture.paste(1 if mode == "L" else (200, 9, 9), (2, 2, 8, 8))
            picture.save(tmp_path / "cells" / name / f"{number}.png")
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "out"
    error, hint = run("convert", tmp_path / "cells", "-o", out, "--to", to).failed()
    assert error.startswith(f"{out}: cannot be written: ")
    assert hint == "choose a writable folder"


@pytest.mark.parametrize("out", ["/", "folder"])
def test_watch_refuses_a_folder_as_its_table(
    run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    done = run("watch", model, ".", "--csv", out, "--once", "--quiet")
    assert done.failed() == (
        f"{out}: already exists and was not made by `topwork watch`",
        "choose another file with --csv",
    )
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]


def test_the_root_of_all_folders_is_no_place_for_a_model(run: Run, tmp_path: Path) -> None:
    data = easy_folder(tmp_path / "data", count=3)
    said = run("fit", data, "-o", "/", "--strategy", "probe").failed()
    assert said == ("/: already exists and is not a topwork model", "choose another folder")


def test_a_cleaned_list_that_is_no_csv_says_which_name_would_do(run: Run, tmp_path: Path) -> None:
    data = easy_folder(tmp_path / "data", count=3)
    said = run("check", data, "--write", tmp_path / "clean").failed()
    assert said == (f"{tmp_path}/clean: the name of a manifest must end in .csv", f"call it {tmp_path}/clean.csv")
