"""The page's HTML and files, without a browser."""

from __future__ import annotations

import re

import pytest

from tests.report.pages import parsed
from topwork._texts import catalogue
from topwork.errors import ReportError
from topwork.page import POLICY, WEB_POLICY, Answers, page_html, static_files

KINDS: tuple[Answers, ...] = ("server", "web")


def texts(language: str) -> dict[str, str]:
    return catalogue("topwork.page", language)["texts"]


@pytest.mark.parametrize("answers", KINDS)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_all_that_the_page_says_stands_in_its_language(answers: Answers, language: str) -> None:
    page = parsed(page_html([{"name": "m"}], answers=answers, language=language))  # type: ignore[arg-type]
    said = {node.attributes["data-t"]: node.text for node in page.nodes() if "data-t" in node.attributes}
    assert len(said) > 20
    assert said == {key: texts(language)[key] for key in said}


@pytest.mark.parametrize("answers", KINDS)
def test_nothing_is_inline_and_nothing_lies_elsewhere(answers: Answers) -> None:
    page = parsed(page_html([{"name": "m"}], answers=answers))
    assert not page.all("style")
    for node in page.nodes():
        assert not {"style", *(name for name in node.attributes if name.startswith("on"))} & node.attributes.keys()
    scripts = [node.attributes for node in page.all("script")]
    assert [each.get("src", each["type"]) for each in scripts] == ["application/json", "static/page.js"]
    asked = [node.attributes[name] for node in page.nodes() for name in ("src", "href") if name in node.attributes]
    assert {each for each in asked if not each.startswith("static/")} == {"data:,"}
    assert {each.removeprefix("static/") for each in asked if each.startswith("static/")} <= static_files(
        answers
    ).keys()


def test_a_models_name_is_text_and_nothing_else() -> None:
    name = "</title><script>alert(1)</script>&\u202e"
    assert "<script>alert" not in page_html([{"name": name}], answers="server")
    assert parsed(page_html([{"name": name}], answers="server")).one("h1").text.startswith("Try </title>")


@pytest.mark.parametrize("answers", KINDS)
def test_every_module_that_is_imported_is_there_and_no_other(answers: Answers) -> None:
    files = static_files(answers)
    modules = {name: content.decode() for name, content in files.items() if name.endswith(".js")}
    imported = {name for module in modules.values() for name in re.findall(r'(?:from|import) "\./([\w.-]+)"', module)}
    assert imported | {"page.js", f"{answers}.js"} == modules.keys()


@pytest.mark.parametrize("answers", KINDS)
def test_every_text_that_is_asked_for_is_there_and_every_one_is_used(answers: Answers) -> None:
    script = "".join(content.decode() for kind in KINDS for content in static_files(kind).values())
    quoted = set(re.findall(r'"([a-z_]+)"', script)) | {f"input_{kind}" for kind in ("text", "image")}
    html = "".join(page_html([], answers=kind) for kind in KINDS)
    used = {key for key in texts("en") if key in quoted or f'data-t="{key}"' in html}
    assert texts("en").keys() == used
    assert set(re.findall(r'\bt\("(\w+)"', script)) <= texts("en").keys()


def test_the_policies_allow_what_is_needed_and_no_more() -> None:
    for policy in (POLICY, WEB_POLICY):
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe-inline" not in policy
        assert "'unsafe-eval'" not in policy
        assert not re.search(r"https?:|\*", policy)
    assert 'http-equiv="Content-Security-Policy"' in page_html([], answers="web")  # no server is there to send it


def test_a_language_that_is_not_there_is_refused() -> None:
    with pytest.raises(ReportError, match="'fr'"):
        page_html([], answers="server", language="fr")  # type: ignore[arg-type]
