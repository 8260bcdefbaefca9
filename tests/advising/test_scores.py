"""LogME and the H-score against what their papers' formulas give when written down plainly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from topwork.advising import h_score, logme

Doubles = npt.NDArray[np.float64]


@pytest.fixture(params=[(60, 8), (20, 50)], ids=["more images", "more features"])
def features(request: pytest.FixtureRequest) -> tuple[Doubles, npt.NDArray[np.int64]]:
    count, width = request.param
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=count)
    rows = rng.normal(size=(count, width)) + 1.5 * np.eye(3, width)[labels]
    return rows, labels


def plain_evidence(rows: Doubles, target: Doubles) -> float:
    """The largest log evidence of Bayesian linear regression over a grid of precisions, by its Gaussian marginal."""
    count = len(rows)
    noise = np.eye(count) / (10.0 ** np.arange(-1, 3, 0.05))[:, None, None]
    best = -np.inf
    for alpha in 10.0 ** np.arange(-3, 5, 0.05):
        covariances = noise + rows @ rows.T / alpha
        signs, determinants = np.linalg.slogdet(covariances)
        assert (signs > 0).all()
        fits = np.linalg.solve(covariances, np.broadcast_to(target[:, None], (len(noise), count, 1)))[..., 0] @ target
        best = max(best, float(-(fits + determinants + count * np.log(2 * np.pi)).min() / 2))
    return best / count


def test_logme_is_the_largest_evidence(features: tuple[Doubles, npt.NDArray[np.int64]]) -> None:
    rows, labels = features
    rows, labels = rows[:20, :6], labels[:20]
    expected = np.mean([plain_evidence(rows, (labels == label).astype(float)) for label in np.unique(labels)])
    assert logme(rows, labels) == pytest.approx(expected, abs=0.01)


def test_logme_prefers_features_that_tell_the_classes(features: tuple[Doubles, npt.NDArray[np.int64]]) -> None:
    rows, labels = features
    rows = rows + 3 * np.eye(3, rows.shape[1])[labels]
    assert logme(rows, labels) > logme(rows, np.random.default_rng(1).permutation(labels))


def test_h_score_is_the_trace_of_its_definition(features: tuple[Doubles, npt.NDArray[np.int64]]) -> None:
    from sklearn.covariance import ledoit_wolf

    rows, labels = features
    covariance, shrinkage = ledoit_wolf(rows)
    centred = rows - rows.mean(axis=0)
    means = np.stack([centred[labels == label].mean(axis=0) for label in labels])
    expected = np.trace(np.linalg.inv(covariance) @ (means.T @ means / len(rows))) * (1 - shrinkage)
    assert h_score(rows, labels) == pytest.approx(expected, rel=1e-6)


def test_constant_features_score_nothing() -> None:
    labels = np.array([0, 1, 0, 1])
    assert h_score(np.ones((4, 5)), labels) == 0
    assert np.isfinite(logme(np.ones((4, 5)), labels))
