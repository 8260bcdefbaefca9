"""A recogniser's folder and gallery, read by docs/format-tasks.md alone: the same people as topwork's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import topwork
from tests.docs.format_readers import faces, people
from topwork.backbones import load
from topwork.data import decode

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("float32")]

pytest.importorskip("timm")


def test_a_fitted_recogniser_knows_the_same_people(photos: list[Path], tmp_path: Path) -> None:
    from tests.tasks.recognition.conftest import views
    from topwork.tasks.recognition import Recognizer
    from topwork.tasks.recognition._options import RecognitionOptions

    for number, photo in enumerate(photos[:14]):
        views(photo, tmp_path / "people" / f"{number}", number, 3)
    strangers = [views(photo, tmp_path / f"{n}", n, 3) for n, photo in enumerate(photos[14:17])]
    options = RecognitionOptions(crop_mode="squash", false_accept=0.1, stages="last", projection="within")
    how: Any = {"strategy": "probe", "test": 0.4, "backbone": load("lite0", size=96), "options": options}
    model = topwork.fit(tmp_path / "people", task="recognition", **how)
    assert isinstance(model, Recognizer)
    folder = model.save(tmp_path / "model", self_contained=True)
    assert people.belongs_to(folder) == model.embedding_id
    asked = [path for some in strangers for path in some]
    embeddings = people.embeddings(folder, [decode(path) for path in asked])
    assert people_known(model, folder, asked, embeddings) == {""}
    model.enroll("Anna", strangers[0][:2])
    model.enroll("보라", strangers[1][:2])
    model.enroll("Anna", strangers[0][2:])
    assert {"Anna", "보라"} < people_known(model, folder, asked, embeddings)
    for one, other in ((6, 7), (0, 8)):
        said = model.verify(asked[one], asked[other])
        similarity, same = people.verified(folder, embeddings[one], embeddings[other])
        assert (said.same, said.similarity) == (same, pytest.approx(similarity, abs=1e-3))
    model.forget("Anna")
    assert set(people.gallery(folder)[0]) == {"보라"}


def people_known(model: Any, folder: Path, asked: Sequence[Path], embeddings: Any) -> set[str]:
    """Who the images show, as topwork and the reader say it."""
    said = set()
    for found, row in zip(model.predict(asked), embeddings, strict=True):
        name, ordered = people.identified(folder, row)
        assert found.name == name
        assert [each.name for each in found.matches] == [each for each, _ in ordered]
        np.testing.assert_allclose(
            [each.similarity for each in found.matches], [most for _, most in ordered], atol=1e-3
        )
        said.add(name)
    return said


@pytest.mark.parametrize("layout", ["yunet", "scrfd"])
def test_faces_are_found_and_aligned_the_same(layout: str, photos: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from tests.tasks.recognition.faces.test_onnx import detector as of_faces
    from topwork.tasks.recognition._finder import look, open_finder

    finder = open_finder({"name": str(of_faces(tmp_path, layout))})
    for photo in photos[:3]:
        pixels = decode(photo)[:400, :300]
        best, _ = look(finder, pixels)
        found = faces.crop(finder.facts(), pixels)
        assert np.abs(found.astype(int) - best.crop.astype(int)).max() <= 1


@pytest.mark.parametrize("name", ["faces", "faces-arcface"])
def test_faces_are_found_by_dlib_and_aligned_the_same(name: str) -> None:
    pytest.importorskip("dlib")
    from PIL import Image

    from tests.tasks.recognition.faces.drawn import drawn_face
    from topwork.tasks.recognition._finder import look, open_finder

    finder, face = open_finder({"name": name}), Image.fromarray(drawn_face())
    side = 60 if name == "faces" else 300  # which is enlarged first, and which is not
    pixels = np.full((side, 2 * side, 3), 128, np.uint8)
    pixels[:, :side] = face.resize((side, side))
    best, _ = look(finder, pixels)
    found = faces.crop(finder.facts(), pixels)
    assert np.abs(found.astype(int) - best.crop.astype(int)).max() <= 1
