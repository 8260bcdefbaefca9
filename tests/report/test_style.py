"""The style's colours against WCAG 2.2, and that it asks nothing of the outside."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

CSS = "".join(
    (files(package) / name).read_text("utf-8")
    for package, name in (("topwork.drawing", "colours.css"), ("topwork.report", "templates/style.css"))
)

TEXT = 4.5  # contrast that level AA asks of text (1.4.3)
SHAPES = 3.0  # and of what is no text but carries meaning (1.4.11)

PAIRS = [
    *((text, ground) for text in ("text", "muted", "link") for ground in ("ground", "card", "panel")),
    *(("text", f"{name}-ground") for name in ("good", "warning", "blocks")),  # a verdict's sentences
    ("text", "note-ground"),  # a class's name on its bar
    *((name, f"{name}-ground") for name in ("blocks", "warning", "note", "good")),
]


def colours(css: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", css))


LIGHT, _, rest = CSS.partition("@media (prefers-color-scheme: dark)")
SCHEMES = {"light": colours(LIGHT), "dark": colours(rest)}


def luminance(colour: str) -> float:
    """Relative luminance as WCAG defines it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_formula() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


def test_both_schemes_have_all_colours() -> None:
    assert SCHEMES["light"].keys() == SCHEMES["dark"].keys()
    assert set(re.findall(r"var\(--([a-z-]+)", CSS)) <= SCHEMES["light"].keys() | {
        "side",
        "share",
        "gap",
        "inset",
        "count",
    }
    assert not re.findall(r"(?<!: )#[0-9a-f]{3,6}\b", CSS)  # every colour has a name


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_can_be_read(scheme: str, text: str, ground: str) -> None:
    assert contrast(SCHEMES[scheme][text], SCHEMES[scheme][ground]) >= TEXT


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", ["blocks", "warning", "note"])
def test_a_findings_border_can_be_seen(scheme: str, name: str) -> None:
    assert contrast(SCHEMES[scheme][name], SCHEMES[scheme]["card"]) >= SHAPES


def test_the_style_asks_for_nothing() -> None:
    assert not re.search(r"url\(|@import|https?:", CSS)
