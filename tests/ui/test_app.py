"""The app without a browser: forms and addresses as anybody might send them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from topwork.report import _checkup
from topwork.ui import _views
from topwork.ui._app import create_app
from topwork.ui._door import Door
from topwork.ui._session import Session

from .conftest import idle

PORT = 8124
AS_JSON = {"accept": "application/json"}


@pytest.fixture
def client(session: Session, tmp_path: Path) -> Iterator[TestClient]:
    door = Door(PORT)
    app = create_app(session, door, tmp_path / "work")
    with TestClient(app, base_url=f"http://127.0.0.1:{PORT}", raise_server_exceptions=False) as found:
        found.get(door.address())
        yield found


def test_pages_that_are_not_there_yet_lead_to_what_is(client: TestClient) -> None:
    for path in ("/", "/check", "/fit", "/report", "/try", "/export", "/class/0", "/class/999999999999999999999"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "data-drop" in answer.text
    for path in (
        "/report.html",
        "/model/",
        "/model/predict",
        "/picture/1/0",
        "/download/onnx",
        "/ui/../_app.py",
        "/ui/x",
    ):
        assert client.get(path).status_code == 404
    assert client.get("/ui/ui.js").headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("path", ["/nowhere", "/class/cat", "/class/0?start=x", "/report.html", "/download/onnx"])
def test_an_unknown_address_is_answered_in_words(client: TestClient, session: Session, path: str) -> None:
    session.speak("ko")
    answer = client.get(path, headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "그런 페이지가 없습니다" in answer.text
    assert client.get(path, headers=AS_JSON).json() == {"error": "그런 페이지가 없습니다", "hint": ""}


def test_a_fault_of_ours_is_told_as_a_page_without_its_words(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vars(_views)["_VALUES"], "data", lambda state, t: state.secret)
    answer = client.get("/data")
    assert answer.status_code == 500
    assert "an internal error of topwork" in answer.text
    assert "secret" not in answer.text


@pytest.mark.parametrize("path", ["recheck", "undo", "fit", "export", "mend", "clean", "path"])
@pytest.mark.parametrize("form", [{}, {"budget": "-1", "row": "x", "check": "9" * 40}, {"to": "//evil.example"}])
def test_no_form_breaks_it(client: TestClient, session: Session, path: str, form: dict[str, str]) -> None:
    answer = client.post(f"/{path}", data=form, headers=AS_JSON)
    assert answer.status_code == (200 if path == "path" else 409)  # told on the page, or as JSON
    assert answer.url.host == "127.0.0.1"
    assert session.state.job is None


def test_a_form_without_end_is_refused(client: TestClient) -> None:
    assert client.post("/path", content=b"path=" + b"x" * 100_000, headers=AS_JSON).json() == {
        "error": "the form is too large",
        "hint": "",
    }


def test_an_upload_is_checked_and_its_images_are_shown(client: TestClient, session: Session, pets: Path) -> None:
    key = client.post("/upload", data={"name": "pets"}).json()["upload"]
    for file in sorted(pets.rglob("*.jpg")):
        name = f"pets/{file.parent.name}/{file.name}"
        assert client.put(f"/upload/{key}", params={"name": name}, content=file.read_bytes()).status_code == 204
    evil = client.put(f"/upload/{key}", params={"name": "../evil"}, content=b"x", headers=AS_JSON)
    assert evil.status_code == 409
    assert evil.json()["error"] == "the name '../evil' is not that of a file in a folder"
    assert client.post(f"/upload/{key}/end").json() == {"to": "/check"}
    assert client.post(f"/upload/{key}/end", headers=AS_JSON).status_code == 409  # once
    state = idle(session)
    assert state.checkup is not None
    page = client.get("/check").text
    rows = {path: row for row, path in enumerate(state.checkup.dataset.paths)}
    assert f'src="/picture/1/{rows["global/copy.jpg"]}"' in page
    picture = client.get(f"/picture/1/{rows['global/copy.jpg']}")
    assert (picture.headers["content-type"], picture.content[8:12]) == ("image/webp", b"WEBP")
    for gone in (f"/picture/1/{rows['global/broken.jpg']}", "/picture/2/0", "/picture/1/-1", "/picture/1/99999"):
        assert client.get(gone).status_code == 404

    row = str(rows["nominal/wrong.jpg"])
    for form in ({"row": row, "label": "cat"}, {"row": "99999", "do": "without"}):
        assert client.post("/mend", data={"check": "1", **form}, headers=AS_JSON).status_code == 409
    told = client.post("/mend", data={"check": "1", "row": row, "label": "global"}, headers=AS_JSON).json()
    assert 'selected value="global"' in told["row"]
    assert str(session.state.data.manifest) in told["changes"]  # type: ignore[union-attr]
    assert told["version"] == session.state.version
    client.post("/clean", data={"check": "1"})
    assert len(session.state.mending.gone) == 2
    session.speak("ko")
    assert "제외 2건, 클래스 변경 1건" in client.get("/check").text
    assert client.get("/class/0?start=-5").status_code == 200


def test_who_comes_later_is_told_where_it_is(client: TestClient, session: Session, pets: Path) -> None:
    session.give(pets)
    shown = client.get("/").text
    assert "data-job" in shown
    with client.stream("GET", "/events") as events:
        first = next(line for line in events.iter_lines() if line.startswith("data: "))
        session.stop()
    told = json.loads(first.removeprefix("data: "))
    assert told["at"] == "check"
    assert told["job"]["step"]
    assert "nothing was saved" in client.get("/data").text


def test_every_class_of_very_many_has_its_page(
    client: TestClient, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table ends at 200, here at 3; the others are named below it."""
    monkeypatch.setattr(_checkup, "MOST_CLASSES", 3)
    rows = [f"part {number} is {word},part-{number}" for number in range(5) for word in ("lost", "bent")]
    (tmp_path / "parts.csv").write_text("\n".join(["text,label", *rows]) + "\n", "utf-8")
    session.give(tmp_path / "parts.csv")
    checkup = idle(session).checkup
    assert checkup is not None
    page = client.get("/check").text
    assert page.count('href="/class/') == 5
    for label in range(5):
        assert f'<a href="/class/{label}"><bdi>{checkup.classes[label]}</bdi></a>' in page
    assert "2 more classes" in page
    assert checkup.classes[4] in client.get("/class/4").text
