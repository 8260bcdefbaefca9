import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topwork.heads._rows import ALWAYS_TRAINS, stratified_folds
from topwork.heads._temperature import fit_temperature


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=2, max_size=6), st.integers(2, 7), st.integers(0, 99))
def test_every_class_trains_in_every_fold(counts, folds, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    fold_of = stratified_folds(labels, folds, seed)
    singles = np.bincount(labels)[labels] == 1
    np.testing.assert_array_equal(fold_of == ALWAYS_TRAINS, singles)
    for fold in range(fold_of.max() + 1):
        assert len(np.unique(labels[fold_of != fold])) == len(counts)
    if not singles.all():
        sizes = np.bincount(fold_of[~singles])
        assert np.ptp(sizes) <= 1
        assert len(sizes) == min(folds, max(counts))


def test_folds_hold_each_class_in_proportion():
    labels = np.repeat([0, 1, 2], [50, 23, 10])
    fold_of = stratified_folds(labels, 5, 0)
    table = np.array([np.bincount(fold_of[labels == c], minlength=5) for c in range(3)])
    assert np.ptp(table, axis=1).max() <= 1


@pytest.mark.parametrize("factor", [0.03, 0.3, 1.0, 4.0, 20.0])
def test_temperature_is_the_minimum_that_scipy_finds(factor):
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    rng = np.random.default_rng(0)
    logits = rng.standard_normal((500, 4))
    labels = np.array([rng.choice(4, p=np.exp(row) / np.exp(row).sum()) for row in logits])
    logits = (factor * logits).astype(np.float32)

    def loss(log_temperature, weights):
        rows = log_softmax(logits.astype(np.float64) / np.exp(log_temperature), axis=1)
        smoothing = 1 / 501
        each = (1 - smoothing) * rows[np.arange(500), labels] + smoothing * rows.mean(axis=1)
        return -np.average(each, weights=weights)

    for weights in (None, np.where(logits.argmax(axis=1) == labels, 1, 3)):
        best = minimize_scalar(
            loss, bounds=(np.log(0.005), np.log(50)), method="bounded", options={"xatol": 1e-9}, args=(weights,)
        )
        assert fit_temperature(logits, labels, weights) == pytest.approx(np.exp(best.x), rel=1e-4)
    assert fit_temperature(logits, labels) == pytest.approx(factor, rel=0.2)


def test_temperature_stays_in_bounds():
    logits = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    assert 0.005 <= fit_temperature(logits, np.array([0, 1])) < 1
    assert fit_temperature(logits, np.array([1, 0])) == pytest.approx(50, rel=0.01)
    assert fit_temperature(np.zeros((3, 2), np.float32), np.array([0, 1, 0])) > 0
    assert fit_temperature(np.empty((0, 2), np.float32), np.empty(0, int)) == 1
