"""The page of a model of texts in a real browser, where one is installed."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.report.test_browser import DESKTOP, PHONE, opened, violations
from topwork.report import checkup_page

from .checks.conftest import checked
from .samples import texts
from .test_page import html_of

pytestmark = pytest.mark.slow

UNFOLD = "document.querySelectorAll('details').forEach(each => each.open = true)"


@pytest.mark.parametrize(("language", "width", "scheme"), [("en", PHONE, "dark"), ("ko", DESKTOP, "light")])
def test_everybody_can_read_it_and_nothing_runs(
    browser: Browser,
    tmp_path: Path,
    language: str,
    width: int,
    scheme: str,
) -> None:
    for html in (html_of(language), checkup_page(checked(texts()), language=language)):  # type: ignore[arg-type]
        page, told = opened(browser, html, tmp_path, width=width, color_scheme=scheme)
        assert told == []
        page.evaluate(UNFOLD)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page, _ = opened(browser, html, tmp_path, width=width, color_scheme=scheme, bypass_csp=True)
        assert violations(page) == []


@pytest.mark.parametrize(("language", "width", "height"), [("en", DESKTOP, 800), ("ko", PHONE, 844)])
def test_the_first_screen_has_verdict_texts_and_next_step(
    browser: Browser,
    tmp_path: Path,
    language: str,
    width: int,
    height: int,
) -> None:
    page, _ = opened(browser, html_of(language), tmp_path, width=width)
    for part in (".verdict", ".strip", ".next"):
        box = page.locator(part).bounding_box()
        assert box is not None
        assert box["height"] > 20
        assert box["y"] + box["height"] < height, part
    assert page.locator(".strip .excerpt").first.is_visible()


def test_arabic_runs_from_the_right_and_english_from_the_left(browser: Browser, tmp_path: Path) -> None:
    page, _ = opened(browser, html_of(), tmp_path)
    page.evaluate(UNFOLD)
    for words, side in (("مرحبا", "rtl"), ("A word and another", "ltr"), ("숙소가", "ltr")):
        shown = page.locator(".excerpt").filter(has_text=words).first
        assert shown.evaluate("each => getComputedStyle(each).direction") == side
