"""What the doctor says of faces, on a folder in which each picture has one thing wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from tests.tasks.recognition.faces.drawn import drawn_face
from topwork.backbones import load
from topwork.checking import check
from topwork.data import read
from topwork.tasks.recognition import TASK
from topwork.tasks.recognition.checks import CHECKS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, photos) -> Path:
    root = tmp_path_factory.mktemp("people")
    face = Image.fromarray(drawn_face())
    (root / "a").mkdir()
    (root / "b").mkdir()
    face.save(root / "a" / "good.png")
    turned = face.rotate(90, expand=True)
    exif = turned.getexif()
    exif[0x0112] = 6  # to be shown turned back: a quarter to the right
    turned.save(root / "a" / "exif.jpg", exif=exif, quality=95)
    ImageOps.grayscale(face).save(root / "a" / "grey.png")
    Image.fromarray(np.concatenate([np.asarray(face)] * 2, axis=1)).save(root / "b" / "two.png")
    face.resize((36, 38), Image.Resampling.BOX).save(root / "b" / "small.png")
    face.filter(ImageFilter.GaussianBlur(7)).save(root / "b" / "soft.png")
    Image.open(photos[0]).convert("RGB").save(root / "b" / "thing.png")
    (root / "b" / "broken.png").write_bytes(b"no image")
    return root


def findings(folder: Path, backbone: str):
    checkup = check(read(folder), load(backbone), checks=CHECKS, examination=TASK.examination())
    return {each.name: each for each in checkup.findings}


def test_each_thing_that_is_wrong_with_a_face_is_found(folder: Path) -> None:
    found = findings(folder, "dlib")
    assert {case.paths[0] for case in found["no-face"].cases} == {"b/thing.png"}
    assert [(case.paths, case.detail) for case in found["several-faces"].cases] == [(("b/two.png",), "2 faces")]
    assert [case.paths[0] for case in found["small-faces"].cases] == ["b/small.png"]
    assert found["small-faces"].cases[0].detail.endswith(" pixels wide")
    assert "b/soft.png" in [case.paths[0] for case in found["blurred-faces"].cases]
    wrong = {path for name in ("no-face", "small-faces") for case in found[name].cases for path in case.paths}
    assert not wrong & {"a/good.png", "a/exif.jpg", "a/grey.png"}


def test_nothing_is_said_of_faces_where_the_network_is_of_anything(folder: Path) -> None:
    assert not {"no-face", "several-faces", "small-faces"} & set(findings(folder, "lite0"))
