import numpy as np
import pytest

from topwork.errors import DataError
from topwork.metrics import (
    bootstrap_intervals,
    confusion_matrix,
    ece,
    evaluate,
    log_loss,
    macro_f1,
    per_class,
    wilson_interval,
)


def simulate(n, n_classes, seed=0, signal=1.5, dtype=np.float64):
    """Calibrated probabilities and labels drawn from them."""
    rng = np.random.default_rng(seed)
    logits = signal * rng.standard_normal((n, n_classes))
    probabilities = np.exp(logits)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    labels = (probabilities.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return probabilities.astype(dtype), labels


@pytest.mark.parametrize("n_classes", [2, 5, 40])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_to_scikit_learn(n_classes, dtype):
    from sklearn import metrics

    probabilities, labels = simulate(300, n_classes, dtype=dtype)
    predictions, every = probabilities.argmax(axis=1), np.arange(n_classes)
    found = evaluate(probabilities, labels, [str(each) for each in every])
    assert found.accuracy.value == metrics.accuracy_score(labels, predictions)
    confusion = confusion_matrix(predictions, labels, n_classes)
    np.testing.assert_array_equal(confusion, metrics.confusion_matrix(labels, predictions, labels=every))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predictions, labels=every, zero_division=np.nan
    )
    for place, ours in enumerate(per_class(confusion, found.classes)):
        assert (ours.support, ours.f1) == (support[place], pytest.approx(f1[place]))
        assert ours.recall.value == pytest.approx(recall[place])
        assert ours.precision.value == pytest.approx(precision[place])
    present = np.unique(labels)
    expected = metrics.f1_score(labels, predictions, average="macro", labels=present)
    assert macro_f1(predictions, labels, n_classes) == pytest.approx(expected)
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    expected = metrics.log_loss(labels, exact, labels=every)
    assert log_loss(probabilities, labels) == pytest.approx(expected, rel=1e-5)


def test_macro_f1_leaves_out_classes_without_images():
    # Class 2 has no image but one prediction: that costs class 0 its recall, and nothing else.
    assert macro_f1(np.array([0, 2, 1]), np.array([0, 0, 1]), 4) == pytest.approx((2 / 3 + 1) / 2)


def test_ece_by_hand():
    confidence = np.array([0.95, 0.95, 0.65, 0.55, 0.55])
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    labels = np.array([0, 1, 0, 0, 0])
    # Bins of width 1/15: (0.933, 1], (0.6, 0.667], (0.533, 0.6].
    expected = (abs(1 - 2 * 0.95) + abs(1 - 0.65) + abs(2 - 2 * 0.55)) / 5
    assert ece(probabilities, labels) == pytest.approx(expected)


def test_ece_follows_the_papers_loop():
    probabilities, labels = simulate(400, 6)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    expected = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence > low) & (confidence <= low + 1 / 15)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert ece(probabilities, labels) == pytest.approx(expected)


def test_a_flat_out_miss_costs_a_finite_loss():
    assert 80 < log_loss(np.array([[1.0, 0.0]]), np.array([1])) < 90
    assert log_loss(np.array([[1.0, 0.0]]), np.array([0])) == 0


@pytest.mark.parametrize(("right", "total"), [(0, 1), (1, 1), (0, 40), (40, 40), (3, 7), (93, 100), (9999, 10000)])
def test_wilson_equals_scipy(right, total):
    from scipy.stats import binomtest

    expected = binomtest(right, total).proportion_ci(method="wilson")
    np.testing.assert_allclose(wilson_interval(right, total), [expected.low, expected.high], atol=1e-12)


@pytest.mark.parametrize(("right", "total"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_what_is_no_share(right, total):
    with pytest.raises(ValueError, match="expected 0 <= right"):
        wilson_interval(right, total)


def test_bootstrap_follows_a_plain_loop(monkeypatch):
    monkeypatch.setattr("topwork.metrics._intervals._CHUNK_ELEMENTS", 6000)  # several chunks
    probabilities, labels = simulate(120, 4)
    monkeypatch.setattr("topwork.metrics._intervals.RESAMPLES", 4000)
    ours = bootstrap_intervals(probabilities, labels, seed=1)
    rng, values = np.random.default_rng(2), []
    for _ in range(1500):
        drawn = rng.integers(0, 120, 120)
        p, y = probabilities[drawn], labels[drawn]
        values.append((macro_f1(p.argmax(axis=1), y, 4), log_loss(p, y), ece(p, y)))
    expected = np.quantile(values, [0.025, 0.975], axis=0).T
    np.testing.assert_allclose([ours.macro_f1, ours.log_loss, ours.ece], expected, atol=0.02)


def test_bootstrap_is_a_function_of_its_seed():
    probabilities, labels = simulate(120, 4)
    assert bootstrap_intervals(probabilities, labels, seed=1) == bootstrap_intervals(probabilities, labels, seed=1)
    assert bootstrap_intervals(probabilities, labels, seed=1) != bootstrap_intervals(probabilities, labels, seed=2)


def test_bootstrap_intervals_cover(monkeypatch):
    monkeypatch.setattr("topwork.metrics._intervals.RESAMPLES", 300)
    big, big_labels = simulate(100_000, 3, seed=99)
    truth = macro_f1(big.argmax(axis=1), big_labels, 3), log_loss(big, big_labels)
    covered = np.zeros(2)
    for seed in range(200):
        found = bootstrap_intervals(*simulate(150, 3, seed=seed), seed=seed)
        for place, (low, high) in enumerate((found.macro_f1, found.log_loss)):
            covered[place] += low <= truth[place] <= high
    # 95 % of 200, give or take three standard errors.
    assert (covered >= 180).all()


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        (np.empty((0, 2)), np.empty(0, int), "no labels"),
        (np.ones((2, 2)) / 2, np.array([0]), "2 rows of probabilities but 1 labels"),
        (np.ones(2), np.array([0, 1]), "shape"),
        (np.ones((2, 1)), np.array([0, 0]), "C >= 2"),
        (np.ones((2, 2), int), np.array([0, 0]), "floats"),
        (np.array([[np.nan, 1.0]]), np.array([0]), "1 of 1 rows of probabilities hold NaN"),
        (np.array([[0.5, 0.5], [2.0, -1.0]]), np.array([0, 0]), "1 of 2 rows"),
        (np.array([[0.5, 0.6]]), np.array([0]), "do not sum to 1"),
        (np.ones((2, 2)) / 2, np.array([0, 2]), r"outside 0\.\.1"),
        (np.ones((2, 2)) / 2, np.array([0.0, 1.0]), "integers"),
    ],
)
def test_bad_input_is_named(probabilities, labels, message):
    for metric in (log_loss, ece, bootstrap_intervals):
        with pytest.raises(DataError, match=message):
            metric(probabilities, labels)


def test_predictions_and_labels_must_fit():
    with pytest.raises(DataError, match="same shape"):
        confusion_matrix(np.array([0]), np.array([0, 1]), 2)
    with pytest.raises(DataError, match="predictions are outside"):
        macro_f1(np.array([0, 2]), np.array([0, 1]), 2)
    with pytest.raises(DataError, match="no predictions"):
        confusion_matrix(np.empty(0, int), np.empty(0, int), 2)
