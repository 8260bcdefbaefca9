from functools import partial
from pathlib import Path

import numpy as np
import pytest

from topwork.errors import DataError
from topwork.heads import equal_blocks
from topwork.heads import fit_linear as fit_by_any_method
from topwork.heads._rows import stratified_folds
from topwork.heads._temperature import fit_temperature
from topwork.metrics import macro_f1

fit_linear = partial(fit_by_any_method, method="logistic")
STRENGTHS = "topwork.heads._crossed.RELATIVE_STRENGTHS"
SHAPES = [(60, 300, 3), (300, 40, 3), (90, 120, 2), (2100, 2200, 3)]


def blobs(n, width, n_classes, seed=0, apart=1.0):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % n_classes)
    centres = apart * rng.standard_normal((n_classes, width)) / np.sqrt(width) * 3
    scales = np.arange(1, width + 1) ** -0.3
    features = (rng.standard_normal((n, width)) + centres[labels]) * scales + rng.standard_normal(width)
    return features.astype(np.float32), labels


def oracle(features, labels, head, strength, **options):
    """scikit-learn on the same standardised features; with two classes its penalty is twice ours."""
    from sklearn.linear_model import LogisticRegression

    inverse = (2 if len(np.unique(labels)) == 2 else 1) / strength
    model = LogisticRegression(C=inverse, tol=1e-9, max_iter=20_000, **options)
    return model.fit((features.astype(np.float64) - head.mean) / head.scale, labels)


def expected(model, features, head):
    return model.predict_proba((features.astype(np.float64) - head.mean) / head.scale)


def softmax(logits):
    shares = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    return shares / shares.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("n", "width", "n_classes"), SHAPES)
def test_the_final_fit_is_scikit_learns_solution(n, width, n_classes, monkeypatch):
    features, labels = blobs(n, width, n_classes)
    for relative in (1.0, 0.01) if n < 1000 else (0.1,):
        monkeypatch.setattr(STRENGTHS, np.array([relative]))
        fit = fit_linear(features, labels, n_classes, fold_of=stratified_folds(labels, 2, 0))
        model = oracle(features, labels, fit.head, fit.strength)
        ours = softmax(fit.head.logits(features))
        np.testing.assert_allclose(ours, expected(model, features, fit.head), atol=3e-3)


@pytest.mark.parametrize("class_weight", ["none", "balanced"])
def test_images_count_as_scikit_learns_sample_weight_says(class_weight, monkeypatch):
    features, labels = blobs(150, 20, 3)
    weights = np.random.default_rng(1).integers(0, 5, 150)
    monkeypatch.setattr(STRENGTHS, np.array([1.0]))
    fit = fit_linear(features, labels, 3, class_weight=class_weight, sample_weight=7 * weights)
    shares = weights / weights.mean() * (150 / (3 * np.bincount(labels))[labels] if class_weight == "balanced" else 1)
    rows = (features.astype(np.float64) - fit.head.mean) / fit.head.scale
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1 / fit.strength, tol=1e-9, max_iter=20_000).fit(rows, labels, sample_weight=shares)
    np.testing.assert_allclose(softmax(fit.head.logits(features)), model.predict_proba(rows), atol=3e-3)


def test_images_judge_by_their_weight():
    features, labels = blobs(150, 20, 3)
    weights = np.random.default_rng(1).integers(0, 4, 150)
    fit = fit_linear(features, labels, 3, sample_weight=weights)
    held = fit.held_out
    assert held.tolist() == (weights > 0).tolist()
    hits = fit.oof_logits[held].argmax(axis=1) == labels[held]
    assert fit.cv_accuracy == pytest.approx(np.average(hits, weights=weights[held]))
    expected = fit_temperature(fit.oof_logits[held], labels[held], weights[held])
    assert fit.head.temperature == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("weights", "fault"),
    [
        (np.ones(3), "must be 60 numbers"),
        (np.full(60, -1.0), "not below 0"),
        (np.full(60, np.nan), "must be finite"),
        (np.array(["1"] * 60), "must be 60 numbers"),
        (np.zeros(60), "0 for all rows of a class"),
    ],
)
def test_weights_that_cannot_be_are_refused(weights, fault):
    features, labels = blobs(60, 5, 3)
    with pytest.raises(DataError, match=fault):
        fit_linear(features, labels, 3, sample_weight=weights)


