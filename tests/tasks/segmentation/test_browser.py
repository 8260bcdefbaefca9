"""A segmenter's page, and the doctor's with masks, in a real browser, where one is installed."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.report.test_browser import DESKTOP, PHONE, opened, violations
from topwork.checking import vet
from topwork.data import MaskDataset
from topwork.report import checkup_page
from topwork.tasks.segmentation.checks import MASKS, QUICK_CHECKS

from .pages import scenes
from .test_page import PACKAGE, html_of

pytestmark = pytest.mark.slow

UNFOLD = "document.querySelectorAll('details').forEach(each => each.open = true)"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> MaskDataset:
    return scenes(tmp_path_factory.mktemp("scenes"))


@pytest.mark.parametrize(("language", "width", "scheme"), [("en", PHONE, "dark"), ("ko", DESKTOP, "light")])
def test_everybody_can_read_it_and_nothing_runs(
    browser: Browser, dataset: MaskDataset, tmp_path: Path, language: str, width: int, scheme: str
) -> None:
    doctor = checkup_page(
        vet(dataset, checks=QUICK_CHECKS, examination=MASKS),
        language=language,  # type: ignore[arg-type]
        packages=(PACKAGE,),
    )
    for html in (html_of(dataset, language), doctor):
        page, told = opened(browser, html, tmp_path, width=width, color_scheme=scheme)
        assert told == []
        page.evaluate(UNFOLD)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page, _ = opened(browser, html, tmp_path, width=width, color_scheme=scheme, bypass_csp=True)
        assert violations(page) == []


@pytest.mark.parametrize(("width", "height"), [(DESKTOP, 800), (PHONE, 844)])
def test_the_first_screen_has_verdict_pictures_and_next_step(
    browser: Browser, dataset: MaskDataset, tmp_path: Path, width: int, height: int
) -> None:
    page, _ = opened(browser, html_of(dataset), tmp_path, width=width)
    for part in (".verdict", ".strip", ".next"):
        box = page.locator(part).bounding_box()
        assert box is not None
        assert box["height"] > 20
        assert box["y"] + box["height"] < height, part
    assert "2 Classes" in " ".join(page.locator(".verdict").inner_text().split())  # the ground is none of them


def test_a_word_of_the_table_is_not_broken_on_a_phone(browser: Browser, dataset: MaskDataset, tmp_path: Path) -> None:
    page, _ = opened(browser, html_of(dataset), tmp_path, width=PHONE)
    name = page.locator("section:has(#class_table) tbody th bdi").first
    assert name.inner_text() == "background"
    lines = name.evaluate("each => new Set([...each.getClientRects()].map(line => Math.round(line.top))).size")
    assert lines == 1


def test_the_pictures_of_a_worst_mask_lie_beside_each_other_and_are_seen(
    browser: Browser, dataset: MaskDataset, tmp_path: Path
) -> None:
    for width in (DESKTOP, PHONE):
        page, _ = opened(browser, html_of(dataset), tmp_path, width=width)
        pictures = page.locator("section:has(#worst) .pictured").first.locator("img")
        assert pictures.count() == 4
        loaded = pictures.evaluate_all(
            "all => all.map(each => [each.complete, each.naturalWidth, each.alt.length > 9])"
        )
        assert loaded == [[True, 288, True]] * 4
        boxes = [each.bounding_box() for each in pictures.all()]
        assert all(box is not None and box["width"] > 60 and box["x"] + box["width"] <= width for box in boxes)
