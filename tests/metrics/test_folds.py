"""The mean of k folds: against scipy's Student t, and by how often its interval holds the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from topwork.metrics import corrected_t_interval, mean_of_folds, wilson_interval


@pytest.mark.parametrize("folds", [2, 3, 5, 10, 11, 200])
def test_the_corrected_t_is_students_with_the_variance_of_nadeau_and_bengio(folds: int) -> None:
    values = np.random.default_rng(folds).uniform(0.7, 1, folds)
    trained, measured = 90 * (folds - 1), 90
    error = np.sqrt((1 / folds + measured / trained) * values.var(ddof=1))
    expected = stats.t.interval(0.95, folds - 1, loc=values.mean(), scale=error)
    np.testing.assert_allclose(corrected_t_interval(values.tolist(), trained, measured), expected)


def test_folds_that_agree_leave_open_what_few_images_leave_open() -> None:
    found = mean_of_folds([1.0] * 5, wilson_interval(50, 50), trained=40, measured=10)
    assert (found.value, found.high) == (1, 1)
    assert found.low == wilson_interval(50, 50)[0] < 0.95


def test_an_interval_stays_within_what_the_figure_can_be() -> None:
    found = mean_of_folds([1.0, 0.5], (0.6, 0.9), trained=10, measured=10)
    assert (found.low, found.high) == (0, 1)
    losses = mean_of_folds([3.0, 1.0], (1.5, 2.5), trained=10, measured=10, most=float("inf"))
    assert losses.low == 0
    assert losses.high > 3


@pytest.mark.parametrize(("values", "trained", "measured"), [([0.9], 4, 1), ([0.9, 1], 0, 1), ([0.9, 1], 1, 0)])
def test_one_fold_has_no_interval(values: list[float], trained: int, measured: int) -> None:
    with pytest.raises(ValueError, match="expected two values"):
        corrected_t_interval(values, trained, measured)


def held(replicates: int, seed: int) -> dict[str, float]:
    """How often intervals of 5 folds hold the accuracy that nearest means have on average at that size, 100 draws."""
    rng = np.random.default_rng(seed)
    centre, folds, images = np.full(8, 0.35), 5, 60

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count) % 2
        return rng.normal(size=(count, 8)) + np.where(labels[:, None] == 1, centre, -centre), labels

    def hits(values: np.ndarray, labels: np.ndarray, new: np.ndarray, truth: np.ndarray) -> np.ndarray:
        means = np.stack([values[labels == label].mean(axis=0) for label in (0, 1)])
        return ((new[:, None] - means) ** 2).sum(axis=2).argmin(axis=1) == truth

    trained = images * (folds - 1) // folds
    truth = float(np.mean([hits(*draw(trained), *draw(2000)).mean() for _ in range(100)]))
    counts = dict.fromkeys(("t", "pooled", "wider"), 0)
    for _ in range(replicates):
        values, labels = draw(images)
        fold = np.arange(images) // 2 % folds
        each = [hits(values[fold != k], labels[fold != k], values[fold == k], labels[fold == k]) for k in range(folds)]
        scores, right = [float(part.mean()) for part in each], int(np.concatenate(each).sum())
        pooled = wilson_interval(right, images)
        wider = mean_of_folds(scores, pooled, trained=trained, measured=images // folds)
        low, high = corrected_t_interval(scores, trained, images // folds)
        counts["t"] += low <= truth <= high
        counts["pooled"] += pooled[0] <= truth <= pooled[1]
        counts["wider"] += wider.low <= truth <= wider.high
    return {name: count / replicates for name, count in counts.items()}


def test_the_wider_interval_holds_the_truth_at_least_as_often_as_it_says() -> None:
    found = held(600, seed=0)
    assert found["wider"] >= 0.95
    assert found["wider"] >= max(found["t"], found["pooled"])
