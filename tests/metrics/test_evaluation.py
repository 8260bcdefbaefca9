import dataclasses
import json

import numpy as np
import pytest

from topwork.errors import DataError
from topwork.metrics import Estimate, Evaluation, ece, evaluate, log_loss, macro_f1, wilson_interval

from .test_metrics import simulate

NAMES = ("ant", "bee", "<b>moth</b>", "wasp")


def test_holds_the_figures_of_the_functions():
    probabilities, labels = simulate(500, 4)
    found = evaluate(probabilities, labels, NAMES)
    predictions = probabilities.argmax(axis=1)
    assert found.accuracy.value == np.mean(predictions == labels)
    assert found.macro_f1.value == macro_f1(predictions, labels, 4)
    assert found.log_loss.value == log_loss(probabilities, labels)
    assert found.ece.value == ece(probabilities, labels)
    assert found.n == found.confusion.sum() == 500
    for estimate in (found.accuracy, found.macro_f1, found.log_loss):
        assert estimate.low < estimate.value < estimate.high
    for place, report in enumerate(found.per_class):
        assert report.support == np.sum(labels == place)
        assert report.recall.value == found.confusion[place, place] / report.support


def test_round_trip_through_json_is_exact():
    probabilities, labels = simulate(60, 4)
    labels[labels == 3] = 0
    found = evaluate(probabilities, labels, NAMES)
    text = json.dumps(found.to_dict(), allow_nan=False)
    again = Evaluation.from_dict(json.loads(text))
    assert json.dumps(again.to_dict()) == text
    for field in dataclasses.fields(Evaluation):
        assert np.all(getattr(again, field.name) == getattr(found, field.name))


def test_a_class_without_images_has_no_recall():
    probabilities = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])
    found = evaluate(probabilities, np.array([0, 0]), ["a", "b", "c"])
    assert [report.support for report in found.per_class] == [2, 0, 0]
    assert found.per_class[0].recall.value == 0.5
    assert (found.per_class[1].recall, found.per_class[1].precision, found.per_class[1].f1) == (
        None,
        None,
        None,
    )
    assert found.per_class[2].precision.value == 0
    assert found.macro_f1.value == pytest.approx(2 / 3)


@pytest.mark.parametrize("n", [1, 2])
def test_few_images(n):
    found = evaluate(np.full((n, 2), 0.5), np.zeros(n, int), ["a", "b"])
    assert found.accuracy.value == 1
    assert found.accuracy.low < 0.4


def test_a_perfect_classifier():
    found = evaluate(np.eye(3)[[0, 1, 2] * 20], np.array([0, 1, 2] * 20), ["a", "b", "c"])
    low = wilson_interval(20, 20)[0]  # of each class
    for each in (found.macro_f1, found.balanced_accuracy):
        assert (each.value, each.low, each.high) == (1, pytest.approx(low), 1)
    assert (found.log_loss.value, found.ece.value) == (0, 0)
    assert found.accuracy.low == pytest.approx(0.94, abs=0.01)


def test_twelve_flawless_answers_prove_no_perfection():
    found = evaluate(np.eye(2)[[0, 1] * 6], np.array([0, 1] * 6), ["a", "b"])
    assert found.macro_f1.low == found.balanced_accuracy.low == pytest.approx(0.61, abs=0.01)
    assert found.accuracy.low == pytest.approx(0.758, abs=0.001)


def test_one_answer_for_everything_has_an_interval_around_a_half():
    """Every resample gives a half, since one class is always right and the other never."""
    found = evaluate(np.tile([0.9, 0.1], (40, 1)), np.array([0] * 30 + [1] * 10), ["a", "b"]).balanced_accuracy
    expected = 0.5 * (wilson_interval(30, 30)[0]), 0.5 * (1 + wilson_interval(0, 10)[1])
    assert (found.value, found.low, found.high) == (0.5, *map(pytest.approx, expected))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_no_interval_leaves_0_to_1_or_its_value(n):
    for right in range(n + 1):
        labels = (np.arange(n) >= right).astype(int)
        found = evaluate(np.tile([0.7, 0.3], (n, 1)), labels, ["a", "b"])
        for each in (found.macro_f1, found.balanced_accuracy):
            assert 0 <= each.low <= each.value <= each.high <= 1
            assert each.high > each.low


def test_bad_input_is_named():
    probabilities, labels = simulate(20, 4)
    with pytest.raises(DataError, match="4 columns of probabilities but 3 class names"):
        evaluate(probabilities, labels, NAMES[:3])
    with pytest.raises(DataError, match="no labels"):
        evaluate(probabilities[:0], labels[:0], NAMES)
    with pytest.raises(DataError, match="shape"):
        evaluate(probabilities.ravel(), labels, NAMES)


def test_damaged_files_are_named():
    probabilities, labels = simulate(20, 4)
    data = evaluate(probabilities, labels, NAMES).to_dict()
    with pytest.raises(DataError, match="'ece' is missing"):
        Evaluation.from_dict({key: value for key, value in data.items() if key != "ece"})
    for wrong in ({"n": 21}, {"classes": ["a"]}, {"accuracy": None}, {"confusion": [[1]]}, {"per_class": []}):
        with pytest.raises(DataError, match="not a saved evaluation"):
            Evaluation.from_dict({**data, **wrong})


@pytest.mark.parametrize("figures", [(0.5, 0.6, 0.7), (0.5, 0.1, 0.4), (float("nan"), 0, 1), (0.5, 0, float("inf"))])
def test_estimates_check_themselves(figures):
    with pytest.raises(ValueError, match="low <= value <= high"):
        Estimate(*figures)


def test_confusion_is_saved_by_its_cells_alone() -> None:
    labels = np.arange(1000)
    evaluation = evaluate(np.eye(1000, dtype=np.float32), labels, [str(label) for label in labels])
    fields = evaluation.to_dict()
    assert fields["confusion"][7] == [7, 7, 1]
    assert len(fields["confusion"]) == 1000
    assert (Evaluation.from_dict(fields).confusion == np.eye(1000)).all()
