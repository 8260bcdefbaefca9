"""The page on a segmenter: the mask over the picture, a legend with switches, and its file; many images as a table."""

from __future__ import annotations

import csv
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.page.test_browser import give, violations
from tests.page.test_objects import opened
from tests.tasks.segmentation.made import drawn, segmenter
from topwork.server import Settings, create_app
from topwork.tasks.segmentation import Segmenter
from topwork.tasks.segmentation.instances import Splitting

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def models() -> dict[str, Segmenter]:
    splitting = Splitting(border=False, threshold=0.5, depth=1.0, least_area=4).to_dict()
    nuclei = segmenter(classes=("background", "nucleus"), splitting=splitting, threshold=0.5)
    return {"kinds": segmenter(classes=("ground", "disc", "<b>square")), "nuclei": nuclei}


@pytest.fixture(scope="module")
def address(models: dict[str, Segmenter], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folders = tuple(model.save(tmp_path_factory.mktemp("served") / name) for name, model in models.items())
    app = create_app(Settings(models=folders, watch=0))
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
    """Drawings, one of them turned by its EXIF tag."""
    folder, exif = tmp_path_factory.mktemp("drawings"), Image.Exif()
    exif[0x0112] = 6
    for seed, (name, more) in enumerate((("a.png", {}), ("b.png", {}), ("turned.jpg", {"exif": exif}))):
        Image.fromarray(drawn(seed, 160)[0][:120]).save(folder / name, **more)
    return sorted(folder.iterdir())


def painted(page: Page) -> np.ndarray:
    """uint8 (H, W, 4), what is drawn over the picture."""
    read = """each => [each.height, each.width, Array.from(
        each.getContext("2d").getImageData(0, 0, each.width, each.height).data)]"""
    height, width, numbers = page.locator("canvas.mask").evaluate(read)
    return np.array(numbers, np.uint8).reshape(height, width, 4)


def choose(page: Page, model: str) -> None:
    page.locator("#input").wait_for()
    page.select_option("#model", label=model)


def test_the_mask_lies_where_predict_has_it(
    browser: Browser, address: str, models: dict[str, Segmenter], files: list[Path]
) -> None:
    page, model = opened(browser, address), models["kinds"]
    choose(page, "kinds")
    turned = files[-1]
    give(page, turned)
    page.locator("canvas.mask").wait_for()
    (found,) = model.predict([turned])
    assert found.labels.shape == (160, 120), "as it is shown"
    there = painted(page)
    assert ((there[..., 3] > 0) == (found.labels > 0)).all()
    for label, colour in ((1, (0, 114, 178)), (2, (230, 159, 0))):  # those of predict --draw
        assert (abs(there[found.labels == label][:, :3].astype(int) - colour) <= 2).all()
    picture, drawing = (page.locator(each).bounding_box() for each in (".frame img", "canvas.mask"))
    assert picture == drawing
    assert sorted(page.locator(".legend bdi").all_inner_texts()) == ["<b>square", "disc"]
    page.get_by_role("checkbox", name="disc").uncheck()
    assert ((painted(page)[..., 3] > 0) == (found.labels == 2)).all()
    page.get_by_role("checkbox", name="disc").check()
    page.locator("#opacity").fill("20")
    assert page.locator("canvas.mask").evaluate("each => getComputedStyle(each).opacity") == "0.2"


def test_objects_are_counted_lined_and_saved(
    browser: Browser, address: str, models: dict[str, Segmenter], files: list[Path], tmp_path: Path
) -> None:
    page = opened(browser, address)
    choose(page, "nuclei")
    expect(page.locator("#facts")).to_have_text(re.compile("^1 class of pixels"))
    give(page, files[0])
    page.locator("canvas.mask").wait_for()
    (found,) = models["nuclei"].predict([files[0]])
    assert found.objects is not None
    expect(page.locator("#answer-title")).to_have_text(f"{found.count} objects")
    expect(page.locator("#status")).to_have_text(f"a.png: {found.count} objects.")
    there = painted(page)
    assert ((there[..., 3] > 0) == (found.objects > 0)).all()
    inside = found.objects[1:-1, 1:-1]
    same = [found.objects[1:-1, :-2], found.objects[1:-1, 2:], found.objects[:-2, 1:-1], found.objects[2:, 1:-1]]
    edge = (inside > 0) & ~np.logical_and.reduce([each == inside for each in same])
    assert ((there[1:-1, 1:-1, 3] == 255) == edge).all()
    with page.expect_download() as download:
        page.get_by_role("link", name="Save the mask").click()
    assert download.value.suggested_filename == "a.png"
    download.value.save_as(tmp_path / "a.png")
    assert (np.asarray(Image.open(tmp_path / "a.png")) == found.objects).all()


def test_several_are_a_table_and_a_row_a_class(
    browser: Browser, address: str, models: dict[str, Segmenter], files: list[Path], tmp_path: Path
) -> None:
    page = opened(browser, address)
    choose(page, "kinds")
    bad = {"name": "bad.png", "mimeType": "image/png", "buffer": files[0].read_bytes()[:200]}
    give(page, *({"name": each.name, "mimeType": "", "buffer": each.read_bytes()} for each in files), bad)
    expect(page.locator("#status")).to_have_text("4 answered, 1 of them could not be used.")
    with page.expect_download() as download:
        page.click("#download")
    download.value.save_as(tmp_path / "found.csv")
    with (tmp_path / "found.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    told = {(row["path"], row["label"]): float(row["share"]) for row in rows if not row["error"]}
    expected = {
        (file.name, name): round(share, 6)
        for file, each in zip(files, models["kinds"].predict(files), strict=True)
        for name, share in each.shares().items()
        if name != "ground"
    }
    assert told == expected
    assert [row["path"] for row in rows if row["error"]] == ["bad.png"]


@pytest.mark.parametrize(("width", "scheme", "language"), [(1280, "light", "en"), (390, "dark", "ko")])
def test_everybody_can_use_it(
    browser: Browser, address: str, files: list[Path], width: int, scheme: str, language: str
) -> None:
    page = opened(browser, address, width=width, query=f"?lang={language}", scheme=scheme)
    choose(page, "nuclei")
    give(page, *files)
    page.locator("canvas.mask").wait_for()
    expect(page.locator("#several td.words")).to_have_count(3)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator("canvas.mask").get_attribute("aria-hidden") == "true", "the legend says the same"
    page.get_by_role("checkbox", name="nucleus").focus()
    page.keyboard.press("Space")
    assert not painted(page)[..., 3].any()
    page.keyboard.press("Space")
    page.focus("#opacity")
    page.keyboard.press("ArrowLeft")
    assert page.locator("#opacity").input_value() == "75"
