"""A detector's page, and the doctor's with boxes, in a real browser, where one is installed."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.report.test_browser import DESKTOP, PHONE, opened, violations
from topwork.report import checkup_page

from .checks.conftest import boxes_of, checked
from .checks.test_boxes import FAULTS
from .pages import evaluated, scenes
from .test_page import html_of

pytestmark = pytest.mark.slow

UNFOLD = "document.querySelectorAll('details').forEach(each => each.open = true)"


@pytest.mark.parametrize(("language", "width", "scheme"), [("en", PHONE, "dark"), ("ko", DESKTOP, "light")])
def test_everybody_can_read_it_and_nothing_runs(
    browser: Browser, tmp_path: Path, language: str, width: int, scheme: str
) -> None:
    flawed = checked(boxes_of(tmp_path, FAULTS["nearly-equal-boxes"][0]))
    doctor = checkup_page(flawed, language=language, packages=("topwork.tasks.detection",))  # type: ignore[arg-type]
    for html in (html_of(evaluated(scenes(tmp_path)), language), doctor):
        page, told = opened(browser, html, tmp_path, width=width, color_scheme=scheme)
        assert told == []
        page.evaluate(UNFOLD)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page, _ = opened(browser, html, tmp_path, width=width, color_scheme=scheme, bypass_csp=True)
        assert violations(page) == []


@pytest.mark.parametrize(("language", "width", "height"), [("en", DESKTOP, 800), ("ko", PHONE, 844)])
def test_the_first_screen_has_verdict_pictures_and_next_step(
    browser: Browser, tmp_path: Path, language: str, width: int, height: int
) -> None:
    page, _ = opened(browser, html_of(evaluated(scenes(tmp_path)), language), tmp_path, width=width)
    for part in (".verdict", ".strip", ".next"):
        box = page.locator(part).bounding_box()
        assert box is not None
        assert box["height"] > 20
        assert box["y"] + box["height"] < height, part
    assert page.locator(".strip .boxed").first.is_visible()


def test_a_box_lies_on_the_pixels_that_it_is_of_at_any_width(browser: Browser, tmp_path: Path) -> None:
    """The picture and its boxes are one drawing: a box of a third of the width covers a third of it on a phone too."""
    dataset = scenes(tmp_path)
    for width in (DESKTOP, PHONE):
        page, _ = opened(browser, html_of(evaluated(dataset)), tmp_path, width=width)
        for drawn in page.locator("section.misses .boxed").all()[:3]:
            shares = drawn.evaluate(
                """svg => {
                    const whole = svg.querySelector('image').getBoundingClientRect()
                    const boxes = [...svg.querySelectorAll('rect.edge')]
                    return boxes.map(box => [(box.getBoundingClientRect().x - whole.x) / whole.width * 160
                        - Number(box.getAttribute('x'))])
                }"""
            )
            assert shares == [[pytest.approx(0, abs=1.5)]] * len(shares) != []
