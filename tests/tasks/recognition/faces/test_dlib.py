"""Faces by dlib: on drawings, small and empty pictures, and on real faces where TOPWORK_TEST_DATA names them."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tasks.recognition.faces.drawn import drawn_face
from topwork.data import decode
from topwork.errors import DataError, ImageError, MissingExtraError
from topwork.tasks.recognition._finder import Crops, finder_names, only_find, open_finder


@pytest.fixture(scope="module")
def faces():
    return open_finder({"name": "faces"})


@pytest.fixture(scope="module")
def orl() -> Path:
    folder = Path(os.environ.get("TOPWORK_TEST_DATA", "")) / "orl-faces"
    if not os.environ.get("TOPWORK_TEST_DATA") or not folder.is_dir():
        pytest.skip("TOPWORK_TEST_DATA names no folder that holds orl-faces")
    return folder


def picture(folder: Path, person: int, number: int):
    return decode(next(folder.rglob(f"s{person}/{number}.*")))


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (1, 900), (64, 64), (3000, 20)])
@pytest.mark.parametrize("name", finder_names())
def test_nothing_is_found_where_nothing_is(name: str, shape: tuple[int, int]) -> None:
    finder = open_finder({"name": name})
    noise = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    for pixels in (np.full((*shape, 3), 128, np.uint8), noise):
        assert finder.find(pixels) == []


def test_photographs_of_animals_and_things_are_refused_alone(faces, photos) -> None:
    crops = Crops(photos[:3], faces)
    for place in range(3):
        with pytest.raises(ImageError, match="no face was found"):
            crops[place]


def test_a_model_of_other_files_or_rules_is_refused(faces) -> None:
    assert open_finder(faces.facts()).facts() == faces.facts()
    with pytest.raises(DataError, match="other files or rules"):
        open_finder({**faces.facts(), "landmarks": "0" * 64})
    with pytest.raises(DataError, match="nothing that finds 'cats' is known"):
        open_finder({"name": "cats"})


def test_without_the_extra_the_error_names_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(MissingExtraError, match="finding faces needs dlib") as raised:
        open_finder({"name": "faces"})
    assert raised.value.hint == "pip install 'topwork[faces]'"


def test_a_drawn_face_is_found_aligned_and_judged(faces) -> None:
    """A plain drawing of a face is enough for the detector: eyes, brows, nose and mouth in grey."""
    found = only_find(faces, drawn_face(), "largest")
    assert found.crop.shape == (150, 150, 3)
    left, top, right, bottom = found.corners
    assert left < 150 < right
    assert top < 160 < bottom
    assert found.points is not None
    assert found.points.shape == (5, 2)
    assert 0 < found.score < 1


def test_real_faces_of_any_size_side_and_number(orl: Path, faces) -> None:
    one, other = picture(orl, 1, 1), picture(orl, 12, 3)
    whole = only_find(faces, one, "refuse")
    assert not whole.flaw
    both = np.concatenate([one, other], axis=1)
    assert len(faces.find(both)) == 2
    with pytest.raises(ImageError, match="2 faces were found where one is expected"):
        only_find(faces, both, "refuse")
    large = np.asarray(Image.fromarray(one).resize((920, 1120), Image.Resampling.BICUBIC))
    grown = only_find(faces, large, "largest")
    np.testing.assert_allclose(np.array(grown.corners) / 10, whole.corners, atol=12)
    assert grown.points is not None
    assert whole.points is not None
    np.testing.assert_allclose(grown.points / 10, whole.points, atol=2.5)
    small = np.asarray(Image.fromarray(one).resize((28, 34), Image.Resampling.BOX))
    for found in faces.find(small):
        assert "pixels wide" in found.flaw
        with pytest.raises(ImageError, match=r"the face is .* pixels wide"):
            only_find(faces, small, "refuse")
    assert faces.find(np.rot90(one)) == []


def test_answers_do_not_depend_on_threads(orl: Path, faces) -> None:
    pictures = [picture(orl, person, 2) for person in range(1, 5)]
    alone = [faces.find(each) for each in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(faces.find, pictures * 2))
    for found, expected in zip(together, alone * 2, strict=True):
        assert [each.corners for each in found] == [each.corners for each in expected]
        assert all(np.array_equal(a.crop, b.crop) for a, b in zip(found, expected, strict=True))


def test_both_ways_of_alignment_put_the_eyes_where_they_belong(orl: Path) -> None:
    from topwork.tasks.recognition.faces._align import ARCFACE_POINTS, similarity

    finder = open_finder({"name": "faces-arcface"})
    errors = []
    for person in range(1, 7):
        found = only_find(finder, picture(orl, person, 1), "largest")
        assert found.crop.shape == (112, 112, 3)
        matrix = similarity(found.points, ARCFACE_POINTS)
        placed = np.column_stack([found.points, np.ones(5)]) @ matrix.T
        errors.append(np.linalg.norm(placed - ARCFACE_POINTS, axis=1).mean())
    assert np.median(errors) < 5  # of 112 pixels
