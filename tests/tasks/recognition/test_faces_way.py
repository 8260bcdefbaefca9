"""Recognition with a network of faces, from drawings to a gallery; and what becomes of pictures that tell little."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Run, run  # noqa: F401
from tests.tasks.recognition.made import drawn, made
from topwork.data import decode
from topwork.fitting import fit
from topwork.tasks import load
from topwork.tasks.recognition import Recognizer
from topwork.tasks.recognition._finder import open_finder
from topwork.tasks.recognition._options import RecognitionOptions

pytest.importorskip("dlib")

OPTIONS = RecognitionOptions(projection="cosine", stages="last", false_accept=0.3, enroll=True)
ALLOW = ("leakage", "label-conflicts")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight people, each three times the same drawing in other light; one picture of the last shows two."""
    data = tmp_path_factory.mktemp("drawn")
    for person in range(8):
        (data / f"p{person}").mkdir()
        for view in range(3):
            several = (person, view) == (7, 2)
            (data / f"p{person}" / f"{view}.png").write_bytes(drawn(*([0, 40] if several else [5 * person - view])))
    return data


@pytest.fixture(scope="module")
def saved(folder: Path, tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Path:
    found = fit(folder, task="recognition", strategy="probe", backbone="dlib", options=OPTIONS, allow=ALLOW)
    return found.save(tmp_path_factory.mktemp("saved") / "model")


def test_a_network_of_faces_goes_the_whole_way(saved: Path, folder: Path, tmp_path: Path) -> None:
    model = load(saved, Recognizer)
    assert model.backbone.name == "dlib_face_resnet_v1"
    assert model.record.task.finder["name"] == "faces"
    assert model.gallery.counts == {f"p{person}": 3 - (person == 7) for person in range(8)}
    assert any("1 of 24 images were not enrolled" in note for note in model.record.data.notes)
    (answer,) = model.predict([folder / "p3" / "0.png"])
    assert answer.similarity == pytest.approx(1, abs=1e-3)
    assert answer.remarks == ()
    (several,) = model.predict([folder / "p7" / "2.png"])
    assert several.remarks == ("2 faces were found, and the largest is compared",)
    assert [set(each) for each in several.to_dict()["found"]] == [{"bbox", "flaw"}] * 2
    same = model.verify(folder / "p3" / "0.png", folder / "p7" / "2.png")
    assert same.remarks == ((), several.remarks)
    turned = model.predict([Image.open(folder / "p3" / "0.png").rotate(90)])[0]
    assert turned.error == "no face was found"


def test_a_flaw_is_told_beside_the_answer_in_both_languages(run: Run, saved: Path, tmp_path: Path) -> None:  # noqa: F811
    Image.open(io.BytesIO(drawn(0))).crop((95, 0, 300, 300)).save(tmp_path / "cut.png")
    done = run("predict", saved, tmp_path / "cut.png")
    assert "note: " in done.err
    assert "the face is " in done.err
    assert "얼굴을 믿고 쓸 수 없습니다" in run("predict", saved, tmp_path / "cut.png", "--lang", "ko").err
    told = run("verify", saved, tmp_path / "cut.png", tmp_path / "cut.png", "--json")
    assert "the face is " in told.json["remarks"][0][0]
    assert "the face is " in run("enroll", saved, "me", tmp_path / "cut.png").failed()[0]


def test_forgetting_needs_neither_network_nor_detector(
    run: Run,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    model = made()
    model.save(tmp_path / "m")
    model.enroll("a", [drawn(0)])
    monkeypatch.setitem(sys.modules, "dlib", None)
    assert run("forget", tmp_path / "m", "a").out.splitlines() == ["Forgotten: a, 1 image", "In the gallery: 0"]
    assert "finding faces needs dlib" in run("enroll", tmp_path / "m", "a", tmp_path / "a.png").failed()[0]


def test_crops_that_are_aligned_already_are_taken_as_they_are(
    folder: Path, saved: Path, tmp_path: Path, shared_cache: Path
) -> None:
    finder, options = open_finder({"name": "faces"}), RecognitionOptions(**{**vars(OPTIONS), "finder": "none"})
    for path in folder.rglob("*.png"):
        (tmp_path / path.parent.name).mkdir(exist_ok=True)
        found = max(finder.find(decode(path)), key=lambda each: each.area)
        Image.fromarray(found.crop).save(tmp_path / path.parent.name / path.name)
    model = fit(tmp_path, task="recognition", strategy="probe", backbone="dlib", options=options, allow=ALLOW)
    assert isinstance(model, Recognizer)
    assert model.record.task.finder is None
    crop, picture = tmp_path / "p2" / "1.png", folder / "p2" / "1.png"
    aligned, whole = model.embed([crop]).values[0], load(saved, Recognizer).embed([picture]).values[0]
    assert model.gallery.counts["p7"] == 3
    np.testing.assert_allclose(aligned, whole, atol=1e-3)
