"""No line of a result contradicts another one, and what nobody measured is told."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from tests.report.test_model import NAMES, SECTIONS, evaluated, images, model, parsed, section
from topwork.advising import Advice, Description, FeatureSpec, Rung
from topwork.metrics import Estimate, SelectiveReport, evaluate
from topwork.model import Evaluated, TrialRecord
from topwork.report import model_page
from topwork.report.sections import p_value
from topwork.tasks._classes._advised import why_kept
from topwork.tasks._classes._words import WORDS, _choices

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
        assert ("--abstain 0.93" in offered, "--abstain 0.95" in offered) == (withdrawn, not withdrawn)


def test_classes_that_nobody_measured_are_told_beside_the_figures() -> None:
    result = unmeasured()
    made = model(result, NAMES)
    lines = WORDS.fitted(made)
    assert "Not measured: 1 of the 3 classes, which have no images here" in lines
    assert any(line.startswith("Macro-F1 over the 2 measured classes ") for line in lines)
    lines = WORDS.evaluated(result)
    assert "Not measured: 1 of the 3 classes, which have no images here" in lines
    over = {
        line[:18].strip() for line in "\n".join(lines).splitlines() if line.endswith(" over the 2 measured classes")
    }
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


def test_the_weakest_class_is_named_with_what_it_is_taken_for() -> None:
    result = found()
    confusion = np.array([[12, 7, 1], [0, 20, 0], [1, 1, 18]])
    labels, said = np.repeat([0, 1, 2], 20), np.concatenate([np.repeat([0, 1, 2], row) for row in confusion])
    measured = evaluate(np.full((60, 3), 1 / 3), labels, NAMES, decided=said)
    line = f"Weakest class: {NAMES[0]}, 12 of 20 found (recall 60.0% (38.7 to 78.1)), 7 taken for {NAMES[1]}"
    weak = dataclasses.replace(result, evaluation=measured)
    assert line in WORDS.fitted(model(weak, NAMES))
    assert line in WORDS.evaluated(weak)
    page = section(parsed(model_page(model(weak, NAMES), "m", SECTIONS)), "answer")
    assert f"Weakest class: {NAMES[0]}, 12 of 20 found (recall 60 %), 7 taken for {NAMES[1]}." in page.text


@pytest.mark.parametrize(
    ("question", "others", "told"),
    [
        ("crop_mode", (0.96, 0.25), "squash (96.0% on 50 images; higher log loss)"),
        ("crop_mode", (0.96, 0.15), "squash (96.0% on 50 images; not significantly better)"),
        ("crop_mode", (0.94, 0.25), "squash (94.0% on 50 images)"),
        ("crop_mode", (None, None), "squash (not measured)"),
        ("head", (0.96, 0.15), "squash (96.0% on 50 images)"),  # the user's choice
    ],
)
def test_a_way_with_a_higher_accuracy_says_why_it_was_not_chosen(
    question: str, others: tuple[float | None, float | None], told: str
) -> None:
    made = model(found(SURE), NAMES)
    ways = [(True, "crop", 0.94, 0.2), (False, "squash", *others)]
    trials = tuple(
        TrialRecord(question=question, answer=name, images=50, accuracy=accuracy, log_loss=loss, chosen=chosen)
        for chosen, name, accuracy, loss in ways
    )
    lines = _choices(made.record.model_copy(update={"trials": trials}), "image")
    assert any(line.endswith(f": crop (94.0% on 50 images, chosen), {told}") for line in lines), lines


@pytest.mark.parametrize(("recall", "green"), [(16, True), (15, False)])
def test_the_verdict_is_green_only_where_the_weakest_class_deserves_it(recall: int, green: bool) -> None:
    labels, said = np.repeat([0, 1, 2], 20), np.repeat([0, 1, 0, 1, 2], [20, 20, 20 - recall, 0, recall])
    good = dataclasses.replace(found(), evaluation=evaluate(np.full((60, 3), 1 / 3), labels, NAMES, decided=said))
    html = model_page(model(good, NAMES), "m", SECTIONS)
    assert ('class="verdict good"' in html, 'class="verdict warning"' in html) == (green, not green)


def _advice(chosen: dict[str, Any], other: dict[str, Any]) -> Advice:
    accuracy = {"accuracy": Estimate(0.961, 0.9, 0.99), "images": 200, "measured": "cross-validated"}
    rungs = (
        Rung("probe, last features", "probe", **{**accuracy, "log_loss": 0.1, "milliseconds": 5.0, **chosen}),
        Rung(**{"name": "kNN", "strategy": "knn", **accuracy, "accuracy": Estimate(0.964, 0.9, 0.99), **other}),
    )
    told = Description(200, 2, 100, 100, 64, 64)
    spec = FeatureSpec(224, "crop")
    return Advice("lite0", rungs, 0, 1, True, spec, False, "", None, 0.5, True, told, None, (), (), 300.0, 5.0)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (
            {"name": "fine-tuning, last stages", "strategy": "finetune", "milliseconds": 40.0},
            "on the same images the latter was not better, and probe, last features is 8.0 times faster",
        ),
        ({}, "kNN is a baseline and is never chosen"),
        (
            {"name": "probe, best features", "strategy": "probe", "p_value": 0.62, "log_loss": 0.09},
            "the difference is within noise (McNemar p = 0.62), and probe, last features is simpler",
        ),
        (
            {"name": "as-is", "strategy": "as-is", "p_value": 0.01, "log_loss": 0.2},
            "the choice goes by log loss, which is lower (0.100 against 0.200), and only probe, last features learns",
        ),
    ],
)
def test_why_a_lower_score_is_chosen_is_told_in_one_line(other: dict[str, Any], why: str) -> None:
    (line,) = why_kept(_advice({}, other))
    assert line.startswith(f"Probe, last features 96.1 % is kept over {other.get('name', 'kNN')} 96.4 %: {why}")
    assert Advice.from_dict(_advice({}, other).to_dict()) == _advice({}, other)


def test_the_highest_score_needs_no_reason() -> None:
    assert why_kept(_advice({"accuracy": Estimate(0.97, 0.9, 0.99)}, {})) == []
    assert why_kept(_advice({}, {"name": "as-is", "strategy": "as-is"})) == []  # an older topwork did not compare them


@pytest.mark.parametrize(
    ("value", "told"),
    [(1.0, "p = 1.00"), (0.62, "p = 0.62"), (0.0312, "p = 0.031"), (0.001, "p = 0.001"), (0.00099, "p < 0.001")],
)
def test_p_values_are_told_as_papers_tell_them(value: float, told: str) -> None:
    assert p_value(value) == told
