"""What was seen of a file is kept under its content, and is then what another look would see."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topwork import checking
from topwork.checking import _survey
from topwork.checking._survey import Survey, survey
from topwork.data import read

ONCE = {"progress": lambda done: None}


@pytest.fixture
def folder(photos: list[Path], tmp_path: Path) -> Path:
    """Photographs of two classes, one of them twice, a file that is none, and a grey picture of one colour."""
    from PIL import Image

    for place, photo in enumerate(photos[:8]):
        (target := tmp_path / "data" / "ab"[place % 2]).mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, target)
    shutil.copy(photos[0], tmp_path / "data/a/again.jpg")
    (tmp_path / "data/b/broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    Image.new("L", (40, 30), 7).save(tmp_path / "data/b/flat.png")
    return tmp_path / "data"


def same(one: Survey, other: Survey) -> bool:
    arrays = [(one.keys, other.keys), (one.kinds, other.kinds)]
    arrays += [(getattr(one.pictures, name), getattr(other.pictures, name)) for name in ("counts", "means", "spreads")]
    equal = all(np.array_equal(*pair) for pair in arrays) and one.facts.tobytes() == other.facts.tobytes()
    return equal and one.refused == other.refused


def test_a_second_look_decodes_nothing_and_sees_the_same(
    folder: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Any] = []
    real = _survey.look
    monkeypatch.setattr(_survey, "look", lambda *given: looked.append(given) or real(*given))
    data = read(folder)
    alone = survey(data, **ONCE)
    assert not [*empty_cache.rglob("*.rows")]
    first = survey(data, **ONCE, cache=True)
    seen, again = len(looked), survey(data, **ONCE, cache=True)
    assert len(looked) - seen == 1  # what cannot be decoded is tried again
    assert same(alone, first)
    assert same(first, again)
    assert list(first.refused) == [next(row for row, path in enumerate(data.paths) if "broken" in path)]
    assert first.pictures.counts.sum() == 9  # a copy counts once
    (folder / "a/new.jpg").write_bytes((folder / "b/flat.png").read_bytes())  # its content is known
    assert np.isnan(survey(read(folder), **ONCE, cache=True).facts["sharpness"]).sum() == 2


def test_nothing_that_can_be_decoded_is_an_empty_survey(tmp_path: Path, empty_cache: Path) -> None:
    for name in "ab":
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "1.jpg").write_bytes(b"\xff\xd8\xff nothing")
    for cache in (False, True):
        found = survey(read(tmp_path / "data"), **ONCE, cache=cache)
        assert len(found.refused) == 2
        assert not found.facts.tobytes().strip(b"\0")


def test_pixels_are_known_again_too(empty_cache: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 40, 50, 3), np.uint8)
    data = read((images, [0, 1] * 3))
    assert same(survey(data, **ONCE, cache=True), survey(data, **ONCE, cache=True))


def test_the_check_and_the_first_look_of_fit_share_what_was_seen(
    folder: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = read(folder)
    first = checking.vet(data, cache=True)
    monkeypatch.setattr(_survey, "decode", None)
    (folder / "b/broken.jpg").unlink()
    assert {each.name for each in checking.vet(read(folder), cache=True).findings} <= {
        each.name for each in first.findings
    }
