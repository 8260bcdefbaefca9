"""Top-k, ROC-AUC, average precision and the probability scores against scikit-learn."""

import numpy as np
import pytest

from topwork.errors import DataError
from topwork.metrics import (
    average_precision,
    balanced_accuracy,
    brier,
    ece,
    evaluate,
    reliability_curve,
    roc_auc,
)
from topwork.metrics._ranking import ranks

from .test_metrics import simulate


def oracle(metric, probabilities, labels):
    present = np.unique(labels)
    return np.mean([metric(labels == label, probabilities[:, label]) for label in present])


@pytest.mark.parametrize("n_classes", [2, 5, 40])
@pytest.mark.parametrize("tied", [False, True])
def test_equal_to_scikit_learn(n_classes, tied):
    from sklearn import metrics

    probabilities, labels = simulate(300, n_classes)
    if tied:  # many images of one score
        probabilities = np.round(probabilities, 1) + 1e-3
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        probabilities = np.round(probabilities, 2)
        probabilities[:, -1] += 1 - probabilities.sum(axis=1)
        probabilities = np.clip(np.round(probabilities, 2), 0, 1)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
    assert roc_auc(probabilities, labels).value == pytest.approx(oracle(metrics.roc_auc_score, probabilities, labels))
    expected = oracle(metrics.average_precision_score, probabilities, labels)
    assert average_precision(probabilities, labels).value == pytest.approx(expected)
    predictions = probabilities.argmax(axis=1)
    expected = metrics.recall_score(labels, predictions, average="macro", labels=np.unique(labels))
    assert balanced_accuracy(predictions, labels, n_classes) == pytest.approx(expected)
    assert brier(probabilities, labels) == pytest.approx(
        np.mean(((np.eye(n_classes)[labels] - probabilities) ** 2).sum(axis=1))
    )


def test_the_multiclass_area_is_scikit_learns_own():
    from sklearn.metrics import roc_auc_score

    probabilities, labels = simulate(300, 4)
    expected = roc_auc_score(labels, probabilities, multi_class="ovr", average="macro")
    assert roc_auc(probabilities, labels).value == pytest.approx(expected)


def test_the_brier_score_is_twice_scikit_learns_for_two_classes():
    from sklearn.metrics import brier_score_loss

    probabilities, labels = simulate(300, 2)
    assert brier(probabilities, labels) == pytest.approx(2 * brier_score_loss(labels, probabilities[:, 1]))


@pytest.mark.parametrize("k", [1, 3, 5])
def test_top_k_equals_scikit_learn(k):
    from sklearn.metrics import top_k_accuracy_score

    probabilities, labels = simulate(300, 8)
    expected = top_k_accuracy_score(labels, probabilities, k=k, labels=np.arange(8))
    assert np.mean(ranks(probabilities, labels) < k) == pytest.approx(expected)


def test_ties_go_to_the_lower_class_as_the_prediction_does():
    even = np.full((3, 4), 0.25)
    assert np.mean(ranks(even, np.array([0, 1, 2])) < 1) == pytest.approx(1 / 3)
    assert np.mean(ranks(even, np.array([0, 1, 2])) < 2) == pytest.approx(2 / 3)


@pytest.mark.parametrize("figure", [roc_auc, average_precision])
def test_the_interval_is_the_bootstraps(figure):
    probabilities, labels = simulate(250, 3)
    found = figure(probabilities, labels)
    rng, values = np.random.default_rng(2), []
    for _ in range(600):
        drawn = rng.integers(0, 250, 250)
        values.append(figure(probabilities[drawn], labels[drawn]).value)
    low, high = np.quantile(values, [0.025, 0.975])
    assert (found.low, found.high) == (pytest.approx(low, abs=0.012), pytest.approx(high, abs=0.012))


