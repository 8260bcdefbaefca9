"""Images with masks on the page: read, shown with their masks, left out, fitted; and what cannot be done with them."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import topwork
from tests.tasks.segmentation.made import drawn, written
from topwork.ui import _views
from topwork.ui._mending import Mending
from topwork.ui._session import Data, Fitted, Session, State
from topwork.ui._work import FitWork, Made

from .conftest import idle
from .test_app import AS_JSON, client

__all__ = ["client"]


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    return with_flaws(tmp_path / "shapes")


def with_flaws(folder: Path) -> Path:
    """Ten images with masks of three classes, one of them twice, and one that cannot be read; the last has no disc."""
    written(folder, 10)
    (folder / "classes.txt").write_text("ground\ndisc\nsquare\n", "utf-8")
    plain = np.where(drawn(9)[1] == 1, 0, drawn(9)[1]).astype(np.uint8)
    Image.fromarray(plain).save(folder / "masks" / "09.png")
    for kind in ("images", "masks"):
        shutil.copy(folder / kind / "03.png", folder / kind / "copy.png")
    (folder / "images" / "broken.png").write_bytes((folder / "images" / "02.png").read_bytes()[:300])
    shutil.copy(folder / "masks" / "02.png", folder / "masks" / "broken.png")
    return folder


def test_they_are_shown_with_their_masks_and_left_out(client: TestClient, session: Session, shapes: Path) -> None:
    before = {path: path.read_bytes() for path in shapes.rglob("*") if path.is_file()}
    session.give(shapes)
    state = idle(session)
    assert state.data is not None
    assert (state.data.task, state.failure) == ("segmentation", None)
    assert state.checkup is not None
    assert "exact-duplicates" in {found.name for found in state.checkup.findings}
    page = client.get("/check").text
    assert "Images with each class" in page
    assert all(f"<bdi>{name}</bdi>" in page for name in ("ground", "disc", "square"))
    rows = {path: row for row, path in enumerate(state.checkup.dataset.paths)}
    assert f'src="/picture/1/{rows["images/copy.png"]}"' in page
    assert 'name="label"' not in page  # a mask is no class that could be another one
    (of_discs, of_squares) = (client.get(f"/class/{label}").text for label in (1, 2))
    assert "images/09.png" in of_squares
    assert "images/09.png" not in of_discs

    picture = client.get(f"/picture/1/{rows['images/00.png']}")
    shown = np.asarray(Image.open(io.BytesIO(picture.content)).convert("RGB").resize((128, 128)), np.int32)
    image, mask = drawn(0)
    moved = np.abs(shown - image).sum(axis=2)
    assert moved[mask == 1].mean() > 40 < moved[mask == 2].mean()  # painted

    row = str(rows["images/copy.png"])
    told = client.post("/mend", data={"check": "1", "row": row, "do": "without"}, headers=AS_JSON).json()
    assert "1 left out" in told["changes"]
    assert "Put back" in told["row"]
    session.check()
    assert len(idle(session).checkup.dataset) == len(rows) - 1  # type: ignore[union-attr]
    session.speak("ko")
    assert "이 페이지의 점검과 학습에만 적용됩니다" in client.get("/check").text
    assert {path: path.read_bytes() for path in shapes.rglob("*") if path.is_file()} == before
    assert [path.name for path in shapes.parent.iterdir()] == ["shapes"]  # nothing is written beside them


def test_what_masks_have_not_is_refused(client: TestClient, session: Session, shapes: Path) -> None:
    session.give(shapes)
    idle(session)
    for form in ({"row": "0", "label": "disc"}, {"row": "0"}, {"row": "99999", "do": "without"}):
        assert client.post("/mend", data={"check": "1", **form}, headers=AS_JSON).status_code == 409
    assert session.state.mending == Mending()
    assert 'name="critical"' not in client.get("/fit").text
    asked = client.post("/fit", data={"budget": "60", "critical": "disc", "recall": "95"}, headers=AS_JSON)
    assert asked.json()["error"] == "for these data nothing of that kind can be decided"
    session.speak("ko")
    asked = client.post("/fit", data={"budget": "60", "critical": "disc", "recall": "95"}, headers=AS_JSON)
    assert "그런 것을 정할 수 없습니다" in asked.json()["error"]
    assert session.state.job is None
    assert client.get("/class/3").url.path == "/check"


@pytest.mark.parametrize("damage", ["masks", "images", "sizes"])
def test_masks_that_cannot_be_read_say_so(session: Session, shapes: Path, damage: str) -> None:
    for path in (shapes / ("images" if damage == "images" else "masks")).iterdir():
        if damage == "sizes":
            Image.fromarray(np.zeros((9, 9), np.uint8)).save(path)
        else:
            path.write_bytes(b"\x89PNG nothing")
    session.give(shapes)
    state = idle(session)
    assert state.failure is not None
    assert state.failure[1].message
    assert state.at == "data"


class Said:
    """What a work says, kept."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def say(self, message: Any) -> None:
        self.messages.append(message)

    def step(self, text: str) -> Any:
        self.messages.append(text)
        return lambda done, total: None


def test_a_segmenter_is_fitted_without_what_was_left_out(
    session: Session, client: TestClient, shapes: Path, shared_cache: Path
) -> None:
    gone = frozenset({"images/copy.png", "images/broken.png"})
    said: Any = Said()
    work = FitWork(shapes, "segmentation", shapes.parent / "shapes-model", budget=1, mending=Mending(gone))
    made = work.run(said)
    model: Any = topwork.load(work.out)
    assert model.record.data.training + model.record.data.held_out == 10
    assert any("IoU" in line for line in made.lines)
    assert made.targets == ("onnx", "openvino")
    report = (work.out / "report.html").read_text("utf-8")
    assert "Worst masks" in report  # held-out images, with the model's masks beside those of the data
    assert report.count("data:image/webp") > 1
    state = State(data=Data(shapes, "segmentation"))
    rungs = _views.part(state, "ladder", rungs=tuple(each for each in said.messages if not isinstance(each, str)))
    assert "mean IoU" in rungs


def test_only_exports_that_can_be_made_are_offered() -> None:
    for offered in ((), ("onnx", "openvino"), ("onnx", "torch", "web")):
        fitted = Fitted(Path("model"), Made((), offered), ())
        page = _views.page(State(data=Data(Path("data"), "segmentation"), fitted=fitted), "export")
        assert tuple(re.findall(r'name="target" value="(\w+)"', page)) == offered
        assert ("cannot be exported" in page) == (not offered)


def test_no_page_has_the_texts_of_another_task() -> None:
    tasks = {"classification": "Accuracy", "text": "Accuracy", "segmentation": "mean IoU"}
    for task, header in tasks.items():
        assert _views.texts(State(data=Data(Path("data"), task)))("accuracy") == header
    korean = _views.texts(State(language="ko", data=Data(Path("data"), "text")))
    assert korean.said("All texts were classified correctly.") != "All texts were classified correctly."
