import threading
import time
import tracemalloc

import numpy as np
import pytest

from topwork.errors import DataError
from topwork.heads import Block, fit_linear, fit_streamed, row_keys
from topwork.heads._design import column_statistics
from topwork.heads._moments import Moments, discriminant_of, moments_of, ridge_of, ridge_strength

from .test_fit_linear import blobs, softmax

FOLDS = 5


class Held:
    """Rows in memory, handed out as shards of unequal size, a few rows at a time."""

    def __init__(self, features, labels, shards=7, block=100, delays=False):
        self.keys = row_keys([f"images/{place}.jpg" for place in range(len(labels))])
        bounds = np.linspace(0, 1, shards + 1) ** 1.5 * len(labels)
        self.pieces = {}
        for shard, (start, stop) in enumerate(zip(bounds[:-1].astype(int), bounds[1:].astype(int), strict=True)):
            starts = range(start, stop, block)
            rows = [slice(at, min(at + block, stop)) for at in starts]
            self.pieces[f"{shard * 7 % 11:02}"] = [
                Block(features[each], labels[each], self.keys[each]) for each in rows
            ]
        self.names = list(self.pieces)
        self.delays = delays

    def blocks(self, name):
        if self.delays:  # those that come first in the order are last to be read
            time.sleep(0.002 * (11 - int(name)))
        yield from self.pieces[name]


def digits():
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return images.astype(np.float16), labels


def standardised(features):
    mean, scale = column_statistics(features.astype(np.float32), 100)
    return (features.astype(np.float64) - mean) / scale


@pytest.fixture(scope="module")
def fitted():
    features, labels = blobs(3000, 30, 4, apart=0.6)
    features = features.astype(np.float16)
    return features, labels, fit_streamed(Held(features, labels), 4)


def moments(features, labels, n_classes):
    total = Moments.zeros(FOLDS, n_classes, features.shape[1])
    held = Held(features, labels)
    for name in held.names:
        total.add(moments_of(held.blocks(name), n_classes, FOLDS) or total)
    mean, scale = total.statistics()
    return total.standardised(mean, scale), (held.keys % np.uint64(FOLDS)).astype(int)


def test_statistics_are_those_of_rows_in_memory():
    features, labels = digits()
    held = moments_of(Held(features, labels, shards=1).blocks("00"), 10, FOLDS)
    mean, scale = held.statistics()
    expected = column_statistics(features.astype(np.float32), 100)
    np.testing.assert_allclose(mean, expected[0], rtol=1e-6)
    np.testing.assert_allclose(scale, expected[1], rtol=1e-5)


def test_ridge_is_scikit_learns_and_so_are_its_held_out_errors():
    from sklearn.linear_model import Ridge

    features, labels = digits()
    found, fold_of = moments(features, labels, 10)
    rows, wanted, strengths = standardised(features), np.eye(10)[labels], [1000.0, 30.0, 1.0]
    for strength, weights in zip(strengths, ridge_of(found.total(), strengths), strict=True):
        model = Ridge(alpha=strength).fit(rows, wanted)
        np.testing.assert_allclose(weights[:, :-1], model.coef_, atol=1e-6)
        np.testing.assert_allclose(weights[:, -1], model.intercept_, atol=1e-6)
    chosen, errors = ridge_strength(found, strengths)
    expected = []
    for strength in strengths:
        error = 0.0
        for fold in range(FOLDS):
            model = Ridge(alpha=strength).fit(rows[fold_of != fold], wanted[fold_of != fold])
            error += ((model.predict(rows[fold_of == fold]) - wanted[fold_of == fold]) ** 2).sum()
        expected.append(error / len(rows))
    np.testing.assert_allclose(errors, expected, rtol=1e-5)
    assert chosen == strengths[int(np.argmin(expected))]


@pytest.mark.parametrize("shrinkage", [0.9, 0.1])
def test_discriminant_analysis_is_scikit_learns(shrinkage):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    features, labels = digits()
    found, _ = moments(features, labels, 10)
    weights = discriminant_of(found.total(), shrinkage)
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(standardised(features), labels)
    np.testing.assert_allclose(weights[:, :-1], model.coef_, atol=1e-5)
    np.testing.assert_allclose(weights[:, -1], model.intercept_, atol=1e-5)


def test_logistic_is_scikit_learns_solution(fitted):
    from sklearn.linear_model import LogisticRegression

    features, labels, fit = fitted
    rows = (features.astype(np.float64) - fit.head.mean) / fit.head.scale
    model = LogisticRegression(C=1 / fit.strength, tol=1e-9, max_iter=20_000).fit(rows, labels)
    ours = softmax(fit.head.logits(features))
    np.testing.assert_allclose(ours, model.predict_proba(rows), atol=3e-3)
    np.testing.assert_allclose(fit.head.weight.T - fit.head.weight.mean(axis=1), model.coef_, atol=0.01)


