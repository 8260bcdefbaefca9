"""The pages in a real browser, where one is installed: nothing is complained of, nothing is asked for, all can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.explain.test_stored import Drawn
from topwork.explain import space_of, stored, write_result
from topwork.report import checkup_page, explained_page, model_page
from topwork.tasks.classification._page import SECTIONS

from .conftest import checkup, each
from .test_advice import ADVICE
from .test_model import NAMES, evaluated, images, model
from .test_seen import CORRUPTED, with_features

DESKTOP, PHONE = 1280, 390  # pixels
PATIENCE = 120_000  # milliseconds; other tests run beside these

pytestmark = pytest.mark.slow


def opened(browser: Browser, html: str, folder: Path, *, width: int = DESKTOP, **how: Any) -> tuple[Page, list[str]]:
    """The page, in the place of any earlier one, and what the browser wrote to its console or asked for beside it."""
    for context in browser.contexts:
        context.close()
    file = folder / "page.html"
    file.write_text(html, "utf-8")
    page = browser.new_context(viewport={"width": width, "height": 900}, **how).new_page()
    page.set_default_timeout(PATIENCE)
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("request", lambda asked: told.extend([] if asked.url.startswith(("data:", "file:")) else [asked.url]))
    page.goto(file.as_uri())
    return page, told


def full_page(language: str, folder: Path) -> str:
    """A page with every section, of names that are hard to fit in."""
    found = with_features(images((*NAMES, *(f"class {'x' * 30} {place}" for place in range(15))), 90), ("embedding",))
    write_result(CORRUPTED, folder / "kept" / "corruptions.png", what="corruptions")
    write_result(Drawn("h" * 300), folder / "kept" / "evidence.png", what="evidence", source="s" * 300)
    return model_page(
        model(found, found.dataset.classes, advice=ADVICE.to_dict()),
        "m" * 80,
        SECTIONS,
        found,
        checkup=checkup(found.dataset, each(found.dataset)),
        explained=stored(folder / "kept"),
        language=language,  # type: ignore[arg-type]
    )


def other_pages() -> tuple[str, str]:
    """The doctor's, and what a network sees."""
    dataset = images(NAMES, 12)
    found = with_features(images(NAMES, 60), ("embedding",))
    assert found.features is not None
    seen = [("", space_of(found.features, seed=0)), ("a.jpg", Drawn())]
    return checkup_page(checkup(dataset, each(dataset))), explained_page(seen, name="m", dataset=found.dataset)


def violations(page: Page) -> list[tuple[str, str]]:
    """What axe-core finds against the accessibility guidelines (WCAG 2 and its own), with everything unfolded."""
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    found = Axe().run(page).response["violations"]
    return [(each["id"], node["html"][:200]) for each in found for node in each["nodes"]]


def test_a_browser_has_nothing_to_complain_of(browser: Browser, tmp_path: Path) -> None:
    page, told = opened(browser, full_page("en", tmp_path), tmp_path)
    assert told == []
    assert page.locator("section").count() == 21
    for html in other_pages():
        assert opened(browser, html, tmp_path)[1] == []


def test_it_would_have_told_of_a_script_and_of_a_request(browser: Browser, tmp_path: Path) -> None:
    found = evaluated(images(NAMES, 60))
    html = model_page(model(found, NAMES), "m", SECTIONS, found)
    spoilt = html.replace("</main>", '<script>alert(1)</script><img src="https://example.com/x.png" alt="x"></main>')
    assert len(opened(browser, spoilt, tmp_path)[1]) >= 2  # both refused by the page's own policy


def test_no_line_is_wider_than_a_phone(browser: Browser, tmp_path: Path) -> None:
    """Tables and code scroll by themselves."""
    for html in (full_page("ko", tmp_path), *other_pages()):
        page, _ = opened(browser, html, tmp_path, width=PHONE)
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE


