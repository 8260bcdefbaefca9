"""What a notebook shows of results: escaped, small, without colours of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.report.pages import Node, parsed
from tests.report.test_advice import ADVICE
from tests.report.test_model import NAMES, evaluated, images, model
from topwork._html import MOST_ROWS, escaped, html_table
from topwork.checking import Case, Checkup, Finding
from topwork.data import from_arrays
from topwork.metrics import evaluate
from topwork.model import Prediction
from topwork.model._predictions import Predictions

HOSTILE = "<script>alert(1)</script>\u202e\n\"'&\udcff"


def shown(result: Any) -> tuple[str, Node, list[list[str]]]:
    html = result._repr_html_()
    page = parsed(f"<html>{html}</html>")
    assert not page.all("script", "style", "link", "img")
    assert "alert(1)<" not in html
    assert "\u202e" not in html
    html.encode("utf-8")  # no half of a pair, which a notebook's file could not hold
    return html, page, [[cell.text for cell in row.all("th", "td")] for row in page.all("tr")]


def checkup(*findings: Finding) -> Checkup:
    dataset = from_arrays(np.zeros((2, 8, 8, 3), np.uint8), ["a", "b"])
    return Checkup(dataset, findings, None, (), {1: "damaged"}, ())


def test_an_evaluation_has_every_figure_with_its_interval() -> None:
    rng = np.random.default_rng(0)
    found = evaluate(rng.dirichlet(np.ones(3), 40), rng.integers(0, 2, 40), [HOSTILE, "b", "c"])
    _, page, rows = shown(found)
    told = dict(rows[1:])
    low, high = 100 * found.accuracy.low, 100 * found.accuracy.high
    assert told["accuracy"] == f"{found.accuracy.value:.1%} ({low:.1f} to {high:.1f})"
    assert told["log_loss"].startswith(f"{found.log_loss.value:.4f} (")
    assert "Not measured: 1 of the 3 classes" in page.text


def test_a_model_tells_its_classes_and_how_good_it_is() -> None:
    found = evaluated(images(NAMES, 60))
    made = model(found, NAMES)
    _, _, rows = shown(made)
    told = dict(rows)
    assert told["strategy"] == made.record.strategy
    assert told["accuracy"].startswith(f"{found.evaluation.accuracy.value:.1%}")
    assert "accuracy" not in dict(shown(model(None, NAMES))[2])


def test_a_checkup_tells_its_findings() -> None:
    finding = Finding("blurred", "warning", 1, HOSTILE, "leave it out", (Case(("a",), "x"),))
    _, page, rows = shown(checkup(finding))
    assert rows[1][:2] == ["warning", "blurred"]
    assert "2 images, 1 of them usable" in page.text
    assert "Nothing was found." in shown(checkup())[1].text


def test_advice_marks_what_was_chosen() -> None:
    _, page, rows = shown(ADVICE)
    assert [row[1] for row in rows[1:] if row[0] == "chosen"] == [ADVICE.chosen.name]
    assert rows[1][3] == "–"
    assert ADVICE.changes[0] in page.text


def test_predictions_are_a_list_that_is_shown_as_a_table() -> None:
    found = Predictions(
        [
            Prediction(HOSTILE, "bee", 0.75, {"bee": 0.75, "ant": 0.25}, typicality=0.5),
            Prediction("b.jpg", "", 0.0, {}, "damaged"),
        ]
    )
    assert found == list(found)
    assert isinstance(found, list)
    _, _, rows = shown(found)
    first, second = (dict(zip(rows[0], row, strict=True)) for row in rows[1:])
    assert (first["label"], first["probability"], first["unfamiliar"]) == ("bee", "0.7500", "no")
    assert (second["error"], second["label"]) == ("damaged", "")
    assert shown(found[0])[2][1] == rows[1][: len(shown(found[0])[2][0])]
    assert "0 predictions" in shown(Predictions())[1].text


@pytest.mark.parametrize("text", ["", "plain", HOSTILE, "벌", "x" * 10_000, "\x00\x1b[31m", "\ud800"])
def test_whatever_a_text_holds_it_is_text(text: str) -> None:
    html = escaped(text)
    assert not parsed(f"<html>{html}</html>").all("script", "b")
    assert not set("<>\"'") & set(html)
    assert len(html) < 2_500
    html.encode("utf-8")


def test_of_very_many_rows_the_first_are_shown() -> None:
    html = html_table("t", ("a",), [(str(number),) for number in range(1_000)])
    assert len(parsed(f"<html>{html}</html>").all("tr")) == MOST_ROWS + 1
    assert f"… and {1_000 - MOST_ROWS} more" in html
    assert "color:inherit" in html
    assert "#" not in html  # no colour of its own, so it reads on light and on dark paper
