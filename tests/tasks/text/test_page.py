"""The page of a model of texts: what stands where images do, and that no text can break it or run in it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from tests.report.pages import Node, parsed
from tests.report.test_model import section
from topwork.checking import Case, Finding, vet
from topwork.errors import ReportError
from topwork.report import checkup_page, model_page, require_free, write_page
from topwork.tasks.text._page import SECTIONS
from topwork.tasks.text.checks import QUICK_CHECKS, TEXTS

from .checks.conftest import dataset_of, sentences
from .samples import CONTROL, KOREAN, LONG, RIGHT_TO_LEFT, SCRIPT, UNBROKEN, measured, text_model, texts

IMAGES = re.compile("image|picture|photo|이미지|사진", re.IGNORECASE)


def html_of(language: str = "en") -> str:
    found = measured()
    checkup = vet(found.dataset, checks=QUICK_CHECKS, examination=TEXTS)
    return model_page(text_model(found), "m", SECTIONS, found, checkup=checkup, language=language)  # type: ignore[arg-type]


def excerpts(node: Node) -> list[str]:
    return [each.text for each in node.classed("excerpt")]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_it_speaks_of_texts_and_never_of_images(language: str) -> None:
    page = parsed(html_of(language))
    for name in ("cite", "repeat"):  # the names of programs and of papers
        section(page, name).children.clear()
    said = [node.text for node in page.one("main").nodes() if node.tag not in ("bdi", "code", "pre")]
    assert [text for text in said if IMAGES.search(text)] == []
    assert not page.all("img")
    answer = section(page, "answer").text
    assert ("new texts of this kind" if language == "en" else "같은 종류의 새 텍스트 100건 가운데") in answer
    assert ("0 is perfect" if language == "en" else "맞힌 텍스트의 비율") in section(page, "metrics").text


def test_no_text_is_markup_or_part_of_an_attribute() -> None:
    html = html_of()
    page = parsed(html)
    assert not page.all("script", "img", "b")
    values = [value for node in page.nodes() for value in node.attributes.values()]
    assert not [each for each in values if re.search("alert|x{20}|숙소|مرحبا|A word", each)]
    assert not [name for node in page.nodes() for name in node.attributes if name.startswith("on")]
    assert SCRIPT in " ".join(excerpts(page))
    assert html.encode("utf-8").decode("utf-8") == html


def test_what_cannot_be_seen_is_told_and_what_joins_letters_stays() -> None:
    html = html_of()
    hidden = [each for each in html if not each.isprintable() and each not in "\n\u200c\xa0\u2068\u2069"]
    assert hidden == []
    told = " ".join(excerpts(parsed(html)))
    for escape in (r"\x07", r"\x1b", r"\ud83d", r"\u202e", r"\u2066"):
        assert escape in told
    assert RIGHT_TO_LEFT in told  # with its zero width non-joiner
    assert "bell" in CONTROL


def test_every_text_says_itself_how_it_runs_and_keeps_its_lines() -> None:
    page = parsed(html_of())
    shown = page.classed("excerpt")
    assert {node.attributes["dir"] for node in shown} == {"auto"}
    korean = next(node for node in shown if node.text.startswith("숙소가"))
    assert len(korean.all("br")) == 1
    assert korean.text == " ".join(KOREAN.split())


def test_a_long_text_begins_and_the_whole_is_folded_away() -> None:
    worst = section(parsed(html_of()), "unsure")
    for text, most in ((LONG, 240), (UNBROKEN, 241)):
        cards = [node for node in worst.all("li") if node.classed("whole") and text[:20] in node.text]
        assert cards
        for card in cards:
            beginning, whole = card.classed("excerpt")
            assert len(beginning.text) <= most
            assert beginning.text.endswith("…")
            assert text.startswith(beginning.text.removesuffix("…"))
            assert len(whole.text) >= min(len(text.strip()), 9_990)
            assert f"{len(text.strip()):,} characters" in card.one("summary").text


def test_the_page_stays_small_whatever_the_texts_are() -> None:
    """Signs that take ten characters each as escapes, in texts that are as long as any."""
    found = measured(texts(2_000, tuple(f"{place}" + "\U000e0001" * 20_000 for place in range(40))))
    html = model_page(text_model(found), "m", SECTIONS, found)
    assert len(html.encode()) < 5_000_000
    assert "more characters" in html


def test_the_doctors_findings_show_their_texts(tmp_path: Path) -> None:
    good, labels = sentences(60)
    given = dataset_of([*good, f"{SCRIPT} caf\u00c3\u00a9", "\u200b"], [*labels, 0, 1])
    checkup = vet(given, checks=QUICK_CHECKS, examination=TEXTS)
    page = parsed(checkup_page(checkup, language="ko"))
    assert any("<script>" in text for text in excerpts(page))
    assert not page.all("script", "img")
    assert [node.text for node in page.all("h2")]
    write_page(checkup_page(checkup), tmp_path / "page.html")


def test_accuracy_by_length_is_that_of_each_group() -> None:
    rng = np.random.default_rng(0)
    given = texts(200, ["x" * length for length in rng.integers(1, 400, 100).tolist()])
    found = measured(given)
    (it,) = [each.values(_context(found)) for each in SECTIONS if each.name == "lengths"]
    counted = 0
    for least, most, count, accuracy in it["rows"]:
        inside = [row for row in range(200) if least <= len(given.text(row)) <= most]
        hits = sum(int(found.answers[row] == given.labels[row]) for row in inside)
        assert len(inside) == count
        wilson = binomtest(hits, count).proportion_ci(method="wilson")
        assert (accuracy.low, accuracy.high) == pytest.approx((wilson.low, wilson.high))
        counted += count
    assert counted == 200
    assert it["tokens"] == 256
    same = measured(texts(20, ["same"]))
    assert [each.values(_context(same)) for each in SECTIONS if each.name == "lengths"] == [None]


def _context(found: object) -> object:
    from topwork.report import PageContext, Texts

    return PageContext(text_model(found), "m", found, Texts("en"), None, (), False)  # type: ignore[arg-type]


def test_beside_a_mistake_is_the_text_that_is_most_like_it() -> None:
    given = texts(64, [f"text {place}" for place in range(32)])
    found = measured(given)
    assert found.features is not None
    values = found.features.values
    found = dataclasses.replace(found, features=found.features.select(np.arange(8, 64)))
    (shown,) = [each.values(_context(found)) for each in SECTIONS if each.name == "worst"]
    known = StandardScaler().fit_transform(values[8:])
    near = NearestNeighbors(n_neighbors=2, metric="cosine").fit(known).kneighbors(known, return_distance=False)[:, 1]
    told = {each.picture.name: each.nearest for each in shown}
    assert len(told) > 1
    for name, nearest in told.items():
        row = given.paths.index(name)
        assert (nearest.name if nearest else None) == (given.paths[8 + near[row - 8]] if row >= 8 else None)
    page = parsed(model_page(text_model(found), "m", SECTIONS, found))
    assert "Most similar test text, labelled" in section(page, "worst").text
    assert len(section(page, "worst").classed("nearest")) == sum(each is not None for each in told.values())


def test_commands_and_python_take_a_text() -> None:
    used = section(parsed(html_of()), "use").text
    assert 'topwork predict m --text "a text to classify" --coverage 0.95' in used
    assert "model.predict(['a text to classify'])[0].label" in used


def test_without_data_it_has_figures_alone_and_replaces_no_page_with_texts(tmp_path: Path) -> None:
    page = parsed(model_page(text_model(measured()), "m", SECTIONS))
    assert "topwork report m --data DATA" in section(page, "missing").text
    write_page(html_of(), tmp_path / "report.html")
    lost = [each.name for each in SECTIONS if each.of_images]
    with pytest.raises(
        ReportError, match="this page shows texts, and a page without texts would replace it"
    ) as refused:
        require_free(tmp_path / "report.html", without=lost, thing="text")
    assert refused.value.hint.startswith("give the texts")


def test_a_finding_of_a_text_that_is_gone_has_its_reason() -> None:
    finding = Finding("control-characters", "note", 1, "1 of 2 texts.", "look", (Case(("row 0",), "near 'x'"),))
    checkup = vet(texts(8, ("", "fine")), checks=(lambda examined: [finding],), examination=TEXTS)
    page = parsed(checkup_page(checkup))
    assert "the text is empty" in page.text
