"""No line of a result contradicts another one, and what nobody measured is told."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.report.test_model import NAMES, SECTIONS, evaluated, images, model, parsed, section
from topwork.metrics import Estimate, SelectiveReport, evaluate
from topwork.model import Evaluated
from topwork.report import model_page
from topwork.tasks.classification._words import WORDS, _p

ALL = Estimate(1.0, 0.9, 1.0)
SURE = (0.95, ALL, Estimate(0.96, 0.9, 0.99))
REFUTED = (0.95, ALL, Estimate(0.85, 0.71, 0.93))


def found(*promises: tuple[float, Estimate | None, Estimate | None]) -> Evaluated:
    reports = [SelectiveReport(level, ALL, 1.0, answered, right) for level, answered, right in promises]
    return dataclasses.replace(evaluated(images(NAMES, 60)), selective=tuple(reports))


def unmeasured() -> Evaluated:
    """Two of three classes have images."""
    whole = evaluated(images(NAMES, 60))
    rows = np.flatnonzero(whole.dataset.labels < 2)
    dataset, said = whole.dataset.select(rows), whole.probabilities[rows]
    return dataclasses.replace(
        whole, evaluation=evaluate(said, dataset.labels.astype(np.intp), NAMES), dataset=dataset, probabilities=said
    )


_SURE = "With predict --abstain {} (expected accuracy {}): 100.0% of them answered, 96.0% of the answers correct"


@pytest.mark.parametrize(
    ("promises", "expected"),
    [
        ([SURE], [_SURE.format("0.95", "95%")]),
        ([REFUTED], ["Promise withdrawn: with predict --abstain 0.95 only 85.0% of the answers are correct"]),
        (
            [(0.9, *SURE[1:]), REFUTED, (0.99, *REFUTED[1:])],
            [
                _SURE.format("0.9", "90%"),
                "Promise withdrawn: with predict --abstain 0.95, 0.99 only 85.0% of the answers are correct",
            ],
        ),
        ([(0.95, None, None)], []),
    ],
)
def test_a_promise_that_the_held_out_images_refute_is_withdrawn(
    promises: list[tuple[float, Estimate | None, Estimate | None]], expected: list[str]
) -> None:
    lines = WORDS.fitted(model(found(*promises), NAMES))
    assert [line for line in lines if "--abstain" in line] == expected


def test_evaluate_withdraws_it_too() -> None:
    told = "Promise withdrawn: with predict --abstain 0.95 only 85.0% of the answers are correct"
    assert told in WORDS.evaluated(found(REFUTED))
    assert told not in WORDS.evaluated(found(SURE))


def test_the_card_and_the_page_withdraw_it() -> None:
    for promise, withdrawn in ((REFUTED, True), (SURE, False)):
        made = model(found(promise), NAMES)
        assert ("| withdrawn |" in made.card(made.record, "m")) == withdrawn
        assert ("A promise is withdrawn where" in made.card(made.record, "m")) == withdrawn
        page = parsed(model_page(made, "m", SECTIONS))
        assert ("only 85.0 % of the answers are correct" in section(page, "answer").text) == withdrawn
        assert ("It is confident on every image" in section(page, "answer").text) != withdrawn
        assert ("withdrawn" in section(page, "selective").text) == withdrawn
        caution = made.record.task.selective
        assert caution is not None
        sure = caution.model_copy(update={"answers": (0.5,) * len(caution.levels)})
        page = parsed(model_page(model(found(promise), NAMES, selective=sure), "m", SECTIONS))
        offered = section(page, "use").all("code")[0].text
        assert ("--abstain 0.94" in offered, "--abstain 0.95" in offered) == (withdrawn, not withdrawn)


def test_classes_that_nobody_measured_are_told_beside_the_figures() -> None:
    result = unmeasured()
    made = model(result, NAMES)
    lines = WORDS.fitted(made)
    assert "Not measured: 1 of the 3 classes, which have no images here" in lines
    assert any(line.startswith("Macro-F1 over the 2 measured classes ") for line in lines)
    lines = WORDS.evaluated(result)
    assert "Not measured: 1 of the 3 classes, which have no images here" in lines
    over = {line[:18].strip() for line in lines if line.endswith(" over the 2 measured classes")}
    assert over == {"Balanced accuracy", "Macro-F1", "ROC-AUC", "Average precision"}
    card = made.card(made.record, "m")
    assert "| macro-F1 over the 2 measured of 3 classes |" in card
    assert "Nobody measured 1 of the classes: no image of them was held out." in card
    page = parsed(model_page(made, "m", SECTIONS))
    assert "Classes without images here, and so not measured: 1" in section(page, "answer").text
    assert [line.endswith(" | 5 | 0 | – | – |") for line in card.splitlines()].count(True) == 1  # no number of no image


def test_where_every_class_was_measured_nothing_is_said_of_it() -> None:
    result = evaluated(images(NAMES, 60))
    made = model(result, NAMES)
    text = "\n".join([*WORDS.fitted(made), *WORDS.evaluated(result), made.card(made.record, "m")])
    assert "easured classes" not in text
    assert "Not measured" not in text
    assert "Nobody measured" not in text


@pytest.mark.parametrize(
    ("value", "told"),
    [(1.0, "p = 1.00"), (0.62, "p = 0.62"), (0.0312, "p = 0.031"), (0.001, "p = 0.001"), (0.00099, "p < 0.001")],
)
def test_p_values_are_told_as_papers_tell_them(value: float, told: str) -> None:
    assert _p(value) == told
