"""Coverage and selective accuracy, checked on draws and on scikit-learn's digits with scikit-learn's classifier."""

import numpy as np
import pytest

from topwork.errors import DataError
from topwork.metrics import (
    LEVELS,
    Estimate,
    SelectiveReport,
    abstention_thresholds,
    conformal_thresholds,
    prediction_sets,
    threshold_at,
)
from topwork.metrics._selective import mann_whitney_p_value

from .test_metrics import simulate


def coverage(probabilities, labels, threshold):
    sets = prediction_sets(probabilities, threshold)
    return sets[np.arange(len(labels)), labels].mean(), sets.sum(axis=1).mean()


@pytest.fixture(scope="module")
def digits():
    """Probabilities of a plain classifier, learnt from a third; the rest is to calibrate by and to check with."""
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    images, labels = data.data[order] / 16, data.target[order]
    rng = np.random.default_rng(1)
    noisy = images + rng.normal(0, 0.2, images.shape)
    model = LogisticRegression(max_iter=1000).fit(noisy[:600], labels[:600])
    return model.predict_proba(noisy[600:]), labels[600:]


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95, 0.99])
def test_coverage_holds_on_average_over_splits_of_digits(digits, level):
    probabilities, labels = digits
    rng, found = np.random.default_rng(0), []
    for _ in range(60):
        order = rng.permutation(len(labels))
        calibration, rest = order[:300], order[300:]
        (threshold,) = conformal_thresholds(probabilities[calibration], labels[calibration], [level])
        found.append(coverage(probabilities[rest], labels[rest], threshold))
    held, size = np.mean(found, axis=0)
    assert held > level - 0.006
    if level > 0.9:  # the single answers are right in 90 %: below that every set has one class, and holds more
        assert held < level + 0.012
        assert 1 < size < 4


def test_coverage_is_exact_on_draws():
    found = []
    for seed in range(400):
        probabilities, labels = simulate(250, 6, seed=seed)
        (threshold,) = conformal_thresholds(probabilities[:50], labels[:50], [0.9])
        found.append(coverage(probabilities[50:], labels[50:], threshold)[0])
    # With 50 images the coverage is ceil(51 * 0.9) / 51 = 0.902 at least, and no set is ever empty.
    assert 0.895 < np.mean(found) < 0.915


def test_thresholds_are_order_statistics():
    own = np.array([0.9, 0.8, 0.7, 0.6])
    probabilities = np.stack([own, 1 - own], axis=1)
    labels = np.zeros(4, int)
    assert conformal_thresholds(probabilities, labels, [0.2, 0.4, 0.6, 0.8, 0.81]) == (0.9, 0.8, 0.7, 0.6, 0.0)


def test_no_set_is_empty_and_too_few_images_give_every_class():
    probabilities = np.array([[0.4, 0.35, 0.25]])
    assert prediction_sets(probabilities, 0.9).tolist() == [[True, False, False]]
    assert prediction_sets(probabilities, 0.3).tolist() == [[True, True, False]]
    (threshold,) = conformal_thresholds(probabilities, np.array([0]), [0.95])
    assert prediction_sets(probabilities, threshold).all()


@pytest.mark.parametrize("level", [0.95, 0.98])
def test_selective_accuracy_holds_on_average_over_splits_of_digits(digits, level):
    probabilities, labels = digits
    right, confidence = probabilities.argmax(axis=1) == labels, probabilities.max(axis=1)
    rng, accuracy, answered = np.random.default_rng(0), [], []
    for _ in range(60):
        order = rng.permutation(len(labels))
        calibration, rest = order[:400], order[400:]
        (threshold,) = abstention_thresholds(probabilities[calibration], labels[calibration], [level])
        said = confidence[rest] >= threshold
        accuracy.append(right[rest][said].mean())
        answered.append(said.mean())
    assert right.mean() < level - 0.02  # the level is worth something
    assert level - 0.004 < np.mean(accuracy) < level + 0.012
    assert np.mean(answered) > 0.5


def test_answer_thresholds_by_hand():
    confidence = np.repeat([0.9, 0.8, 0.7, 0.6], 10)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    labels = (np.arange(40) >= 35).astype(int)
    # (wrong + 1) / (answered + 1) after each ten, which are tied: 1/11, 1/21, 1/31, 6/41
    assert abstention_thresholds(probabilities, labels, [0.8, 0.85, 0.9, 0.96, 0.97]) == (0.6, 0.6, 0.7, 0.7)
    # Wrong ones everywhere alike: no more than all together keep, 6/41, though the first ten keep more.
    spread = np.isin(np.arange(40), [12, 18, 25, 29, 31]).astype(int)
    assert abstention_thresholds(probabilities, spread, [0.8, 0.85, 0.9]) == (0.6, 0.6)
    assert abstention_thresholds(probabilities, 1 - labels, [0.5]) == ()


