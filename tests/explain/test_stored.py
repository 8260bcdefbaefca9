"""Results in picture files: they come back with their numbers, and nothing else is taken for one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from topwork.data import decode
from topwork.errors import ExplainError
from topwork.explain import Explanation, stored, write_result

NUMBERS = {"이름": "고양이 🐶 \u202e قطة", "values": [0.5, 1.0], "none": None}


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A result that is made by hand."""

    headline: str = "what\nwas <found>"
    shade: int = 90

    def to_dict(self) -> dict[str, Any]:
        return NUMBERS

    def picture(self) -> npt.NDArray[np.uint8]:
        return np.full((40, 60, 3), self.shade, np.uint8)


def test_a_result_comes_back_with_its_numbers(tmp_path: Path) -> None:
    path = write_result(Drawn(), tmp_path / "in" / "b.png", what="ideal", source="사진 1.jpg")
    write_result(Drawn("another"), tmp_path / "in" / "a.png", what="space")
    first, second = stored(tmp_path / "in")
    assert second == Explanation("ideal", "사진 1.jpg", "what\nwas <found>", NUMBERS, path)
    assert (first.what, first.source, first.headline) == ("space", "", "another")
    np.testing.assert_array_equal(decode(path), Drawn().picture())


def test_a_name_that_is_no_text_is_no_obstacle(tmp_path: Path) -> None:
    write_result(Drawn("\udcff"), tmp_path / "a.png", what="evidence", source="x\udcff.jpg")
    (found,) = stored(tmp_path)
    assert (found.headline, found.source) == ("?", "x?.jpg")


def test_a_later_result_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    write_result(Drawn(), tmp_path / "a.png", what="ideal")
    write_result(Drawn(shade=30), tmp_path / "a.png", what="ideal")
    assert len(stored(tmp_path)) == 1
    assert decode(tmp_path / "a.png").max() == 30
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_no_photograph_is_written_over(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "mine.png")
    before = (tmp_path / "mine.png").read_bytes()
    with pytest.raises(ExplainError, match="it was not changed"):
        write_result(Drawn(), tmp_path / "mine.png", what="ideal")
    assert (tmp_path / "mine.png").read_bytes() == before


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert stored(tmp_path / "none") == ()
    (tmp_path / "file").write_text("no folder")
    assert stored(tmp_path / "file") == ()


def spoilt(path: Path, told: str, *, software: str = "topwork") -> None:
    """A picture as ``write_result`` writes it, with another text in it."""
    about = PngInfo()
    about.add_text("Software", software)
    about.add_itxt("topwork", told)
    Image.new("RGB", (4, 4)).save(path, pnginfo=about)


GOOD = {"format": 1, "what": "ideal", "source": "", "headline": "h", "numbers": {}}


def test_what_is_damaged_or_anothers_is_passed_over(tmp_path: Path) -> None:
    whole = write_result(Drawn(), tmp_path / "whole.png", what="ideal")
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:120])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to(whole)
    (tmp_path / "other.jpg").write_bytes(whole.read_bytes())
    spoilt(tmp_path / "newer.png", json.dumps(GOOD | {"format": 2}))
    spoilt(tmp_path / "more.png", json.dumps(GOOD | {"more": 1}))
    spoilt(tmp_path / "less.png", json.dumps({"format": 1}))
    spoilt(tmp_path / "kind.png", json.dumps(GOOD | {"headline": 5}))
    spoilt(tmp_path / "list.png", "[" * 5_000)
    spoilt(tmp_path / "none.png", "")
    spoilt(tmp_path / "stranger.png", json.dumps(GOOD), software="gimp")
    spoilt(tmp_path / "zz-good.png", json.dumps(GOOD))
    assert [found.path.name for found in stored(tmp_path)] == ["whole.png", "zz-good.png"]


def test_a_file_that_is_far_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_result(Drawn(), tmp_path / "a.png", what="ideal")
    monkeypatch.setattr("topwork.explain._pictures._MOST_BYTES", 50)
    assert stored(tmp_path) == ()