@pytest.mark.parametrize(("n", "width", "n_classes"), SHAPES[:3])
def test_the_objective_is_as_low_as_scikit_learns(n, width, n_classes, monkeypatch):
    monkeypatch.setattr(STRENGTHS, np.array([0.01]))
    features, labels = blobs(n, width, n_classes)
    fit = fit_linear(features, labels, n_classes)
    model = oracle(features, labels, fit.head, fit.strength)
    weight = model.coef_.T if n_classes > 2 else np.hstack([-model.coef_.T, model.coef_.T]) / 2

    def objective(probabilities, weight):
        loss = -np.log(probabilities[np.arange(n), labels]).sum()
        return loss + fit.strength / 2 * np.sum(weight.astype(np.float64) ** 2)

    theirs = objective(expected(model, features, fit.head), weight)
    ours = objective(softmax(fit.head.logits(features)), fit.head.weight)
    assert ours <= theirs * (1 + 1e-4)


@pytest.mark.parametrize("class_weight", ["none", "balanced"])
@pytest.mark.parametrize(("n", "width", "n_classes"), SHAPES[:3])
def test_out_of_fold_predictions_are_those_of_separate_fits(n, width, n_classes, class_weight, monkeypatch):
    features, labels = blobs(n, width, n_classes)
    labels = np.where(np.arange(n) % 3 == 0, 0, labels)
    strength = 0.03 * width
    monkeypatch.setattr(STRENGTHS, np.array([0.03]))
    fit = fit_linear(features, labels, n_classes, class_weight=class_weight, seed=3)
    fold_of = stratified_folds(labels, 5, 3)
    shares = np.bincount(labels) / n
    weights = {c: 1.0 if class_weight == "none" else 1 / (n_classes * shares[c]) for c in range(n_classes)}
    ours = softmax(fit.oof_logits)
    for fold in range(5):
        train = fold_of != fold
        model = oracle(features[train], labels[train], fit.head, strength, class_weight=weights)
        # The path is fitted to 1e-5 of its objective, held-out rows are the least tied down.
        np.testing.assert_allclose(ours[~train], expected(model, features[~train], fit.head), atol=0.02)


def test_rotated_and_unrotated_rows_give_the_same_head(monkeypatch):
    features, labels = blobs(80, 200, 4)
    monkeypatch.setattr(STRENGTHS, np.array([0.1]))
    rotated = fit_linear(features, labels, 4)
    monkeypatch.setattr("topwork.heads._design.ROTATE_UP_TO", 0)
    straight = fit_linear(features, labels, 4)
    np.testing.assert_allclose(rotated.head.weight, straight.head.weight, atol=1e-3)
    np.testing.assert_allclose(rotated.head.bias, straight.head.bias, atol=1e-3)


def test_stacking_folds_changes_nothing(monkeypatch):
    features, labels = blobs(80, 30, 4)
    together = fit_linear(features, labels, 4)
    monkeypatch.setattr("topwork.heads._path._STACK_ELEMENTS", 1)
    apart = fit_linear(features, labels, 4)
    assert together.strength == apart.strength
    np.testing.assert_allclose(together.oof_logits, apart.oof_logits, atol=0.02)


def test_the_same_seed_gives_the_same_bytes():
    features, labels = blobs(80, 30, 4)
    first, second = (fit_linear(features, labels, 4, seed=5) for _ in range(2))
    assert first.head.weight.tobytes() == second.head.weight.tobytes()
    assert first.oof_logits.tobytes() == second.oof_logits.tobytes()


def test_digits():
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    images, labels = images[order].astype(np.float32), labels[order]
    fit = fit_linear(images[:1000], labels[:1000], 10)
    probabilities = fit.head.probabilities(images[1000:])
    found = np.mean(probabilities.argmax(axis=1) == labels[1000:])
    loss = -np.log(probabilities[np.arange(797), labels[1000:]]).mean()
    assert found > 0.95
    assert loss < 0.17
    assert abs(fit.cv_accuracy - found) < 0.03
    assert abs(fit.cv_log_loss - loss) < 0.06


