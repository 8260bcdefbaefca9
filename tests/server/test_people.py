"""A recogniser behind the server: who it is, whom it gets to know, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.wire import FORM, PHOTO, Server, form, with_settings
from tests.tasks.recognition.made import drawn, made
from topwork.errors import TopworkError
from topwork.server import Settings
from topwork.tasks import load
from topwork.tasks.recognition import Recognizer

pytest.importorskip("dlib")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Path:
    return made().save(tmp_path_factory.mktemp("served") / "people")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with with_settings(folder.parent, [folder], decoders=1, allow_enrolling=True, watch=0, max_parts=4) as running:
        yield running


def told(server: Server, route: str, *parts: tuple[str, str | None, bytes], **headers: str):
    return server.ask("POST", route, form(*parts), content_type=FORM, **headers)


def test_somebody_is_enrolled_found_and_forgotten(server: Server, folder: Path) -> None:
    name = "김 <b>철수</b>/.."
    images = [("image", f"{place}.png", drawn(place)) for place in range(2)]
    nobody = [("image", "none.jpg", PHOTO)] * 2
    done = told(server, "/enroll", ("name", None, name.encode()), *images, *nobody)
    assert done.json == {
        "name": name,
        "images": 2,
        "errors": {"none.jpg #2": "no face was found", "none.jpg #3": "no face was found"},
        "people": 1,
        "alike": "",
    }
    assert server.ask("GET", "/gallery").json == {"count": 1, "people": [{"name": name, "images": 2}]}
    model = load(folder, Recognizer)
    given = {"large.png": drawn(0, size=1800), "two.png": drawn(0, 3), "one.png": drawn(9)}
    said = server.predict(*(("image", *each) for each in given.items())).json["predictions"]
    expected = model.predict(list(given.values()))
    for found, each in zip(said, expected, strict=True):
        fields = each.to_dict()
        assert found["name"] == fields["name"]
        assert found["similarity"] == pytest.approx(fields["similarity"], abs=2e-4)
        assert len(found["found"]) == len(fields["found"])
        for one, other in zip(found["found"], fields["found"], strict=True):
            assert one["bbox"] == pytest.approx(other["bbox"], abs=0.2)
    assert said[0]["width"] == 1800
    assert said[1]["remarks"] == ["2 faces were found, and the largest is compared"]
    (nobody,) = server.image(given["one.png"], "?threshold=1&top=1").json["predictions"]
    assert nobody["name"] is None
    assert len(nobody["matches"]) == 1
    assert "no face was found" in server.image(PHOTO).refused(422)
    assert told(server, "/forget", ("name", None, name.encode())).json == {"name": name, "images": 2, "people": 0}
    assert server.image(given["one.png"]).json["predictions"][0]["matches"] == []
    assert name.encode() not in b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert name not in server.log.read_text()


@pytest.mark.parametrize(
    ("route", "parts", "said"),
    [
        ("/enroll", [("name", None, b"a"), ("image", "t.png", b"text")], "nothing was enrolled as 'a'"),
        (
            "/enroll",
            [("name", None, b"a"), ("image", "2.png", drawn(0, 0))],
            "2 faces were found where one is expected",
        ),
        ("/enroll", [("name", None, b" a"), ("image", "1.png", drawn(0))], "cannot be a name"),
        ("/enroll", [("name", None, b"a")], "one field name and one or more fields image"),
        ("/enroll", [("name", None, b"a"), ("name", None, b"b"), ("image", "1.png", drawn(0))], "one field name"),
        ("/forget", [("name", None, b"nobody")], "nobody in the gallery is called 'nobody'"),
        ("/forget", [("image", "1.png", drawn(0))], "in one field name"),
    ],
)
def test_what_enrols_nobody_is_refused(server: Server, route: str, parts: list, said: str) -> None:
    assert said in told(server, route, *parts).refused(422)
    assert server.ask("GET", "/gallery").json["count"] == 0


def test_a_page_of_another_site_enrols_nobody(server: Server) -> None:
    parts = (("name", None, b"a"), ("image", "1.png", drawn(0)))
    assert "another site" in told(server, "/enroll", *parts, origin="http://elsewhere.example.org").refused(403)
    assert "another site" in told(server, "/forget", parts[0], origin="null").refused(403)
    assert told(server, "/enroll?model=none", *parts).status == 404
    assert "it tells who or which one it is" in server.image(PHOTO, "?coverage=0.9").refused(422)
    assert server.ask("POST", "/enroll", b"name=a", content_type="application/x-www-form-urlencoded").status == 415


def test_it_is_off_unless_it_is_asked_for(folder: Path) -> None:
    from fastapi.testclient import TestClient

    from topwork.server import create_app

    client = TestClient(create_app(Settings(models=(folder,), watch=0)), base_url="http://127.0.0.1:8000")
    for done in (client.get("/gallery"), client.post("/enroll"), client.post("/forget")):
        assert (done.status_code, done.json()["error"]) == (404, "this server enrols nobody")
    (facts,) = client.get("/models").json()
    assert (facts["answer"], facts["enroll"], facts["collect"]) == ("identities", False, False)
    thresholds, accepted, _ = zip(*facts["costs"], strict=True)
    assert len(thresholds) > 20
    assert list(thresholds) == sorted(thresholds)
    assert list(accepted) == sorted(accepted, reverse=True)
    with pytest.raises(TopworkError, match="anybody who reaches this machine could enrol"):
        Settings(host="0.0.0.0", public=True, allow_enrolling=True)
    assert Settings(host="0.0.0.0", token="long-enough", allow_enrolling=True).allow_enrolling