def test_the_order_of_answers_is_tested_as_scipy_does():
    from scipy.stats import mannwhitneyu

    rng = np.random.default_rng(0)
    for size, decimals in ((30, 1), (100, 2), (300, 6)):
        confidence = rng.uniform(0.5, 1, size).round(decimals)
        right = rng.random(size) < confidence
        told = mannwhitneyu(confidence[right], confidence[~right], alternative="greater", method="asymptotic").pvalue
        assert mann_whitney_p_value(confidence, right) == pytest.approx(told, rel=1e-9)
    assert (
        mann_whitney_p_value(confidence, np.ones(300, bool))
        == mann_whitney_p_value(confidence, np.zeros(300, bool))
        == 1
    )
    assert mann_whitney_p_value(np.full(9, 0.7), np.arange(9) < 5) == 1


def selective_accuracy_of(confident, n, level, draws=300):
    """Share of models that have a threshold, mean accuracy of their answers and share answered on many new images."""
    came = []
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        confidence, right = confident(rng, n)
        said = np.stack([confidence, 1 - confidence], axis=1)
        for threshold in abstention_thresholds(said, (~right).astype(int), [level]):
            new, truth = confident(rng, 4000)
            came.append((truth[new >= threshold].mean(), (new >= threshold).mean()))
    return len(came) / draws, *np.mean(came, axis=0)


@pytest.mark.parametrize(
    ("share", "level", "n", "most"), [(0.85, 0.9, 300, 0.1), (0.9, 0.95, 300, 0.06), (0.9, 0.95, 100, 0.1)]
)
def test_confidence_that_orders_nothing_seldom_has_a_threshold_beyond_what_all_answers_keep(share, level, n, most):
    """The luckiest of many prefixes would give one in 20 to 40 of 100 draws, and answer no better than all do."""

    def flat(rng, count):
        return rng.uniform(0.5, 1, count), rng.random(count) < share

    made, accuracy, _ = selective_accuracy_of(flat, n, level)
    assert made < most
    assert accuracy == pytest.approx(share, abs=0.01)  # the few that have one miss it: this is no guarantee


@pytest.mark.parametrize(
    ("share", "level", "n", "least", "answered"),
    [
        (0.9, 0.95, 100, 0.98, 0.85),
        (0.9, 0.95, 300, 0.98, 0.88),
        (0.9, 0.99, 300, 0.98, 0.65),
        (0.96, 0.99, 300, 0.98, 0.88),
    ],
)
def test_confidence_that_orders_the_answers_keeps_the_level(share, level, n, least, answered):
    def informative(rng, count):
        chance = rng.beta(1.2 * share, 1.2 * (1 - share), count)
        return 0.5 + chance / 2, rng.random(count) < chance

    made, accuracy, said = selective_accuracy_of(informative, n, level)
    assert made >= least
    assert level - 0.003 < accuracy < level + 0.02
    assert said > answered


def test_thresholds_rise_with_what_is_asked(digits):
    sets, answers = conformal_thresholds(*digits), abstention_thresholds(*digits)
    assert len(sets) == len(LEVELS)
    assert len(answers) < len(LEVELS)
    assert list(answers) == sorted(answers)
    assert list(sets) == sorted(sets, reverse=True)


def test_a_level_between_two_has_the_threshold_of_the_higher():
    levels, thresholds = (0.9, 0.95, 0.99), (0.4, 0.3)
    assert threshold_at(0.9, levels, thresholds, "coverage") == 0.4
    assert (
        threshold_at(0.91, levels, thresholds, "coverage") == threshold_at(0.95, levels, thresholds, "coverage") == 0.3
    )
    assert threshold_at(0.2, levels, thresholds, "coverage") == 0.4
    with pytest.raises(DataError, match=r"coverage of 0\.99 cannot be promised by this model: 95\.0% at most"):
        threshold_at(0.99, levels, thresholds, "coverage")
    with pytest.raises(DataError, match=r"accuracy of 0\.9 cannot be promised by this model: none"):
        threshold_at(0.9, levels, (), "accuracy")


@pytest.mark.parametrize("level", [0, 1, 95, -0.1, float("nan")])
def test_what_is_no_share_is_refused(level):
    with pytest.raises(DataError, match="above 0 and below 1"):
        threshold_at(level, LEVELS, LEVELS, "coverage")


@pytest.mark.parametrize("thresholds", [conformal_thresholds, abstention_thresholds])
def test_bad_input_is_named(thresholds):
    with pytest.raises(DataError, match="hold NaN"):
        thresholds(np.array([[np.nan, 1.0]]), np.array([0]))
    with pytest.raises(DataError, match="no labels"):
        thresholds(np.empty((0, 2)), np.empty(0, int))


@pytest.mark.parametrize(
    ("answered", "accuracy", "refuted"),
    [
        (1.0, (0.85, 0.7, 0.93), True),
        (1.0, (0.94, 0.9, 0.97), True),  # all are answered, so that this is the accuracy itself
        (1.0, (0.95, 0.9, 0.97), False),
        (0.9, (0.94, 0.9, 0.97), False),  # chance may have done it
        (0.9, (0.85, 0.7, 0.949), True),
        (0.0, None, False),
        (None, None, False),
    ],
)
def test_images_refute_an_accuracy(answered, accuracy, refuted):
    share = None if answered is None else Estimate(answered, 0.0, 1.0)
    found = SelectiveReport(0.95, Estimate(1.0, 0.9, 1.0), 1.0, share, accuracy and Estimate(*accuracy))
    assert found.refuted is refuted
    assert SelectiveReport.from_dict(found.to_dict()) == found
