from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from topwork.errors import ExplainError
from topwork.explain import write_picture

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)


def test_a_picture_is_written_and_written_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.png"
    assert write_picture(255 - PIXELS, path) == path
    write_picture(PIXELS, path)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), PIXELS)
    assert [each.name for each in path.parent.iterdir()] == ["a.png"]


@pytest.mark.parametrize("what", ["photograph", "text", "folder", "link"])
def test_what_is_not_ours_stays(tmp_path: Path, what: str) -> None:
    path = tmp_path / "a.png"
    if what == "photograph":
        Image.fromarray(PIXELS).save(path)
    elif what == "text":
        path.write_text("mine")
    elif what == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "elsewhere.png")
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(ExplainError, match=r"a\.png: already exists and is not a picture of topwork's") as refused:
        write_picture(PIXELS, path)
    assert refused.value.hint == "choose another folder"
    assert (path.read_bytes() if path.is_file() else None) == before
    assert not (tmp_path / "elsewhere.png").exists()


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExplainError, match="cannot be written"):
        write_picture(PIXELS, tmp_path / "file" / "a.png")