def test_it_is_the_head_of_rows_in_memory(fitted):
    features, labels, fit = fitted
    fold_of = (Held(features, labels).keys % np.uint64(FOLDS)).astype(int)
    memory = fit_linear(features.astype(np.float32), labels, 4, fold_of=fold_of)
    assert memory.method == "logistic"
    assert fit.strength == memory.strength
    assert fit.judged == fit.rows == len(labels)
    assert abs(fit.cv_accuracy - memory.cv_accuracy) <= 0.001
    assert fit.cv_log_loss == pytest.approx(memory.cv_log_loss, abs=1e-3)
    assert fit.head.temperature == pytest.approx(memory.head.temperature, rel=5e-3)
    np.testing.assert_allclose(fit.head.weight, memory.head.weight, atol=5e-3)
    ours, theirs = (each.head.probabilities(features).argmax(axis=1) for each in (fit, memory))
    assert np.mean(ours == theirs) > 0.998


@pytest.fixture(scope="module")
def rare():
    """Rows of four classes of which the last has a thirtieth of the first."""
    features, labels = blobs(9000, 12, 4, apart=0.3)
    kept = np.concatenate([np.flatnonzero(labels == each)[: 2100 // (1, 2, 6, 30)[each]] for each in range(4)])
    kept = np.random.default_rng(0).permutation(kept)
    return features[kept].astype(np.float16), labels[kept]


@pytest.mark.parametrize("class_weight", ["auto", "none", "balanced"])
def test_classes_are_weighed_as_in_memory(rare, class_weight):
    features, labels = rare
    fit = fit_streamed(Held(features, labels), 4, class_weight=class_weight)
    fold_of = (Held(features, labels).keys % np.uint64(FOLDS)).astype(int)
    memory = fit_linear(features.astype(np.float32), labels, 4, fold_of=fold_of, class_weight=class_weight)
    assert memory.method == "logistic"
    assert fit.class_weight == memory.class_weight == ("none" if class_weight == "none" else "balanced")
    assert fit.strength == memory.strength
    assert fit.cv_log_loss == pytest.approx(memory.cv_log_loss, abs=1e-3)
    assert abs(fit.cv_accuracy - memory.cv_accuracy) <= 0.002
    np.testing.assert_allclose(
        fit.head.probabilities(features), memory.head.probabilities(features.astype(np.float32)), atol=0.01
    )


def test_equal_classes_are_not_weighed_and_cost_no_more_passes(fitted):
    features, labels, fit = fitted
    assert fit.class_weight == "none"
    assert fit.passes == fit_streamed(Held(features, labels), 4, class_weight="none").passes


def test_balanced_solutions_are_scikit_learns(rare):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression, Ridge

    features, labels = rare
    weights = len(labels) / (4 * np.bincount(labels)[labels])
    fits = {
        method: fit_streamed(Held(features, labels), 4, method=method, class_weight="balanced")
        for method in ("logistic", "lda", "ridge")
    }
    head = fits["logistic"].head
    rows = (features.astype(np.float64) - head.mean) / head.scale
    model = LogisticRegression(C=1 / fits["logistic"].strength, tol=1e-9, max_iter=20_000, class_weight="balanced")
    np.testing.assert_allclose(softmax(head.logits(features)), model.fit(rows, labels).predict_proba(rows), atol=3e-3)
    ridge, head = Ridge(alpha=fits["ridge"].strength), fits["ridge"].head
    ridge.fit(rows, np.eye(4)[labels], sample_weight=weights)
    np.testing.assert_allclose(head.weight.T, ridge.coef_, atol=1e-5)
    np.testing.assert_allclose(head.bias, ridge.intercept_, atol=1e-5)
    analysis, head = fits["lda"], fits["lda"].head
    prior = np.full(4, 0.25)
    expected = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=analysis.strength, priors=prior).fit(rows, labels)
    np.testing.assert_allclose(head.weight.T, expected.coef_, atol=1e-4)
    np.testing.assert_allclose(head.bias, expected.intercept_, atol=1e-4)


def test_the_weighing_that_finds_rare_classes_is_taken(rare):
    from sklearn.metrics import f1_score

    features, labels = rare
    for method in ("logistic", "lda", "ridge"):
        fits = {
            each: fit_streamed(Held(features, labels), 4, method=method, class_weight=each)
            for each in ("none", "balanced", "auto")
        }
        scores = {
            each: f1_score(fit.oof_labels, fit.oof_logits.argmax(axis=1), average="macro") for each, fit in fits.items()
        }
        better = "balanced" if scores["balanced"] > scores["none"] else "none"
        assert fits["auto"].class_weight == better
        assert scores["auto"] == scores[better]
        np.testing.assert_array_equal(fits["auto"].head.weight, fits[better].head.weight)


@pytest.mark.parametrize("method", ["logistic", "lda", "ridge"])
def test_workers_and_their_order_change_no_bit(method):
    features, labels = blobs(600, 20, 3)
    heads = []
    for workers in (1, 2, 7):
        held = Held(features, labels, delays=workers > 1)
        np.random.default_rng(workers).shuffle(held.names)
        heads.append(fit_streamed(held, 3, method=method, class_weight="balanced", workers=workers).head)
    assert len({each.weight.tobytes() + each.bias.tobytes() + str(each.temperature).encode() for each in heads}) == 1
    assert not [each for each in threading.enumerate() if each.name.startswith("topwork-shards")]


@pytest.mark.parametrize("method", ["logistic", "lda", "ridge"])
def test_digits_out_of_fold_are_as_good_as_held_out(method):
    features, labels = digits()
    order = np.random.default_rng(0).permutation(len(labels))
    features, labels = features[order], labels[order]
    fit = fit_streamed(Held(features[:1000], labels[:1000]), 10, method=method)
    found = fit.head.probabilities(features[1000:])
    accuracy = np.mean(found.argmax(axis=1) == labels[1000:])
    assert accuracy > 0.9
    assert abs(fit.cv_accuracy - accuracy) < 0.04
    assert abs(fit.cv_log_loss + np.log(found[np.arange(797), labels[1000:]]).mean()) < 0.12


def test_judges_are_drawn_by_their_keys_where_rows_are_many(monkeypatch):
    monkeypatch.setattr("topwork.heads._streamed_rows._JUDGES", 500)
    features, labels = blobs(3000, 30, 4, apart=0.6)
    fit = fit_streamed(Held(features, labels), 4)
    assert 400 < fit.judged < 600
    assert abs(fit.cv_accuracy - np.mean(fit.head.logits(features).argmax(axis=1) == labels)) < 0.06


def test_a_class_without_rows_and_one_with_a_single_row():
    features, labels = blobs(400, 10, 3)
    labels = np.where(labels == 2, 3, labels)
    labels[5] = 4
    fit = fit_streamed(Held(features, labels), 6)
    shares = fit.head.probabilities(features)
    assert (shares[:, [2, 5]] == 0).all()
    assert fit.judged == 399  # the only row of its class trains in every fold
    assert np.isfinite(fit.head.weight).all()


def test_memory_does_not_grow_with_rows(monkeypatch):
    monkeypatch.setattr("topwork.heads._streamed_rows._JUDGES", 500)

    def peak(shards):
        class Drawn:
            names = tuple(f"{shard:03}" for shard in range(shards))

            def blocks(self, name):
                rng = np.random.default_rng(int(name))
                for place in range(4):
                    labels = np.arange(250) % 2
                    rows = rng.standard_normal((250, 64)).astype(np.float16) + labels[:, None].astype(np.float16)
                    yield Block(rows, labels, row_keys([f"{name}/{place}/{row}" for row in range(250)]))

        tracemalloc.start()
        fit = fit_streamed(Drawn(), 2, method="lda", workers=1)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert fit.rows == 1000 * shards
        return found

    peak(1)  # what is imported, and made once, is there now
    assert peak(24) < 1.2 * peak(6)


def test_what_cannot_be_is_refused():
    features, labels = blobs(60, 5, 3)
    spoilt = features.copy()
    spoilt[50, 2] = np.nan

    def refused(match, features=features, labels=labels, n_classes=3, **options):
        with pytest.raises(DataError, match=match):
            fit_streamed(Held(features, labels), n_classes, **options)

    refused("NaN or Inf", features=spoilt)
    refused("all 60 rows are of class 1", labels=np.ones(60, int))
    refused("outside 0..1", n_classes=2)
    refused("must be integers", labels=labels.astype(float))
    refused("must be floats", features=features.astype(int))
    refused("at least 2 classes and 2 folds", folds=1)
    refused("method must be one of", method="auto")
    refused("class_weight must be none, balanced or auto", class_weight="rare")
    refused("too few", features=features[:3], labels=labels[:3])
    refused("no rows", features=features[:0], labels=labels[:0])
    twice = Held(features, labels)
    twice.names.append("00")
    with pytest.raises(DataError, match="named twice"):
        fit_streamed(twice, 3)
    wider = Held(features, labels)
    wider.pieces["00"] = [Block(each.features[:, :4], each.labels, each.keys) for each in wider.pieces["00"]]
    with pytest.raises(DataError, match="rows of"):
        fit_streamed(wider, 3)