@pytest.mark.parametrize(("language", "width", "height"), [("en", DESKTOP, 800), ("ko", PHONE, 844)])
def test_the_first_screen_has_verdict_examples_and_next_step(
    browser: Browser, tmp_path: Path, language: str, width: int, height: int
) -> None:
    found = evaluated(images([f"species {place}" for place in range(12)], 120))
    for evaluation in (found, evaluated(images(("cat", "dog"), 30))):
        made = model(evaluation, evaluation.dataset.classes)
        html = model_page(made, "m", SECTIONS, evaluation, language=language)  # type: ignore[arg-type]
        page, _ = opened(browser, html, tmp_path, width=width)
        for part in (".verdict", ".strip", ".next"):
            box = page.locator(part).bounding_box()
            assert box is not None
            assert box["height"] > 20
            assert box["y"] + box["height"] < height, part
        assert page.locator(".strip img").first.is_visible()


def test_no_table_is_cut_on_a_phone(browser: Browser, tmp_path: Path) -> None:
    """Rows become cards, or the table scrolls by itself; no cell lies outside what can be scrolled to."""
    page, _ = opened(browser, full_page("en", tmp_path), tmp_path, width=PHONE)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    cut = page.evaluate(
        """[...document.querySelectorAll('table')].filter(table => {
            const around = table.closest('.wide'), style = getComputedStyle(around)
            const fits = table.scrollWidth <= around.clientWidth + 1
            return !(fits || style.overflowX === 'auto') || (table.matches('.rows') && !fits)
        }).length"""
    )
    assert cut == 0
    assert page.locator("table.rows").count() >= 4
    assert page.locator(".rows thead th").first.evaluate(
        "cell => getComputedStyle(cell.closest('thead')).position"
    ) == ("absolute")


def test_charts_and_cards_stand_side_by_side_where_there_is_room(browser: Browser, tmp_path: Path) -> None:
    page, _ = opened(browser, full_page("en", tmp_path), tmp_path)
    places = {
        name: page.locator(f"section.{name}").bounding_box() for name in ("use", "data", "metrics", "calibration")
    }
    for one, other in (("use", "data"), ("metrics", "calibration")):
        left, right = places[one], places[other]
        assert left is not None
        assert right is not None
        assert (left["y"], left["height"]) == (right["y"], right["height"])  # no hole beneath the shorter one
        assert left["x"] + left["width"] < right["x"]
    chart, words = page.locator(".ladder .beside > *").all()[:2]
    assert chart.bounding_box()["x"] < words.bounding_box()["x"]  # type: ignore[index]


def test_the_menu_is_one_line_and_is_opened_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    page, _ = opened(browser, full_page("en", tmp_path), tmp_path, width=PHONE)
    links = page.locator("nav a")
    assert links.count() == page.locator("section").count() - 1  # all but what can be added
    assert not links.first.is_visible()
    page.locator("nav summary").focus()
    page.keyboard.press("Enter")
    links.last.click()
    assert page.locator("section.repeat").bounding_box()["y"] < 900  # type: ignore[index]


@pytest.mark.parametrize(("language", "width", "scheme"), [("en", PHONE, "dark"), ("ko", DESKTOP, "light")])
def test_everybody_can_read_a_models_page(
    browser: Browser, tmp_path: Path, language: str, width: int, scheme: str
) -> None:
    html = full_page(language, tmp_path)
    page, _ = opened(browser, html, tmp_path, width=width, color_scheme=scheme, bypass_csp=True)
    assert violations(page) == []


@pytest.mark.parametrize(("width", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
def test_everybody_can_read_the_other_pages(browser: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    for html in other_pages():
        page, _ = opened(browser, html, tmp_path, width=width, color_scheme=scheme, bypass_csp=True)
        assert violations(page) == []


def test_it_would_have_found_a_picture_without_words_and_pale_text(browser: Browser, tmp_path: Path) -> None:
    html, _ = other_pages()
    spoilt = html.replace("</main>", '<img src="data:,"><p style="color: #ddd; background: #fff">pale</p></main>')
    page, _ = opened(browser, spoilt, tmp_path, color_scheme="light", bypass_csp=True)
    assert {name for name, _ in violations(page)} == {"image-alt", "color-contrast"}


def test_the_list_of_a_maps_images_is_reached_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    found = with_features(images(NAMES, 60), ("embedding",))
    html = model_page(model(found, NAMES), "m", SECTIONS, found)
    page, _ = opened(browser, html, tmp_path)
    details = page.locator('section[aria-labelledby="space"] details')
    details.locator("summary").focus()
    page.keyboard.press("Enter")
    assert details.locator("li").last.is_visible()
