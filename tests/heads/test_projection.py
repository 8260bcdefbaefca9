"""Projections beside scikit-learn's, and what they must refuse."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from sklearn.covariance import shrunk_covariance
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import StandardScaler, normalize

from topwork._arrays import Float32Array, IntpArray
from topwork.errors import DataError, ModelError
from topwork.heads import PROJECTIONS, Projection, ProjectionMethod, fit_projection

Drawn = tuple[Float32Array, IntpArray]


def drawn(identities: int = 12, each: int = 10, width: int = 20, seed: int = 0) -> Drawn:
    """Identities that differ in all directions, and images of each that differ much in the first three."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(identities), each)
    loud = np.where(np.arange(width) < 3, 6.0, 0.5)
    rows = rng.standard_normal((identities, width))[labels] + loud * rng.standard_normal((len(labels), width))
    return (rows @ np.linalg.qr(rng.standard_normal((width, width)))[0]).astype(np.float32), labels


def separation(projection: Projection, features: Float32Array, labels: IntpArray) -> float:
    """Mean similarity of images of one identity less that of others'."""
    rows = projection.embed(features)
    cosines, same = rows @ rows.T, labels[:, None] == labels
    own = same & ~np.eye(len(labels), dtype=bool)
    return float(cosines[own].mean() - cosines[~same].mean())


def test_within_class_whitening_is_that_of_scikit_learns_shrunk_covariance() -> None:
    features, labels = drawn(40, 10)
    found = fit_projection(features, labels, "within", shrinkage=0.25)
    rows = StandardScaler().fit_transform(features)
    means = np.stack([rows[labels == label].mean(axis=0) for label in range(40)])
    apart = rows - means[labels]
    covariance = shrunk_covariance(apart.T @ apart / len(apart), 0.25)
    expected = normalize(rows @ np.linalg.inv(sqrtm(covariance).real))
    np.testing.assert_allclose(found.embed(features), expected, atol=2e-4)


def test_the_discriminant_spans_what_scikit_learns_does() -> None:
    features, labels = drawn(6, 40)
    found = fit_projection(features, labels, "discriminant", shrinkage=1e-6)
    assert found.width == 5
    theirs = LinearDiscriminantAnalysis(solver="eigen").fit(features, labels).scalings_[:, :5]
    ours = np.linalg.qr(found.matrix.astype(np.float64))[0]
    overlap = np.linalg.svd(ours.T @ np.linalg.qr(theirs)[0], compute_uv=False)
    assert overlap.min() > 0.999


@pytest.mark.parametrize("few", [5, 40])
def test_whitening_tells_identities_apart_that_it_has_never_seen(few: int) -> None:
    features, labels = drawn(few + 20, 8)
    learnt = labels < few
    gains = {
        method: separation(fit_projection(features[learnt], labels[learnt], method), features[~learnt], labels[~learnt])
        for method in PROJECTIONS
    }
    assert gains["within"] > 1.5 * gains["cosine"]
    assert gains["whitened"] > 1.2 * gains["cosine"]


@pytest.mark.parametrize("method", PROJECTIONS)
def test_every_projection_comes_back_and_gives_rows_of_length_one(method: ProjectionMethod) -> None:
    features, labels = drawn(width=30)  # more columns than one fold has rows
    found = Projection.from_tensors(fit_projection(features, labels, method, widths=(10, 20)).to_tensors())
    rows = found.embed(features)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert rows.dtype == np.float32
    assert not found.embed(found.mean[None]).any()


def test_blocks_of_columns_count_equally() -> None:
    features, labels = drawn(width=30)
    found = fit_projection(features, labels, "standardised", widths=(3, 27))
    rows = (features - found.mean) @ found.matrix
    assert np.square(rows[:, :3]).sum() == pytest.approx(np.square(rows[:, 3:]).sum(), rel=0.01)


def test_what_cannot_be_learnt_from_is_refused() -> None:
    features, labels = drawn(5, 1)
    with pytest.raises(DataError, match="no identity has two different images"):
        fit_projection(features, labels, "within")
    assert fit_projection(features, labels, "whitened").width == 20
    with pytest.raises(DataError, match="no identity has two different images"):
        fit_projection(np.repeat(features, 2, axis=0), np.repeat(labels, 2), "discriminant")
    features[2, 3] = np.nan
    with pytest.raises(DataError, match="1 of 5 feature rows contain NaN or Inf"):
        fit_projection(features, labels, "whitened")
    with pytest.raises(DataError, match="needs at least 2 classes"):
        fit_projection(features[:2].repeat(2, 0)[:3], np.zeros(3, int), "whitened")
    with pytest.raises(DataError, match=r"features of shape \(N, 20\)"):
        fit_projection(*drawn(), "cosine").embed(np.zeros((1, 3), np.float32))
    with pytest.raises(ModelError, match="1 of 4 numbers are NaN"):
        Projection(np.zeros(2, np.float32), np.array([[1, 0], [0, np.nan]], np.float32))
