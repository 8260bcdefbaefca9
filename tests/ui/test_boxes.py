"""Images with boxes on the page: read, shown with their boxes, left out, fitted; and what cannot be done with them."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import topwork
from topwork.ui._mending import Mending
from topwork.ui._session import Session
from topwork.ui._work import FitWork

from .conftest import idle
from .test_app import AS_JSON, client
from .test_masks import Said

__all__ = ["client"]

SIDE = 128
COLOURS = {"nut": (200, 190, 60), "bolt": (50, 60, 160)}


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    return boxes_with_flaws(tmp_path / "parts")


def boxes_with_flaws(folder: Path, count: int = 12) -> Path:
    """Images with one nut and one bolt each, one of them twice, and one that cannot be read; the last has no bolt."""
    folder.mkdir(parents=True)
    names = list(COLOURS)
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for place in range(count):
        rng = np.random.default_rng(place)
        pixels = rng.normal(110, 12, (SIDE, SIDE, 3))
        images.append({"id": place, "file_name": f"{place:02}.png", "width": SIDE, "height": SIDE})
        for label, name in enumerate(names[: 1 if place == count - 1 else 2]):
            across, down = (int(each) for each in rng.integers(4, 60, 2))
            down, side = down // 2 + 64 * label, int(rng.integers(20, 30))
            pixels[down : down + side, across : across + side] = COLOURS[name] + rng.normal(0, 8, (side, side, 3))
            told = {"image_id": place, "category_id": label, "bbox": [across, down, side, side]}
            boxes.append({"id": len(boxes), "area": side**2, "iscrowd": 0, **told})
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{place:02}.png")
    shutil.copy(folder / "03.png", folder / "copy.png")
    (folder / "broken.png").write_bytes((folder / "02.png").read_bytes()[:300])
    for twin, place in (("copy.png", 3), ("broken.png", 2)):
        images.append({**images[place], "id": len(images), "file_name": twin})
        same = [each for each in boxes if each["image_id"] == place]
        boxes += [{**each, "id": len(boxes) + row, "image_id": images[-1]["id"]} for row, each in enumerate(same)]
    categories = [{"id": label, "name": name} for label, name in enumerate(names)]
    told = {"images": images, "annotations": boxes, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(told), "utf-8")
    return folder


def rectangles(figure: str) -> list[list[float]]:
    """The corners of the boxes that are drawn: left, top, width, height."""
    numbers = re.findall(r'<rect class="edge" x="(.+?)" y="(.+?)" width="(.+?)" height="(.+?)"', figure)
    return [[float(each) for each in box] for box in numbers]


def figure_of(page: str, row: int) -> str:
    return re.search(rf'<figure class="" data-row="{row}">.*?</figure>', page, re.DOTALL).group()  # type: ignore[union-attr]


def test_they_are_shown_with_their_boxes_and_left_out(client: TestClient, session: Session, parts: Path) -> None:
    before = {path: path.read_bytes() for path in parts.rglob("*")}
    session.give(parts)
    state = idle(session)
    assert state.data is not None
    assert (state.data.task, state.failure) == ("detection", None)
    assert state.checkup is not None
    assert {"exact-duplicates", "truncated"} <= {found.name for found in state.checkup.findings}
    rows = {path: row for row, path in enumerate(state.checkup.dataset.paths)}
    page = client.get("/check").text
    assert "Boxes of each class" in page
    assert all(f"<bdi>{name}</bdi>" in page for name in COLOURS)
    assert 'name="label"' not in page  # an image of several boxes has no one class that could be another
    (of_nuts, of_bolts) = (client.get(f"/class/{label}").text for label in (0, 1))
    assert "11.png" in of_nuts
    assert "11.png" not in of_bolts

    figure = figure_of(of_nuts, rows["05.png"])
    told = json.loads((parts / "annotations.json").read_text("utf-8"))["annotations"]
    assert rectangles(figure) == [each["bbox"] for each in told if each["image_id"] == 5]
    assert "nut, bolt" in figure  # for whoever cannot see them
    (link,) = re.findall(r'href="(/picture/[^"]+)"', figure)
    shown = Image.open(io.BytesIO(client.get(link).content))
    assert max(shown.size) >= 2 * SIDE  # an object in it is asked about

    row = str(rows["copy.png"])
    answer = client.post("/mend", data={"check": "1", "row": row, "do": "without"}, headers=AS_JSON).json()
    assert "1 left out" in answer["changes"]
    client.post("/clean", data={"check": "1"})
    session.check()
    left = idle(session).checkup
    assert left is not None
    assert len(left.dataset) == len(rows) - 2
    assert "exact-duplicates" not in {found.name for found in left.findings}
    assert {path: path.read_bytes() for path in parts.rglob("*")} == before
    assert [path.name for path in parts.parent.iterdir()] == ["parts"]  # nothing is written beside them


def test_what_boxes_have_not_is_refused(client: TestClient, session: Session, parts: Path) -> None:
    session.give(parts)
    idle(session)
    for form in ({"row": "0", "label": "nut"}, {"row": "0"}, {"row": "99999", "do": "without"}):
        assert client.post("/mend", data={"check": "1", **form}, headers=AS_JSON).status_code == 409
    assert session.state.mending == Mending()
    form = client.get("/fit").text
    assert 'name="critical"' not in form  # thresholds are chosen by what is to be found of every class
    assert 'name="every"' in form
    for wrong in ({"critical": "nut", "recall": "95"}, {"every": "1", "recall": "x"}, {"every": "1"}):
        assert client.post("/fit", data={"budget": "60", **wrong}, headers=AS_JSON).status_code == 409
    assert session.state.job is None
    assert client.get("/class/2").url.path == "/check"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("json", "annotations.json: not JSON"),
        ("images", "no box in .* can be used"),
        ("missing", "no image with annotations in"),
        ("strange", "no box in .* can be used"),
        ("empty", "no box in .* can be used"),
    ],
)
def test_boxes_that_cannot_be_read_say_so(session: Session, parts: Path, damage: str, said: str) -> None:
    file = parts / "annotations.json"
    told = json.loads(file.read_text("utf-8"))
    if damage == "json":
        file.write_text(file.read_text("utf-8")[:-40], "utf-8")
    elif damage == "strange":
        file.write_text(json.dumps({**told, "annotations": [{**told["annotations"][0], "bbox": "all of it"}]}), "utf-8")
    elif damage == "empty":
        file.write_text(json.dumps({**told, "annotations": []}), "utf-8")
    for path in parts.glob("*.png") if damage in ("images", "missing") else ():
        path.unlink() if damage == "missing" else path.write_bytes(b"\x89PNG nothing")
    session.give(parts)
    state = idle(session)
    assert state.failure is not None
    assert re.search(said, state.failure[1].message)
    assert state.at == "data"


def test_a_detector_is_fitted_without_what_was_left_out(parts: Path, shared_cache: Path) -> None:
    gone = frozenset({"copy.png", "broken.png"})
    said: Any = Said()
    work = FitWork(
        parts, "detection", parts.parent / "parts-model", budget=1, decision={"recall": 0.9}, mending=Mending(gone)
    )
    made = work.run(said)
    model: Any = topwork.load(work.out)
    assert model.record.task.name == "detection"
    assert model.record.task.choice["recall"] == 0.9
    assert model.record.data.training + model.record.data.held_out == 12
    assert any("AP50" in line for line in made.lines)
    assert made.targets == ("onnx", "openvino")
    assert any(getattr(each, "accuracy", None) for each in said.messages)  # a rung of the ladder, while it climbs
    report = (work.out / "report.html").read_text("utf-8")
    assert report.count("data:image/webp") > 1
    assert 'class="dashed"' in report  # the model's boxes upon held-out images
