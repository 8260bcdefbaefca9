import numpy as np
import pytest

from topwork.errors import DataError
from topwork.metrics import compare, exceeds_zero, log_loss, mcnemar, wilson_interval

from .test_metrics import simulate


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 1), (3, 3), (1, 9), (9, 1), (40, 70), (500, 600), (0, 3000)])
def test_mcnemar_is_the_binomial_test(first, second):
    from scipy.stats import binomtest

    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar(first, second) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_counts_and_differences_by_hand():
    first = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.7, 0.3]])
    second = np.array([[0.8, 0.2], [0.4, 0.6], [0.6, 0.4], [0.6, 0.4]])
    labels = np.array([0, 1, 0, 1])
    found = compare(first, second, labels)
    assert (found.both, found.only_first, found.only_second, found.neither, found.n) == (1, 0, 2, 1, 4)
    assert found.accuracy.value == 0.5
    assert found.log_loss.value == pytest.approx(log_loss(second, labels) - log_loss(first, labels))
    assert found.p_value == 0.5
    assert compare(second, first, labels).accuracy.value == -0.5


def test_a_model_equals_itself():
    probabilities, labels = simulate(100, 3)
    found = compare(probabilities, probabilities, labels)
    assert (found.log_loss.low, found.log_loss.high, found.p_value) == (0, 0, 1)


@pytest.mark.parametrize("images", [12, 300])
def test_agreement_on_every_image_leaves_open_what_so_many_images_do(images):
    right = np.eye(2)[np.zeros(images, int)]
    labels = np.zeros(images, int)
    widest = wilson_interval(0, images)[1]
    found = compare(right, 0.9 * right + 0.05, labels).accuracy
    assert (found.value, found.low, found.high) == (0, -widest, widest)
    better = compare(1 - right, right, labels).accuracy
    assert (better.value, better.low, better.high) == (1, 1 - 2 * widest, 1)
    worse = compare(right, 1 - right, labels).accuracy
    assert (worse.value, worse.low, worse.high) == (-1, -1, -1 + 2 * widest)


def test_a_pair_shows_what_two_intervals_would_hide():
    """The same images, a little worse answers: both models' own intervals overlap widely."""
    probabilities, labels = simulate(400, 3, seed=1)
    rng = np.random.default_rng(0)
    worse = probabilities.copy()
    rows = np.flatnonzero(probabilities.argmax(axis=1) == labels)[:12]
    worse[rows] = rng.permuted(worse[rows], axis=1)
    worse[rows, labels[rows]], worse[rows, (labels[rows] + 1) % 3] = 0.05, 0.9
    worse[rows] /= worse[rows].sum(axis=1, keepdims=True)
    found = compare(worse, probabilities, labels)
    assert found.p_value < 0.001
    assert 0 < found.accuracy.low < found.accuracy.value < found.accuracy.high
    assert found.log_loss.high < 0


def test_the_test_holds_its_level():
    """Two equally good models, parted by chance alone: no more than 5 % of p-values are below 5 %."""
    rng = np.random.default_rng(0)
    draws = [rng.multinomial(200, [0.8, 0.07, 0.07, 0.06]) for _ in range(500)]
    assert np.mean([mcnemar(int(draw[1]), int(draw[2])) < 0.05 for draw in draws]) < 0.06


def test_bad_input_is_named():
    probabilities, labels = simulate(10, 3)
    with pytest.raises(DataError, match="must have one shape"):
        compare(probabilities, probabilities[:, :2], labels)
    with pytest.raises(DataError, match="hold NaN"):
        compare(probabilities, probabilities * np.nan, labels)
    with pytest.raises(DataError, match="no labels"):
        compare(probabilities[:0], probabilities[:0], labels[:0])


@pytest.mark.parametrize("errors", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [2, 5, 40, 700])
def test_differences_exceed_zero_where_students_statistic_exceeds_the_bound(size, errors):
    from scipy.stats import ttest_1samp

    told = []
    for seed in range(60):
        differences = np.random.default_rng(seed).normal(errors / np.sqrt(size), 1, size)
        expected = bool(ttest_1samp(differences, 0).statistic > errors)
        assert exceeds_zero(differences, errors) == expected
        told.append(expected)
    assert 0 < sum(told) < 60


def test_differences_that_tell_nothing_of_their_spread_exceed_nothing():
    assert not exceeds_zero(np.empty(0))
    assert not exceeds_zero(np.array([5.0]))
    assert not exceeds_zero(np.zeros(9), 0)
    assert exceeds_zero(np.full(9, 0.5), 3)
