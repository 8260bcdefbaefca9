"""The methods of the linear head: scikit-learn is the oracle, and few or odd images are the trouble."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load, save

from topwork.errors import DataError, ModelError
from topwork.heads import LinearHead, equal_blocks, fit_linear, fit_temperature, head_from_tensors
from topwork.heads._design import build_design
from topwork.heads._lda import SHRINKAGE

from .test_fit_linear import STRENGTHS, blobs, softmax

SCALINGS = ["blend", "normalised", "power"]
METHODS = ["logistic", "lda", *SCALINGS]


def lengthened(features):
    """The same directions at random lengths."""
    lengths = np.random.default_rng(7).uniform(0.2, 5, (len(features), 1))
    return (features * lengths).astype(np.float32)


def scaled(features, head):
    from sklearn.preprocessing import Normalizer

    rows = features.astype(np.float64)
    if head.rooted:
        rows = np.sign(rows) * np.abs(rows) ** 0.5
    rows = Normalizer().fit_transform(rows) if head.normalised else rows
    return (rows - head.mean) / head.scale


@pytest.mark.parametrize("method", SCALINGS)
@pytest.mark.parametrize(("n", "width", "n_classes"), [(60, 300, 3), (300, 40, 3), (90, 120, 2)])
def test_a_blend_is_the_mean_of_scikit_learns_logits_at_their_temperatures(method, n, width, n_classes, monkeypatch):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression

    features, labels = blobs(n, width, n_classes)
    features, fold_of = lengthened(features), np.arange(n) % 5
    monkeypatch.setattr(STRENGTHS, np.array([0.03]))
    fit = fit_linear(features, labels, n_classes, method=method, fold_of=fold_of)
    assert (fit.head.normalised, fit.head.rooted) == (method != "blend", method == "power")
    rows = scaled(features, fit.head)
    inverse = (2 if n_classes == 2 else 1) / fit.strength
    logits, out_of_fold = 0, 0
    for model in (
        LogisticRegression(C=inverse, tol=1e-9, max_iter=20_000),
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE),
    ):
        others = np.empty((n, n_classes))
        for fold in range(5):
            out = fold_of == fold
            others[out] = model.fit(rows[~out], labels[~out]).predict_log_proba(rows[out])
        temperature = fit_temperature(others, labels)
        logits = logits + 0.5 * model.fit(rows, labels).predict_log_proba(rows) / temperature
        out_of_fold = out_of_fold + 0.5 * others / temperature
    np.testing.assert_allclose(softmax(fit.head.logits(features)), softmax(logits), atol=5e-3)
    np.testing.assert_allclose(softmax(fit.oof_logits), softmax(out_of_fold), atol=3e-2)  # folds are fitted loosely
    assert fit.head.temperature == pytest.approx(fit_temperature(out_of_fold, labels), rel=0.02)
    assert fit.cv_accuracy == pytest.approx((out_of_fold.argmax(axis=1) == labels).mean(), abs=1.01 / n)


def test_lengths_of_rows_change_nothing_where_they_are_divided_by():
    features, labels = blobs(60, 100, 3)
    for method in ("normalised", "power"):
        head = fit_linear(features, labels, 3, method=method).head
        lengths = np.random.default_rng(7).uniform(0.2, 5, (60, 1)).astype(np.float32)
        np.testing.assert_allclose(head.logits(features * lengths), head.logits(features), atol=1e-2)


@pytest.mark.parametrize("counts", [(20, 20, 20), (30, 9, 4), (300, 200, 250)])
def test_lda_is_scikit_learns_with_the_same_shrinkage(counts):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    features, labels = blobs(3 * max(counts), 100, 3)
    kept = np.concatenate([np.flatnonzero(labels == label)[:count] for label, count in enumerate(counts)])
    features, labels = features[kept], labels[kept]
    fold_of = np.arange(len(labels)) % 3
    fit = fit_linear(features, labels, 3, method="lda", fold_of=fold_of, class_weight="none")
    rows = scaled(features, fit.head)
    oracle = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE)
    expected = oracle.fit(rows, labels).predict_proba(rows)
    np.testing.assert_allclose(softmax(fit.head.logits(features)), expected, atol=2e-3)
    for fold in range(3):
        out = fold_of == fold
        expected = oracle.fit(rows[~out], labels[~out]).predict_proba(rows[out])
        np.testing.assert_allclose(softmax(fit.oof_logits[out]), expected, atol=5e-3)


def test_deviations_of_few_images_lean_towards_the_average_and_those_of_many_do_not():
    from sklearn.preprocessing import StandardScaler

    def scales(images):
        features, _ = blobs(images, 50, 2)
        return build_design(features).scale, StandardScaler().fit(features).scale_

    few, own = scales(25)
    np.testing.assert_allclose(few**2, 0.2 * own**2 + 0.8 * np.mean(own**2), rtol=1e-4)
    many, own = scales(20_000)
    np.testing.assert_allclose(many, own, rtol=0.03)


@pytest.mark.parametrize("method", METHODS)
def test_rows_of_zeros_and_constant_columns_do_no_harm(method):
    features, labels = blobs(24, 30, 3, apart=3)
    features[:, 4] = 7.0
    features[[0, 5]] = 0
    fit = fit_linear(features, labels, 3, method=method)
    probabilities = fit.head.probabilities(np.vstack([features, np.zeros((1, 30), np.float32)]))
    assert np.isfinite(probabilities).all()
    assert (probabilities[:24].argmax(axis=1) == labels).mean() > 0.8


@pytest.mark.parametrize("method", METHODS)
def test_features_that_are_all_the_same_give_the_class_shares(method):
    labels = np.array([0] * 30 + [1] * 10)
    fit = fit_linear(np.full((40, 6), 3, np.float32), labels, 2, method=method, class_weight="none")
    np.testing.assert_allclose(fit.head.probabilities(np.full((1, 6), 3, np.float32)), [[0.75, 0.25]], atol=0.03)


@pytest.mark.parametrize("method", [*METHODS, "auto"])
def test_one_image_a_class_is_learnt_but_not_judged(method):
    features, labels = blobs(4, 30, 4)
    fit = fit_linear(features, labels, 4, method=method)
    assert fit.method == ("normalised" if method == "auto" else method)
    assert (fit.cv_accuracy, fit.folds, fit.held_out.any()) == (None, 0, False)
    assert (fit.head.probabilities(features).argmax(axis=1) == labels).all()


@pytest.mark.parametrize("method", METHODS)
def test_huge_and_tiny_features_stay_finite(method):
    features, labels = blobs(24, 30, 3)
    for factor in (1e-18, 1e15):
        head = fit_linear(features * np.float32(factor), labels, 3, method=method).head
        assert np.isfinite(head.probabilities(features * np.float32(factor))).all()


def test_auto_compares_three_scalings_where_images_are_few_and_takes_the_lowest_loss():
    features, labels = blobs(60, 200, 6, apart=2)
    fit = fit_linear(features, labels, 6)
    assert [each.method for each in fit.tried] == ["normalised", "blend", "power"]
    chosen = next(each for each in fit.tried if each.method == fit.method)
    assert (chosen.accuracy, chosen.log_loss) == (fit.cv_accuracy, fit.cv_log_loss)
    # Lengths that tell the class are lost by dividing by them: here the direction is noise.
    rng = np.random.default_rng(0)
    labels = np.arange(20) % 2
    directions = np.abs(rng.standard_normal((20, 40))) + 3
    told = (directions * (1 + 2 * labels)[:, None]).astype(np.float32)
    assert fit_linear(told, labels, 2).method == "blend"
    # Large columns of noise drown small ones that tell the class, but for their roots.
    noise = rng.exponential(50, (40, 60)) * rng.integers(0, 2, (40, 60))
    labels = np.arange(40) % 2
    signal = 0.5 + np.stack([labels, 1 - labels], axis=1).repeat(10, axis=1) + rng.uniform(0, 1, (40, 20))
    assert fit_linear(np.hstack([noise, signal]).astype(np.float32), labels, 2).method == "power"


@pytest.mark.parametrize(
    ("images", "weights", "method"),
    [(501, None, "blend"), (24, equal_blocks([5, 25]), "blend"), (2049, None, "logistic")],
)
def test_auto_tries_one_where_images_are_many_or_columns_of_several_kinds(images, weights, method):
    features, labels = blobs(images, 30, 6)
    fit = fit_linear(features, labels, 6, column_weights=weights)
    assert [each.method for each in fit.tried] == [method]
    assert not fit.head.normalised


def test_auto_is_logistic_where_classes_are_imbalanced():
    features, labels = blobs(60, 30, 3)
    kept = np.flatnonzero((labels > 0) | (np.arange(60) < 20))
    assert [each.method for each in fit_linear(features[kept], labels[kept], 3).tried] == ["logistic"]


def test_very_many_classes_of_few_images_get_lda_alone(monkeypatch):
    monkeypatch.setattr("topwork.heads._linear._LARGE", 1e6)
    features, labels = blobs(600, 64, 200, apart=2)
    fit = fit_linear(features, labels, 200)
    assert [each.method for each in fit.tried] == ["lda"]
    assert fit.cv_accuracy > 0.5


def test_nothing_is_learnt_of_shuffled_labels_by_choosing_among_methods():  # FAULTS 44
    features, _ = blobs(40, 500, 4, apart=0)
    found = [fit_linear(features, np.random.default_rng(seed).integers(0, 4, 40), 4) for seed in range(6)]
    assert np.mean([fit.cv_accuracy for fit in found]) < 0.35
    assert np.mean([fit.cv_log_loss for fit in found]) > 1.3


def test_a_class_that_a_fold_holds_out_whole_gets_nothing_there():
    features, labels = blobs(30, 20, 3, apart=3)
    fit = fit_linear(features, labels, 3, method="lda", fold_of=labels)
    assert np.isfinite(fit.oof_logits).all()
    assert fit.cv_accuracy == 0


def test_an_unknown_method_is_refused():
    features, labels = blobs(30, 20, 3)
    with pytest.raises(
        DataError, match="method must be one of logistic, lda, blend, normalised, power, auto, got 'svm'"
    ):
        fit_linear(features, labels, 3, method="svm")


def test_a_head_of_roots_comes_back_and_an_older_one_has_neither_roots_nor_lengths():
    features, labels = blobs(30, 20, 3)
    head = fit_linear(features, labels, 3, method="power").head
    tensors = load(save(head.to_tensors()))
    again = head_from_tensors("linear", tensors)
    assert again.probabilities(features).tobytes() == head.probabilities(features).tobytes()
    older = LinearHead.from_tensors({name: value for name, value in tensors.items() if tensors[name].dtype != bool})
    assert not older.normalised
    assert not older.rooted
    assert {"normalised", "rooted"}.isdisjoint(older.to_tensors())


@pytest.mark.parametrize("name", ["normalised", "rooted"])
@pytest.mark.parametrize("flag", [np.ones(1, np.float32), np.ones(2, np.bool_)])
def test_a_damaged_flag_is_refused(flag, name):
    features, labels = blobs(30, 20, 3)
    tensors = fit_linear(features, labels, 3, method="power").head.to_tensors()
    with pytest.raises(ModelError, match=name):
        LinearHead.from_tensors({**tensors, name: flag})


def test_roots_without_lengths_are_refused():
    features, labels = blobs(30, 20, 3)
    tensors = fit_linear(features, labels, 3, method="power").head.to_tensors()
    with pytest.raises(ModelError, match="rooted: expected a head that is normalised"):
        LinearHead.from_tensors({name: value for name, value in tensors.items() if name != "normalised"})


def test_classes_of_near_copies_are_within_what_a_temperature_can_take_back():
    rng = np.random.default_rng(0)
    labels = np.arange(30) % 3
    features = (rng.standard_normal((3, 200))[labels] + 1e-4 * rng.standard_normal((30, 200))).astype(np.float32)
    head = fit_linear(features, labels, 3, method="lda").head
    assert np.abs(head.logits(features)).max() < 1000
    assert 0.01 < head.temperature < 40
