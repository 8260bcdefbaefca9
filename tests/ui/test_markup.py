"""Data that would write on the page: names of classes, files and texts are text, wherever they stand."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from topwork.ui._app import create_app
from topwork.ui._door import Door
from topwork.ui._session import Session

from .conftest import idle

PORT = 8125
MARKUP = "<img src=x onerror=alert(1)>\"'&"


@pytest.fixture
def client(session: Session, tmp_path: Path) -> Iterator[TestClient]:
    door = Door(PORT)
    with TestClient(create_app(session, door, tmp_path / "work"), base_url=f"http://127.0.0.1:{PORT}") as found:
        found.get(door.address())
        yield found


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [(f"{MARKUP} the parcel came on day {day}", f"late {MARKUP}") for day in range(12)]
    rows += [(f"many thanks for letter {number} {MARKUP}", "</title></script>praise") for number in range(12)]
    path = tmp_path / f"<b>{len(rows)}.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows, rows[0]])
    return path


def test_names_of_the_data_are_text_on_every_page(client: TestClient, session: Session, table: Path) -> None:
    session.give(table)
    state = idle(session)
    assert state.checkup is not None, state.failure
    for page in ("/data", "/check", "/fit", "/class/0", "/class/1"):
        shown = client.get(page).text
        for markup in ("<img src=x", "</title></script>praise", "<b>24"):
            assert markup not in shown, page
    assert "&lt;img src=x onerror=alert(1)&gt;" in client.get("/class/1").text
    form = {"check": "1", "row": "0", "do": "without"}
    told = client.post("/mend", data=form, headers={"accept": "application/json"}).json()
    assert "<img src=x" not in told["row"] + told["changes"]
    assert "<b>24" not in told["changes"]
    wrong = client.post("/mend", data={**form, "do": "label", "label": MARKUP})
    assert wrong.status_code == 409
    assert "<img" not in wrong.text
