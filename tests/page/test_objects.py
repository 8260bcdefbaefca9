"""The page on a detector: boxes over the picture, the same as a list, and a threshold that asks nobody again."""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.model.samples import photos
from tests.page.test_browser import give, violations
from tests.tasks.detection.made import made
from topwork.server import Settings, create_app
from topwork.tasks.detection import Detector

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def detector() -> Detector:
    return made(thresholds=(0.3, 0.4, 0.5))


@pytest.fixture(scope="module")
def address(detector: Detector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server itself, with a detector."""
    folder = detector.save(tmp_path_factory.mktemp("served") / "animals")
    app = create_app(Settings(models=(folder,), watch=0))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started or app.state.service.lacking():
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Photographs, one of them turned by its EXIF tag."""
    folder, exif = tmp_path_factory.mktemp("photos"), Image.Exif()
    exif[0x0112] = 6
    for name, photo, more in zip(("a.jpg", "turned.jpg", "c.jpg"), photos(), ({}, {"exif": exif}, {}), strict=False):
        Image.open(photo).convert("RGB").resize((480, 320)).save(folder / name, **more)
    return sorted(folder.iterdir())


def opened(browser: Browser, address: str, *, width: int = 1280, query: str = "", scheme: str = "light") -> Page:
    context = browser.new_context(viewport={"width": width, "height": 900}, locale="en-GB", color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(address + query)
    return page


def slide(page: Page, value: float) -> None:
    page.locator("#threshold").fill(str(value))


def test_boxes_lie_where_predict_has_them(
    browser: Browser, address: str, detector: Detector, files: list[Path]
) -> None:
    page = opened(browser, address)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "predict" in request.url else None)
    (file,) = [each for each in files if each.stem == "turned"]
    give(page, file)
    page.locator(".boxes").wait_for()
    own, (low,) = detector.predict([file])[0], detector.predict([file], threshold=0.35)
    assert page.locator(".objects li").count() == page.locator(".boxes .box").count() == len(own) > 0
    slide(page, 0.35)
    expect(page.locator(".objects li")).to_have_count(len(low))
    assert len(low) != len(own)
    view = page.locator(".boxes svg").get_attribute("viewBox")
    assert view == "0 0 320 480", "as the browser shows it"
    shown = page.locator(".boxes .box").evaluate_all(
        "all => all.map(each => ['x', 'y', 'width', 'height'].map(name => Number(each.getAttribute(name))))"
    )
    expected = [each["bbox"] for each in low.to_dict()["objects"]]
    assert shown[::-1] == expected
    picture, drawing = (page.locator(each).bounding_box() for each in (".frame img", ".boxes svg"))
    assert picture == drawing
    assert len(asked) == 1, "the slider asks nobody"
    page.click("#threshold-own")
    expect(page.locator(".objects li")).to_have_count(len(own))
    slide(page, 1)
    expect(page.locator("#answer-title")).to_have_text("Nothing found")
    expect(page.locator("#status")).to_contain_text("objects found: 0")


def test_evidence_lies_over_the_picture_where_it_is_asked_for(
    browser: Browser, address: str, detector: Detector, files: list[Path]
) -> None:
    page = opened(browser, address)
    give(page, files[0])
    page.locator(".boxes").wait_for()
    assert page.locator(".overlay").count() == 0
    page.check("#evidence")
    page.locator(".overlay").wait_for()
    (surest, *_) = detector.predict(files[:1])[0]
    expect(page.locator("figcaption")).to_contain_text(f"the surest object ({surest.label})")
    assert page.locator(".boxes .box").count() > 0, "the boxes stay"
    page.uncheck("#evidence")
    expect(page.locator(".overlay")).to_have_count(0)


def test_several_are_a_table_and_a_row_a_box(
    browser: Browser, address: str, detector: Detector, files: list[Path], tmp_path: Path
) -> None:
    page = opened(browser, address)
    give(page, *files)
    expect(page.locator("#status")).to_have_text("3 answered.")
    slide(page, 0.45)
    found = detector.predict(files, threshold=0.45)
    cells = page.locator("#table tbody td.words").all_inner_texts()
    counts = [" ".join(f"{count} {name}" for name, count in sorted(each.counts().items())) for each in found]
    assert [" ".join(sorted(cell.split(", "), key=lambda one: one.split()[1])) for cell in cells] == [
        each or "Nothing found" for each in counts
    ]
    with page.expect_download() as download:
        page.click("#download")
    download.value.save_as(tmp_path / "found.csv")
    with (tmp_path / "found.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(max(len(each), 1) for each in found)
    assert list(rows[0]) == ["path", "label", "score", "xmin", "ymin", "xmax", "ymax", "error"]
    boxes = [row for row in rows if row["label"]]
    corners = [one.corners for each in found for one in each]
    for row, expected in zip(boxes, corners, strict=True):
        said = [float(row[name]) for name in ("xmin", "ymin", "xmax", "ymax")]
        assert said == pytest.approx(expected, abs=0.011)


@pytest.mark.parametrize(("width", "scheme", "language"), [(1280, "light", "en"), (390, "dark", "ko")])
def test_everybody_can_use_it(
    browser: Browser, address: str, files: list[Path], width: int, scheme: str, language: str
) -> None:
    page = opened(browser, address, width=width, query=f"?lang={language}", scheme=scheme)
    page.locator("#input").wait_for()
    give(page, *files)
    page.locator(".objects").wait_for()
    slide(page, 0.2)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator(".boxes").get_attribute("aria-hidden") == "true", "the list says the same"
    assert not page.locator("#certainty-of").is_visible()
    assert page.locator(".wrong").count() == 0
    page.keyboard.press("Tab")
    page.focus("#threshold")
    before = page.locator(".objects li").count()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    assert page.locator(".objects li").count() < before
