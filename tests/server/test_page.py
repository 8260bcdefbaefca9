"""The page in a browser, as the real server gives it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import topwork
from tests.model.samples import easy_folder
from tests.server.wire import Server, with_settings
from topwork.page import POLICY

pytestmark = pytest.mark.slow

TOKEN = "a-token-of-tests"


@pytest.fixture(scope="module")
def guarded(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a token, of a model that knows its training images by sight and of one of texts."""
    folder = tmp_path_factory.mktemp("guarded")
    data = easy_folder(folder / "easy")
    topwork.fit(data, strategy="probe", thumbnails=True).save(folder / "seen")
    with with_settings(folder, [folder / "seen", texts], token=TOKEN, collect=folder / "collected") as server:
        yield server


@pytest.fixture
def page(guarded: Server, browser: Browser) -> Iterator[Page]:
    page = browser.new_context(locale="en-GB").new_page()
    page.set_default_timeout(30_000)
    page.goto(f"http://127.0.0.1:{guarded.port}/")
    page.fill("#token-value", TOKEN)
    page.keyboard.press("Enter")
    page.locator("#input").wait_for()
    yield page
    page.context.close()


def test_its_policy_comes_with_it_and_its_files_need_no_token(guarded: Server) -> None:
    for path in ("/", "/static/page.js", "/static/page.css"):
        reply = guarded.ask("GET", path)
        assert reply.status == 200
        assert reply.headers["content-security-policy"] == POLICY
    assert guarded.ask("GET", "/static/web.js").refused(404)
    assert guarded.ask("GET", "/models").refused(401)


def test_an_image_is_answered_with_its_neighbours(page: Page, photos: list[Path]) -> None:
    page.set_input_files("#files", photos[0])
    expect(page.locator("#answer-title")).to_contain_text("photo")
    page.check("#nearest")
    expect(page.locator(".nearest img")).to_have_count(6)
    assert page.locator(".nearest img").first.evaluate("image => image.complete && image.naturalWidth") > 0
    assert page.locator(".nearest figcaption").first.inner_text().startswith("photo, similarity ")


def test_its_evidence_lies_upon_the_image(page: Page, photos: list[Path]) -> None:
    page.set_input_files("#files", photos[0])
    page.check("#evidence")
    assert page.locator(".overlay").evaluate("image => image.complete && image.naturalWidth") > 0
    overlay, image = page.locator(".overlay").bounding_box(), page.locator(".frame img").first.bounding_box()
    assert overlay is not None
    assert image is not None
    assert overlay["x"] >= image["x"] - 1
    assert overlay["x"] + overlay["width"] <= image["x"] + image["width"] + 1


def test_a_correction_becomes_a_labelled_image(page: Page, guarded: Server, photos: list[Path]) -> None:
    page.set_input_files("#files", photos[1])
    page.locator(".wrong summary").click()
    page.select_option(".wrong select", "textile")
    page.click(".wrong button")
    expect(page.locator(".wrong [role=status]")).to_have_text("Saved as an example of textile.")
    (kept,) = (guarded.log.parent / "collected" / "textile").iterdir()
    assert kept.read_bytes() == photos[1].read_bytes()


def test_what_is_no_image_and_several_at_once(page: Page, photos: list[Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff no image")
    page.set_input_files("#files", [*photos[:9], bad])
    expect(page.locator("#status")).to_have_text("10 answered, 1 of them could not be used.")


def test_texts_are_answered(page: Page) -> None:
    page.select_option("#model", "1")
    page.fill("#words", "Where is my parcel?")
    page.click("#writing button")
    expect(page.locator(".bars li")).to_have_count(6)
