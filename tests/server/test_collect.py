"""Corrections: what is kept, where, and what is refused; and evidence that comes with an answer."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import topwork
from tests.model.samples import photos, textiles
from tests.server.wire import FORM, PHOTO, TEXTILE, Reply, Server, form, jpeg, with_settings
from topwork.explain import overlay
from topwork.model import Prediction
from topwork.server._collect import Collection, plain_label
from topwork.server._refusal import RefusedError

SAID = Prediction("a.jpg", "photo", 0.75, {"photo": 0.75, "textile": 0.25})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("collected") / "deep" / "data"


@pytest.fixture(scope="module")
def keeping(model: Path, texts: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with with_settings(tmp_path_factory.mktemp("log"), [model, texts], collect=folder, decoders=1) as server:
        yield server


def sent(server: Server, content: bytes, label: str, model: str = "", field: str = "image") -> Reply:
    body = form((field, "../../evil.php" if field == "image" else None, content), ("label", None, label.encode()))
    return server.ask("POST", f"/collect{model}", body, content_type=FORM)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {"collected.jsonl"}


def test_what_is_collected_is_data_for_the_next_fit(keeping: Server, folder: Path, tmp_path: Path) -> None:
    for name, paths in (("photo", photos()[:6]), ("천", textiles("nominal")[:6])):
        for path in paths:
            reply = sent(keeping, jpeg(path), name)
            digest = hashlib.sha256(jpeg(path)).hexdigest()[:16]
            assert (reply.status, reply.json) == (201, {"saved": f"{name}/{digest}.jpg"})
            assert (folder / name / f"{digest}.jpg").read_bytes() == jpeg(path)
    assert stat.S_IMODE(os.stat(folder / reply.json["saved"]).st_mode) == 0o644
    lines = [json.loads(line) for line in (folder / "collected.jsonl").read_text("utf-8").splitlines()]
    assert lines[-1].items() >= {"label": "천", "model": "photo-or-textile", "answer": "textile"}.items()
    assert 0.5 < lines[-1]["probability"] <= 1
    fitted = topwork.fit(folder, strategy="probe", test=0)
    assert fitted.classes == ("photo", "천")  # type: ignore[attr-defined]
    assert fitted.record.data.training == 12


def test_what_is_sent_again_is_kept_once_and_moves_with_its_label(keeping: Server, folder: Path) -> None:
    image = jpeg(photos()[12])
    name = hashlib.sha256(image).hexdigest()[:16] + ".jpg"
    first = sent(keeping, image, "once")
    assert sent(keeping, image, " once ").json == first.json == {"saved": f"once/{name}"}
    assert sent(keeping, image, "another").json == {"saved": f"another/{name}"}
    assert [each for each in files(folder) if each.endswith(name)] == [f"another/{name}"]
    assert not (folder / "once").exists()  # an empty folder would be a class
    last = json.loads((folder / "collected.jsonl").read_text("utf-8").splitlines()[-1])
    assert (last["label"], last["was"]) == ("another", ["once"])


def test_texts_are_kept_as_files_too(keeping: Server, folder: Path) -> None:
    reply = sent(keeping, "반품하고 싶어요".encode(), "refund", "?model=messages", "text")
    assert reply.status == 201
    assert (folder / reply.json["saved"]).read_text("utf-8") == "반품하고 싶어요"
    assert reply.json["saved"].endswith(".txt")


BAD_LABELS = [
    "",
    " ",
    ".",
    "..",
    "../x",
    "a/b",
    "a\\b",
    "/etc",
    "C:",
    "CON",
    "nul.txt",
    "LPT¹",
    "a\0b",
    "a\nb",
    "x" * 201,
]
BAD_LABELS += ["가" * 67, ".hidden", "end.", "a*", "<b>", "Thumbs.db", "__MACOSX"]


@pytest.mark.parametrize("label", BAD_LABELS)
def test_a_label_that_is_no_plain_name_is_refused(keeping: Server, folder: Path, label: str) -> None:
    before, outside = files(folder), set(os.listdir(folder.parent))
    assert "the label cannot be used" in sent(keeping, PHOTO, label).refused(422)
    assert files(folder) == before
    assert set(os.listdir(folder.parent)) == outside


@pytest.mark.parametrize(
    ("parts", "status", "told"),
    [
        ([("image", "a.jpg", b"none"), ("label", None, b"x")], 422, "not an image"),
        ([("image", "a.jpg", PHOTO[: len(PHOTO) // 2]), ("label", None, b"x")], 422, "damaged"),
        ([("image", "a.jpg", b""), ("label", None, b"x")], 422, "empty"),
        ([("image", "a.svg", b"<svg onload=x>"), ("label", None, b"x")], 422, ""),
        ([("image", "a.jpg", PHOTO)], 422, "image and label"),
        ([("label", None, b"x")], 422, "image and label"),
        ([("label", None, b"x"), ("label", None, b"y")], 422, "image and label"),
        ([("image", "a.jpg", PHOTO), ("image", "a.jpg", PHOTO), ("label", None, b"x")], 413, "more than 2 parts"),
        ([("image", "a.jpg", PHOTO), ("label", None, b"\xff\xfe")], 422, "UTF-8"),
        ([("text", None, b"hello"), ("label", None, b"x")], 422, "image and label"),
    ],
)
def test_what_is_no_correction_is_refused(keeping: Server, folder: Path, parts: Any, status: int, told: str) -> None:
    before = files(folder)
    assert told in keeping.ask("POST", "/collect", form(*parts), content_type=FORM).refused(status)
    assert files(folder) == before


def test_other_bodies_models_and_servers_refuse(keeping: Server, server: Server) -> None:
    assert keeping.ask("POST", "/collect", PHOTO, content_type="image/jpeg").status == 415
    assert "there is no model" in sent(keeping, PHOTO, "x", "?model=none").refused(404)
    assert "keeps no corrections" in sent(server, PHOTO, "x").refused(404)
    assert [each["collect"] for each in keeping.ask("GET", "/models").json] == [True, True]


def test_a_disk_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(topwork.TopworkError, match="cannot be written"):
        Collection(tmp_path / "file" / "data")
    kept = Collection(tmp_path / "data")
    assert not (tmp_path / "data").exists()  # an empty folder would say that something was corrected
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "label").write_text("a file where a folder should be")
    with pytest.raises(RefusedError, match="it cannot be saved") as error:
        kept.save(PHOTO, "label", "model", SAID)
    assert error.value.status == 507


def test_names_that_look_the_same_are_one() -> None:
    assert plain_label("cafe\u0301") == plain_label("café") == "café"
    assert plain_label(" two words ") == "two words"


def test_evidence_comes_with_an_answer(server: Server, model: Path) -> None:
    said = server.predict(("image", "a.jpg", PHOTO), ("image", "b.jpg", TEXTILE), asked="?map=true")
    for found, content in zip(said.json["predictions"], (PHOTO, TEXTILE), strict=True):
        expected = overlay(topwork.load(model), content)  # type: ignore[arg-type]
        kind, _, data = found["map"].partition(",")
        assert kind == "data:image/png;base64"
        assert found["view"] == pytest.approx(expected.view)
        assert expected.label == found["label"]
        ours, theirs = (Image.open(io.BytesIO(each)) for each in (base64.b64decode(data), expected.png))
        assert (ours.size, ours.mode) == (theirs.size, theirs.mode)
        assert ours.convert("RGBA").tobytes() == theirs.convert("RGBA").tobytes()
    assert [each["maps"] for each in server.ask("GET", "/models").json] == [True, False]
    assert "map" not in server.image(PHOTO).json["predictions"][0]
    refused = server.predict(("text", None, b"hello"), asked="?model=messages&map=true")
    assert "gives no evidence" in refused.refused(422)