def test_shuffled_labels_stay_near_chance():  # FAULTS 44
    features, _ = blobs(400, 1000, 4, apart=0)
    labels = np.random.default_rng(1).integers(0, 4, 400)
    fit = fit_linear(features, labels, 4)
    assert 0.15 < fit.cv_accuracy < 0.35
    assert fit.cv_log_loss > 1.3
    assert fit.head.probabilities(features).max() < 0.6


def test_the_path_runs_from_strong_to_weak_and_holds_the_chosen_strength():
    features, labels = blobs(200, 50, 3)
    fit = fit_linear(features, labels, 3)
    tried = [point.strength for point in fit.path]
    assert tried == sorted(tried, reverse=True)
    chosen = next(point for point in fit.path if point.strength == fit.strength)
    assert (chosen.accuracy, chosen.log_loss) == (fit.cv_accuracy, fit.cv_log_loss)
    assert np.mean(fit.oof_logits.argmax(axis=1) == labels) == fit.cv_accuracy


def test_memory_mapped_features_give_the_same_head(tmp_path: Path):
    features, labels = blobs(150, 40, 3)
    np.save(tmp_path / "features.npy", features)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    from_disk, from_memory = fit_linear(mapped, labels, 3), fit_linear(features, labels, 3)
    assert from_disk.head.weight.tobytes() == from_memory.head.weight.tobytes()
    assert (np.load(tmp_path / "features.npy") == features).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_float_types_are_read(dtype):
    features, labels = blobs(150, 40, 3)
    fit = fit_linear(features.astype(dtype), labels, 3)
    assert fit.cv_accuracy > 0.8


def test_a_class_without_images_keeps_its_place_and_gets_nothing():
    features, labels = blobs(120, 30, 2)
    fit = fit_linear(features, labels * 2, 4)
    probabilities = fit.head.probabilities(np.vstack([features, 1e4 * features]))
    assert np.isfinite(probabilities).all()
    assert (probabilities[:, [1, 3]] < 1e-30).all()
    assert set(probabilities.argmax(axis=1)) <= {0, 2}
    assert fit.oof_logits.shape == (120, 4)
    assert np.isfinite(fit.oof_logits).all()


def test_a_single_image_trains_and_is_never_held_out():  # FAULTS 18
    features, labels = blobs(61, 30, 2)
    labels = labels.copy()
    labels[7] = 2
    fit = fit_linear(features, labels, 3)
    assert not fit.held_out[7]
    assert fit.held_out.sum() == 60
    assert np.isfinite(fit.oof_logits).all()


def test_two_images_a_class_make_two_folds():
    features, labels = blobs(8, 30, 4, apart=3)
    fit = fit_linear(features, labels, 4)
    assert fit.folds == 2
    assert fit.held_out.all()


def test_one_image_a_class_can_be_fitted_but_not_judged():
    features, labels = blobs(2, 30, 2)
    fit = fit_linear(features, labels, 2)
    assert (fit.cv_accuracy, fit.cv_log_loss, fit.path, fit.folds) == (None, None, (), 0)
    assert (fit.head.probabilities(features).argmax(axis=1) == labels).all()


@pytest.mark.parametrize("value", [0.0, 1e6])
def test_identical_features_give_the_class_shares(value):
    labels = np.array([0] * 30 + [1] * 10)
    fit = fit_linear(np.full((40, 6), value, np.float32), labels, 2, class_weight="none")
    probabilities = fit.head.probabilities(np.full((1, 6), value, np.float32))
    np.testing.assert_allclose(probabilities, [[0.75, 0.25]], atol=0.03)


def test_a_constant_column_counts_for_nothing():
    features, labels = blobs(100, 20, 2)
    features[:, 3] = 1e6 + 0.1
    fit = fit_linear(features, labels, 2)
    assert fit.head.scale[3] == 1
    np.testing.assert_allclose(fit.head.weight[3], 0, atol=1e-12)


def test_a_channel_that_woke_once_does_not_decide():
    features, labels = blobs(100, 20, 2)
    features[:, 3] = 0
    features[0, 3] = 1e-3
    fit = fit_linear(features, labels, 2)
    assert fit.head.scale[3] > 0.01