@pytest.mark.parametrize("figure", [roc_auc, average_precision])
def test_intervals_cover(figure):
    truth = figure(*simulate(100_000, 3, seed=99)).value
    found = [figure(*simulate(150, 3, seed=seed)) for seed in range(200)]
    assert sum(each.low <= truth <= each.high for each in found) >= 180


@pytest.mark.parametrize("figure", [roc_auc, average_precision])
def test_intervals_of_twenty_classes_of_two_images_cover_nearly(figure):
    """The spread of two around their own mean is half of what it should be: 80 % were covered so."""
    probabilities, labels = simulate(20_000, 20, seed=5)
    rows = [np.flatnonzero(labels == label) for label in range(20)]
    rng = np.random.default_rng(0)
    draws = [np.concatenate([rng.choice(each, 2, replace=False) for each in rows]) for _ in range(200)]
    found = [figure(probabilities[drawn], labels[drawn]) for drawn in draws]
    truth = np.mean([each.value for each in found])  # average precision of few images has another mean than of many
    assert sum(each.low <= truth <= each.high for each in found) >= 178


def test_a_flawless_order_still_has_an_interval():
    found = roc_auc(np.eye(3)[[0, 1, 2] * 20], np.array([0, 1, 2] * 20))
    assert (found.value, found.high) == (1, 1)
    assert 0.8 < found.low < 0.9  # what twenty flawless answers leave open
    reverse = roc_auc(np.array([[1.0, 0.0], [0.0, 1.0]] * 20), np.array([1, 0] * 20))
    assert (reverse.value, reverse.low) == (0, 0)
    assert 0.1 < reverse.high < 0.2


def test_one_class_alone_has_no_order():
    probabilities, _ = simulate(20, 3)
    found = evaluate(probabilities, np.ones(20, int), ["a", "b", "c"])
    assert (found.roc_auc, found.average_precision) == (None, None)
    assert found.balanced_accuracy.value == found.accuracy.value


def test_the_reliability_curve_is_scikit_learns_and_sums_to_the_ece():
    from sklearn.calibration import calibration_curve

    probabilities, labels = simulate(500, 2, seed=3)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    accuracy, mean = calibration_curve(right, confidence, n_bins=15)
    bins = reliability_curve(probabilities, labels)
    np.testing.assert_allclose([each.accuracy for each in bins], accuracy)
    np.testing.assert_allclose([each.confidence for each in bins], mean)
    error = sum(each.images * abs(each.accuracy - each.confidence) for each in bins) / 500
    assert error == pytest.approx(ece(probabilities, labels))


def test_what_scaling_changed_is_told():
    probabilities, labels = simulate(400, 3, seed=4)
    sharp = probabilities**3 / (probabilities**3).sum(axis=1, keepdims=True)
    found = evaluate(probabilities, labels, ["a", "b", "c"], before_scaling=sharp)
    assert found.before_scaling.ece == ece(sharp, labels) > 2 * found.ece.value
    assert found.before_scaling.log_loss > found.log_loss.value
    assert found.brier.low < found.brier.value < found.brier.high


def test_few_classes_have_no_top_5():
    assert evaluate(*simulate(50, 5), list("abcde")).top5 is None
    found = evaluate(*simulate(200, 12), list("abcdefghijkl"))
    assert found.accuracy.value < found.top5.value < 1
    assert found.top5.low < found.top5.value < found.top5.high


def test_a_thousand_classes_take_seconds():
    probabilities, labels = simulate(2000, 1000, signal=4, dtype=np.float32)
    found = evaluate(probabilities, labels, [str(label) for label in range(1000)])
    assert found.accuracy.value < found.top5.value
    assert 0.5 < found.roc_auc.low < found.roc_auc.value < found.roc_auc.high


@pytest.mark.parametrize("metric", [roc_auc, average_precision, brier, reliability_curve])
def test_nan_is_named(metric):
    with pytest.raises(DataError, match="hold NaN"):
        metric(np.array([[np.nan, 1.0]]), np.array([0]))
