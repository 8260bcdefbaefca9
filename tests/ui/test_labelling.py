"""The page for labelling: clicks become masks of a SAM of random numbers, and what is saved is what ``fit`` reads."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from PIL import Image
from playwright.sync_api import Browser, expect
from starlette.testclient import TestClient

from tests.backbones.segmenters import save
from topwork.data import read_masks
from topwork.errors import DataError
from topwork.server import listening
from topwork.tasks.segmentation.promptable import Promptable
from topwork.ui._door import Door
from topwork.ui._labelling import LabellingSession, labelling_app


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("images")
    for seed in range(2):
        small = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(small).resize((280, 180), Image.Resampling.BILINEAR).save(folder / f"{seed}.png")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Promptable:
    pytest.importorskip("transformers")
    return Promptable.load("someone/sam", weights=save("sam", tmp_path_factory.mktemp("sam") / "sam"), cache=False)


def test_what_is_kept_is_saved_and_read_again(network: Promptable, images: list[Path], tmp_path: Path) -> None:
    session = LabellingSession(network, images, ["cell"], tmp_path / "kept")
    first = session.ask(0, [[140, 90, 1]], None)
    corrected = session.ask(0, [[140, 90, 1], [20, 20, 0]], None)
    assert first["area"] > 0
    assert session.ask(0, [[140, 90, 1], [20, 20, 0]], None) == corrected, "the same prompts, the same mask"
    session.keep(0, [[140, 90, 1]], None, "cell")
    told = session.keep(0, [], [20, 30, 200, 150], " nucleus ")
    assert [each["category"] for each in told["kept"]] == ["cell", "nucleus"]
    assert told["classes"] == ("cell", "nucleus")
    assert len(session.keep(0, [[3, 3, 1]], None, "cell")["kept"]) == 3
    assert len(session.undo(0)["kept"]) == 2
    session.save(0)
    session.keep(1, [[99, 50, 1]], None, "nucleus")
    session.keep(1, [[99, 50, 1]], None, "debris")
    session.save(1)
    dataset = read_masks(tmp_path / "kept")
    assert dataset.classes == ("background", "cell", "nucleus", "debris")
    assert sorted(Path(each).name for each in dataset.paths) == ["0.png", "1.png"]
    assert (dataset.mask(0).labels == session._open[0].labels).all()
    session.save(1)
    again = LabellingSession(network, images, ["leaf", "cell"], tmp_path / "kept")
    assert again.told(0)["classes"] == ("cell", "nucleus", "debris", "leaf"), "the folder's first"
    with pytest.raises(DataError, match="there is a mask of this image already"):
        again.save(0)
    assert (read_masks(tmp_path / "kept").mask(0).labels == session._open[0].labels).all()


@pytest.mark.parametrize(
    ("points", "box"), [([], None), ([[999, 9, 1]], None), ([[9, 9, 0]], None), ([], [9, 9, 3, 3])]
)
def test_prompts_that_are_none_are_told(network: Promptable, images: list[Path], points: Any, box: Any) -> None:
    with pytest.raises(DataError):
        LabellingSession(network, images, ["cell"], Path("nowhere")).ask(0, points, box)


def test_two_of_one_name_and_none_are_refused(network: Promptable, images: list[Path], tmp_path: Path) -> None:
    for given, why in (([], "no image"), ([images[0], tmp_path / "0.jpg"], "two images are called 0")):
        with pytest.raises(DataError, match=why):
            LabellingSession(network, given, ["cell"], tmp_path)


def test_the_page_in_korean_is_told_in_korean_what_the_library_refuses(
    network: Promptable, images: list[Path], tmp_path: Path
) -> None:
    door = Door(8765)
    app = labelling_app(LabellingSession(network, images, ["cell"], tmp_path / "kept"), door, "ko")
    with TestClient(app, base_url="http://127.0.0.1:8765") as client:
        client.get(door.address())
        headers = {"Origin": "http://127.0.0.1:8765"}
        none = client.post("/ask", json={"image": 9}, headers=headers)
        outside = client.post("/ask", json={"image": 0, "points": [[999, 9, 1]]}, headers=headers)
    assert none.json()["error"] == "그런 이미지가 없습니다"
    assert re.search("[가-힣]", outside.json()["error"]), outside.json()


@pytest.fixture
def page_at(network: Promptable, images: list[Path], tmp_path: Path) -> Iterator[str]:
    session = LabellingSession(network, images, ["cell"], tmp_path / "kept")
    with listening("127.0.0.1", 0) as listener:
        door = Door(listener.getsockname()[1])
        server = uvicorn.Server(uvicorn.Config(labelling_app(session, door), log_level="warning", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.05)
        yield door.address()
        server.should_exit = True
        thread.join()


@pytest.mark.slow
def test_click_correct_keep_save(browser: Browser, page_at: str, tmp_path: Path) -> None:
    from tests.page.test_browser import violations

    page = browser.new_context(viewport={"width": 390, "height": 900}).new_page()
    page.set_default_timeout(20_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(page_at)
    page.locator("canvas.mask").wait_for()
    page.click("#frame", position={"x": 120, "y": 80})
    expect(page.locator("#said")).to_contain_text("The mask has")
    page.click("#frame", position={"x": 20, "y": 20}, modifiers=["Shift"])
    expect(page.locator(".mark")).to_have_count(3)  # two points and the cursor
    page.click("#back")
    expect(page.locator(".mark", has_text="−")).to_have_count(0)
    page.click("#keep")
    expect(page.locator("#kept li")).to_have_text(["cell"])
    page.fill("#class", "nucleus")
    page.focus("#frame")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("The mask has")
    page.click("#keep")
    expect(page.locator("#kept li")).to_have_text(["cell", "nucleus"])
    page.click("#save")
    expect(page.locator("#said")).to_contain_text("Saved")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert complaints == []
    page.context.close()
    assert read_masks(tmp_path / "kept").classes == ("background", "cell", "nucleus")
