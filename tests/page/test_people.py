"""The page on a recogniser: who it is, what a threshold costs, and whom it gets to know and forgets."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect

from tests.page.test_browser import give, violations
from tests.tasks.recognition.made import drawn, made
from topwork.server import Settings, create_app
from topwork.tasks import load
from topwork.tasks.recognition import Recognizer

pytest.importorskip("dlib")
pytestmark = pytest.mark.slow


def picture(name: str, *faces: int) -> dict[str, object]:
    return {"name": name, "mimeType": "image/png", "buffer": drawn(*faces)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Path:
    return made().save(tmp_path_factory.mktemp("served") / "people")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    app = create_app(Settings(models=(folder,), watch=0, allow_enrolling=True))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started or app.state.service.lacking():
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = True
    thread.join()


def opened(browser: Browser, address: str, width: int = 1280, query: str = "", scheme: str = "light") -> Page:
    context = browser.new_context(viewport={"width": width, "height": 900}, locale="en-GB", color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.goto(address + query)
    page.locator("#gallery").wait_for()
    return page


def enroll(page: Page, name: str, *pictures: dict[str, object]) -> None:
    page.fill("#enroll-name", name)
    page.set_input_files("#enroll-files", list(pictures))  # type: ignore[arg-type]
    page.check("#enroll-consent")
    page.click("#enroll-now")


def test_somebody_is_enrolled_known_and_forgotten(browser: Browser, address: str, folder: Path) -> None:
    page = opened(browser, address)
    give(page, picture("a.png", 0))
    expect(page.locator("#answer-title")).to_have_text("Nobody I know")
    expect(page.locator("#answer")).to_contain_text("Nobody is enrolled.")
    enroll(page, "<b>Anna</b>", picture("one.png", 0), picture("two.png", 0, 5))
    expect(page.locator("#gallery-said")).to_contain_text("Enrolled: <b>Anna</b>, images: 1.")
    expect(page.locator("#gallery-said")).to_contain_text("two.png: 2 faces were found where one is expected")
    expect(page.locator("#answer-title")).to_contain_text("<b>Anna</b>")
    assert page.locator(".boxes .box").count() == 1
    page.locator("#threshold").fill("0.5")
    expect(page.locator("#threshold-said")).to_contain_text("0.500: of pairs of different people")
    give(page, picture("b.png", 0, 9), picture("c.png", 4))
    expect(page.locator("#table tbody td.words").first).to_have_text("<b>Anna</b>")
    expect(page.locator("#answer .notice")).to_have_text("2 faces were found, and the largest is compared")
    page.click("#people-count")
    page.get_by_role("button", name="Forget <b>Anna</b>").click()
    assert load(folder, Recognizer).gallery.counts == {"<b>Anna</b>": 1}, "it is asked once more"
    page.get_by_role("button", name="Forget <b>Anna</b> for good").click()
    expect(page.locator("#gallery-said")).to_have_text("Forgotten: <b>Anna</b>, images: 1.")
    expect(page.locator("#answer-title")).to_have_text("Nobody I know")
    assert load(folder, Recognizer).gallery.counts == {}


@pytest.mark.parametrize(("width", "scheme", "language"), [(1280, "light", "en"), (390, "dark", "ko")])
def test_everybody_can_use_it(browser: Browser, address: str, width: int, scheme: str, language: str) -> None:
    page = opened(browser, address, width, f"?lang={language}", scheme)
    enroll(page, f"Kim {width}", picture("one.png", 0))
    expect(page.locator("#people li")).to_have_count(1)
    page.set_input_files("#enroll-files", [picture("more.png", 5)])  # type: ignore[list-item]
    give(page, picture("a.png", 0), picture("b.png", 0, 9))
    page.locator(".bars").wait_for()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.focus("#threshold")
    before = page.locator("#threshold-said").inner_text()
    page.keyboard.press("Home")
    assert page.locator("#threshold-said").inner_text() != before
    page.locator("#people button").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator("#people li")).to_have_count(0)
    expect(page.locator("#gallery-title")).to_be_focused()
