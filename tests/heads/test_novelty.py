"""The distance against its definition, and on scikit-learn's pictures: digits, faces of other kinds of data."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from topwork.errors import DataError, ModelError
from topwork.heads import Novelty, fit_novelty


def gaussian(n: int, width: int = 120, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    """Features with a few strong common directions, some of them louder than others."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((8, width)) * 3
    loud = np.random.default_rng(98).uniform(0.1, 10, width)
    return ((rng.standard_normal((n, 8)) @ mixing + rng.standard_normal((n, width))) * loud * scale).astype(np.float32)


def folds(n: int, count: int = 5) -> np.ndarray:
    return np.arange(n) % count


def test_with_all_directions_it_is_scikit_learns_mahalanobis_distance() -> None:
    """Few columns, many rows: nothing is left beside the basis, and the covariance is the empirical one."""
    from sklearn.covariance import EmpiricalCovariance

    values = gaussian(400, width=12)
    found = fit_novelty(values, folds(400))
    expected = EmpiricalCovariance().fit(values).mahalanobis(values) / 12
    np.testing.assert_allclose(found.distances(values), expected * 399 / 400, rtol=2e-3)


def test_with_few_directions_it_is_scikit_learns_probabilistic_pca() -> None:
    from sklearn.decomposition import PCA

    values = gaussian(600)
    found = fit_novelty(values, folds(600))
    rows = (values - found.mean) / found.scale
    pca = PCA(32, svd_solver="full").fit(rows)
    new = gaussian(50, seed=1)
    precision, centred = pca.get_precision(), (new - found.mean) / found.scale - pca.mean_
    expected = np.einsum("ij,jk,ik->i", centred, precision, centred) / values.shape[1]
    # Where the variances hardly differ, the randomised basis may turn as it likes.
    np.testing.assert_allclose(found.distances(new), expected, rtol=0.1)
    assert expected.max() > 1.5 * expected.min()


def test_references_are_those_of_images_that_the_fit_did_not_see() -> None:
    values, new = gaussian(100, width=400), gaussian(2000, width=400, seed=5)
    found = fit_novelty(values, folds(100))
    own = np.median(found.distances(values))
    assert np.median(found.reference) == pytest.approx(np.median(found.distances(new)), rel=0.1)
    assert own < 0.85 * np.median(found.reference)  # seen images look closer than they are


def test_rows_that_are_never_measured_have_no_reference() -> None:
    values = gaussian(60)
    assert fit_novelty(values, np.where(np.arange(60) < 40, -1, 0)).reference.shape == (20,)


def test_it_comes_back_from_its_tensors() -> None:
    found = fit_novelty(gaussian(60), folds(60))
    again = Novelty.from_tensors(found.to_tensors())
    np.testing.assert_array_equal(again.distances(gaussian(5)), found.distances(gaussian(5)))
    assert all(tensor.dtype == np.float32 for tensor in found.to_tensors().values())


def test_constant_and_equal_rows_are_no_division_by_zero() -> None:
    found = fit_novelty(np.ones((30, 5), np.float32), folds(30))
    assert np.isfinite(found.distances(np.full((1, 5), 2, np.float32))).all()


def test_the_seed_decides_alone() -> None:
    values = gaussian(80)
    one, other = fit_novelty(values, folds(80), seed=3), fit_novelty(values, folds(80), seed=3)
    np.testing.assert_array_equal(one.reference, other.reference)


def test_digits_of_another_kind_are_farther_out() -> None:
    from sklearn.datasets import load_digits

    data = load_digits()
    zeros, eights = (data.data[data.target == digit].astype(np.float32) for digit in (0, 8))
    found = fit_novelty(zeros[:120], folds(120))
    limit = np.quantile(found.reference, 0.95)
    assert (found.distances(zeros[120:]) > limit).mean() < 0.15
    assert (found.distances(eights) > limit).mean() > 0.9


def test_bad_input_is_named() -> None:
    with pytest.raises(DataError, match="fold_of must be"):
        fit_novelty(gaussian(30), folds(29))
    with pytest.raises(DataError, match="fold_of must be"):
        fit_novelty(gaussian(30), np.full(30, -1))
    with pytest.raises(DataError, match="too few"):
        fit_novelty(gaussian(4), folds(4))
    found = fit_novelty(gaussian(30), folds(30))
    with pytest.raises(DataError, match=r"shape \(N, 120\)"):
        found.distances(np.zeros((2, 5), np.float32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": np.zeros(120, np.float32)}, "positive"),
        ({"rest": 0.0}, "positive"),
        ({"mean": np.full(120, np.nan, np.float32)}, "NaN"),
        ({"variances": np.ones(3, np.float32)}, "variances"),
        ({"basis": np.ones(120, np.float32)}, "basis"),
        ({"reference": np.ones(0, np.float32)}, "reference"),
    ],
)
def test_damaged_numbers_are_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        dataclasses.replace(fit_novelty(gaussian(40), folds(40)), **change)


def test_missing_tensors_are_named() -> None:
    tensors = fit_novelty(gaussian(40), folds(40)).to_tensors()
    del tensors["basis"]
    with pytest.raises(ModelError, match="basis"):
        Novelty.from_tensors(tensors)