def test_ten_thousand_to_one():  # FAULTS 18
    features, labels = blobs(10_001, 10, 2)
    labels = np.zeros(10_001, int)
    labels[5] = 1
    features[5] += 5
    for class_weight in ("none", "balanced", "auto"):
        fit = fit_linear(features, labels, 2, class_weight=class_weight)
        assert np.isfinite(fit.head.probabilities(features)).all()


def test_many_classes_of_few_images():
    features, labels = blobs(600, 64, 200, apart=2)
    fit = fit_linear(features, labels, 200)
    assert fit.cv_accuracy > 0.5
    assert fit.folds == 3


def test_auto_leaves_balanced_classes_alone_and_measures_unbalanced_ones():
    features, labels = blobs(200, 10, 2, apart=0.5)
    assert fit_linear(features, labels, 2).class_weight == "none"
    few = (labels == 0) | (np.arange(200) % 12 == 0)
    features, labels = features[few], labels[few]
    fits = {kind: fit_linear(features, labels, 2, class_weight=kind) for kind in ("none", "balanced", "auto")}
    scores = {kind: macro_f1(fit.oof_logits.argmax(axis=1), labels, 2) for kind, fit in fits.items()}
    assert scores["auto"] == max(scores.values())
    assert fits["auto"].class_weight == ("balanced" if scores["balanced"] > scores["none"] else "none")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": np.ones(5)}, "shape"),
        ({"features": np.ones((5, 0))}, "shape"),
        ({"features": np.ones((5, 3), int)}, "floats"),
        ({"labels": np.zeros(4, int)}, "labels"),
        ({"labels": np.zeros(5)}, "integers"),
        ({"labels": np.array([0, 1, 2, 0, 1])}, "1 of 5 labels"),
        ({"labels": np.array([0, -1, 1, -1, 1])}, "2 of 5 labels"),
        ({"labels": np.ones(5, int)}, "all 5 rows are of class 1"),
        ({"n_classes": 1}, "at least 2 classes"),
        ({"class_weight": "auot"}, "class_weight"),
    ],
)
def test_what_cannot_be_fitted_is_named(change, message):
    given = {"features": np.eye(5, 3), "labels": np.array([0, 1, 0, 1, 0]), "n_classes": 2, **change}
    with pytest.raises(DataError, match=message):
        fit_linear(given.pop("features"), given.pop("labels"), given.pop("n_classes"), **given)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_counted(value):
    features, labels = blobs(20, 4, 2)
    features[[3, 8], 1] = value
    with pytest.raises(DataError, match="2 of 20 feature rows"):
        fit_linear(features, labels, 2)


def test_given_folds_are_used_as_they_are() -> None:
    rows, labels = blobs(60, 8, 3, seed=0)[:2]
    fold_of = np.arange(60) // 20
    fit = fit_linear(rows, labels, 3, fold_of=fold_of)
    assert fit.folds == 3
    assert fit.held_out.all()


def test_siblings_in_other_folds_flatter_and_given_folds_do_not() -> None:
    """Twelve groups of ten near copies with a label each at random: nothing can be learned beyond the group."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 10)
    rows = (rng.standard_normal((12, 30))[groups] + 0.01 * rng.standard_normal((120, 30))).astype(np.float32)
    labels = rng.permutation(np.arange(12) % 2)[groups]
    parted = fit_linear(rows, labels, 2).cv_accuracy
    whole = fit_linear(rows, labels, 2, fold_of=groups % 4).cv_accuracy
    assert parted == 1.0
    assert whole is not None
    assert whole < 0.8


@pytest.mark.parametrize("fold_of", [np.zeros(60, int), np.arange(59) % 2, np.linspace(0, 1, 60)])
def test_folds_that_are_none_are_refused(fold_of: np.ndarray) -> None:
    rows, labels = blobs(60, 8, 3, seed=0)[:2]
    with pytest.raises(DataError, match="fold_of must be"):
        fit_linear(rows, labels, 3, fold_of=fold_of)


def test_equal_blocks_give_each_block_the_same_variance() -> None:
    weights = equal_blocks([2, 8])
    assert weights.shape == (10,)
    assert np.isclose((weights[:2] ** 2).sum(), (weights[2:] ** 2).sum())
    assert np.isclose((weights**2).sum(), 10)
