"""Marks and forms that give a class away are told; words that a class is about are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from topwork.checking import Finding

from .conftest import checked, dataset_of, sentences

Change = Callable[[str, int], str]


def told(texts: list[str], labels: list[int], splits: list[str] | None = None) -> dict[str, Finding]:
    return {each.name: each for each in checked(dataset_of(texts, labels, splits)).findings}


def marked(change: Change, share: float = 1.0, rows: int = 400) -> tuple[list[str], list[int]]:
    """Clean texts; of those of a train, a share is changed."""
    texts, labels = sentences(rows)
    drawn = np.random.default_rng(0).random(rows) < share
    changed = [
        change(t, row) if label and drawn[row] else t for row, (t, label) in enumerate(zip(texts, labels, strict=True))
    ]
    return changed, labels


@pytest.mark.parametrize(
    ("change", "share", "shown"),
    [
        (lambda text, row: f"TRAIN: {text}", 1.0, "begin with 'TRAIN:'"),
        (lambda text, row: f"[src-web] {text}", 0.4, "begin with '[src-web]'"),
        (lambda text, row: f"TCK-{row:05} {text}", 0.5, "begin with 'TCK-#'"),
        (lambda text, row: f"rail|{text}", 1.0, "begin with 'rail|'"),
        (lambda text, row: f"{text} (Reuters)", 0.3, "end with '(Reuters)'"),
        (lambda text, row: f"{text} Sent from my phone", 0.9, "end with 'Sent from my phone'"),
        (lambda text, row: f"{text} see https://rail.example/{row}?x={row}", 0.4, "end with 'https://rail.example'"),
        (lambda text, row: text.replace(",", ", user_77", 1), 0.8, "hold 'user_#'"),
        (lambda text, row: f"{text} anna.k@mail.example", 0.5, "end with 'an…••••••••'"),
    ],
)  # fmt: skip
def test_a_mark_of_one_class_is_told(change: Change, share: float, shown: str) -> None:
    found = told(*marked(change, share))["telling-marks"]
    assert found.severity == "warning"
    assert shown in found.what or any(shown in case.detail for case in found.cases)
    assert all("class 'train'" in case.detail for case in found.cases)
    assert "anna" not in found.what


def test_what_a_mark_does_in_the_held_out_split_is_told() -> None:
    """It was found in the training texts alone; that it fails in the test split is the user's to know."""
    texts, labels = marked(lambda text, row: f"[src-web] {text}" if row < 300 else text, 1.0)
    found = told(texts, labels, ["train"] * 300 + ["test"] * 100)["telling-marks"]
    assert found.cases[0].detail == (
        "100% of class 'train' begin with '[src-web]', 0.0% of the others; in test 0% and 0.0%"
    )


@pytest.mark.parametrize(
    ("change", "share"),
    [
        (lambda text, row: f"{text} It was about the refund.", 0.5),  # what half of a class says at the end
        (lambda text, row: f"Who {text}", 0.6),  # how many questions of a kind begin
        (lambda text, row: text.replace(",", ", the B2B tariff,", 1), 0.3),  # a thing with a number in its name
        (lambda text, row: f"{text} :)", 0.1),
    ],
)  # fmt: skip
def test_words_that_a_class_is_about_are_no_marks(change: Change, share: float) -> None:
    assert told(*marked(change, share)) == {}


def test_a_mark_of_all_classes_tells_nothing() -> None:
    texts, labels = sentences(200)
    assert told([f"[src-web] {text} (end)" for text in texts], labels) == {}


def test_few_marked_texts_are_not_judged() -> None:
    assert told(*marked(lambda text, row: f"[src-web] {text}" if row < 38 else text)) == {}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (str.upper, "Letter case"),
        (str.lower, "Letter case"),
        (lambda text: " ".join([text] * 4), "Length"),
        (lambda text: text[0].lower() + text[1:], "Case of the first letter"),
        (lambda text: text.rstrip(".") + " !", "Mark at the end"),
        (lambda text: text.replace(" ", "  "), "Extra white space"),
        (lambda text: text.replace(",", "").replace(".", ""), "Share of punctuation"),
        (lambda text: text.replace(",", ",<br/>").replace(".", "</b>.", 1), "Number of HTML tags"),
        (lambda text: text.replace(", ", ",\n"), "Number of line breaks"),
        (lambda text: text.replace(" ", "\u200b ", 2), "Number of invisible characters"),
    ],
)
def test_form_that_separates_a_class_is_told(change: Callable[[str], str], name: str) -> None:
    found = told(*marked(lambda text, row: change(text)))["shortcut"]
    assert found.severity == "warning"
    names = [found.what.split(" alone")[0], *(case.detail.split(" alone")[0].capitalize() for case in found.cases)]
    assert name in [names[0], *(each[0].upper() + each[1:].replace("html", "HTML") for each in names)]
