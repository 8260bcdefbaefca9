"""The small network: its forward pass is scikit-learn's, its training torch's, its choice of epochs honest."""

import dataclasses

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

from topwork.errors import DataError, ModelError
from topwork.heads import fit_linear, fit_mlp, head_from_tensors
from topwork.heads._mlp import Network

from .test_fit_linear import blobs


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return images.astype(np.float32), labels


def test_it_answers_as_scikit_learns_network_with_the_same_weights(digits, monkeypatch):
    from sklearn.neural_network import MLPClassifier

    monkeypatch.setattr("topwork.heads._rows.CHUNK_ELEMENTS", 1000)
    images, labels = digits
    head = fit_mlp(images[:300], labels[:300], 10, hidden=32).head
    oracle = MLPClassifier((32,), max_iter=1)
    with pytest.warns(match="converged"):
        oracle.fit(images[:300], labels[:300])
    oracle.coefs_ = [head.hidden_weight, head.weight / head.temperature]
    oracle.intercepts_ = [head.hidden_bias, head.bias / head.temperature]
    rows = (images[300:600] - head.mean) / head.scale
    np.testing.assert_allclose(head.probabilities(images[300:600]), oracle.predict_proba(rows), atol=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_it_trains_as_torchs_plain_loop_does(dropout):
    rows, labels = blobs(70, 12, 3, apart=0.5)
    weights = np.linspace(0.5, 1.5, 70).astype(np.float32)
    network = Network((12, 16, 3), dropout, np.random.default_rng(5))
    first, first_bias, second, second_bias = (
        torch.tensor(value, requires_grad=True) for value in (each.copy() for each in network.weights)
    )
    draws = np.random.default_rng(5)
    draws.uniform(size=(12, 16)), draws.uniform(size=(16, 3))  # those of the first weights
    optimizer = torch.optim.Adam([first, first_bias, second, second_bias], lr=1e-3)
    for _ in range(3):
        network.epoch(rows, labels, weights, np.arange(70))
        order = draws.permutation(np.arange(70))
        for start in range(0, 70, 32):
            batch = order[start : start + 32]
            active = torch.relu(torch.from_numpy(rows[batch]) @ first + first_bias)
            if dropout:
                kept = draws.random((len(batch), 16), np.float32) < 1 - dropout
                active = active * torch.from_numpy(kept) / (1 - dropout)
            losses = torch.nn.functional.cross_entropy(
                active @ second + second_bias, torch.from_numpy(labels[batch]), reduction="none"
            )
            optimizer.zero_grad()
            (losses * torch.from_numpy(weights[batch])).mean().backward()
            optimizer.step()
    for ours, theirs in zip(network.weights, (first, first_bias, second, second_bias), strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), atol=2e-5)


def test_digits(digits):
    images, labels = digits
    fitted = fit_mlp(images[:800], labels[:800], 10, hidden=64)
    assert np.mean(fitted.head.probabilities(images[800:]).argmax(axis=1) == labels[800:]) > 0.92
    hits = fitted.oof_logits.argmax(axis=1) == labels[:800]
    assert fitted.cv_accuracy == pytest.approx(hits.mean())
    assert fitted.cv_log_loss < fit_linear(images[:800], labels[:800], 10).cv_log_loss


def test_out_of_fold_answers_know_nothing_of_their_rows():
    rng = np.random.default_rng(0)
    noise, labels = rng.standard_normal((120, 40)).astype(np.float32), rng.integers(0, 2, 120)
    fitted = fit_mlp(noise, labels, 2, hidden=32, dropout=0.0)
    assert 0.3 < fitted.cv_accuracy < 0.7
    assert fitted.cv_log_loss > 0.6


def test_what_a_class_lays_open_needs_more_than_a_line():
    """An exclusive or: no linear head can tell, a hidden layer can."""
    rows = np.random.default_rng(1).standard_normal((400, 2)).astype(np.float32)
    labels = ((rows[:, 0] > 0) ^ (rows[:, 1] > 0)).astype(np.int64)
    assert fit_mlp(rows, labels, 2).cv_accuracy > 0.9
    assert fit_linear(rows, labels, 2).cv_accuracy < 0.7


def test_the_seed_alone_decides():
    features, labels = blobs(90, 10, 3, apart=0.5)
    one, same, other = (fit_mlp(features, labels, 3, hidden=16, seed=seed).head for seed in (0, 0, 1))
    assert all(np.array_equal(value, same.to_tensors()[name]) for name, value in one.to_tensors().items())
    assert not np.array_equal(one.weight, other.weight)


def test_rare_classes_weigh_more_where_that_is_measured_to_help():
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], [180, 20])
    features = (rng.standard_normal((200, 6)) + 1.0 * labels[:, None]).astype(np.float32)
    found = {way: fit_mlp(features, labels, 2, hidden=16, class_weight=way) for way in ("none", "balanced", "auto")}
    shares = {way: np.mean(each.oof_logits[180:].argmax(axis=1) == 1) for way, each in found.items()}
    assert shares["balanced"] > shares["none"]
    scores = {way: f1_score(labels, each.oof_logits.argmax(axis=1), average="macro") for way, each in found.items()}
    assert scores[found["auto"].class_weight] == max(scores.values())


def test_groups_decide_the_folds_and_one_image_a_class_trains_unmeasured():
    features, labels = blobs(60, 5, 3)
    folds = np.arange(60) % 4
    assert fit_mlp(features, labels, 3, hidden=4, fold_of=folds).folds == 4
    alone = fit_mlp(np.eye(2, 3, dtype=np.float32), np.array([0, 2]), 4, hidden=4)
    assert (alone.cv_accuracy, alone.cv_log_loss, alone.folds) == (None, None, 0)
    probabilities = alone.head.probabilities(np.zeros((1, 3), np.float32))
    assert (probabilities[:, [1, 3]] == 0).all()


def test_it_is_stored_and_comes_back():
    features, labels = blobs(40, 6, 2)
    head = fit_mlp(features, labels, 2, hidden=8).head
    again = head_from_tensors("mlp", load(save(head.to_tensors())))
    np.testing.assert_array_equal(again.probabilities(features), head.probabilities(features))
    assert (again.kind, again.n_classes, again.n_features) == ("mlp", 2, 6)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden_bias": np.zeros(7, np.float32)}, "hidden_bias"),
        ({"hidden_weight": np.full((6, 8), np.nan, np.float32)}, "NaN"),
        ({"hidden_weight": np.zeros(6, np.float32)}, "hidden_weight"),
        ({"weight": np.zeros((8, 1), np.float32)}, "C >= 2"),
        ({"scale": np.zeros(6, np.float32)}, "positive"),
        ({"temperature": 0.0}, "temperature"),
    ],
)
def test_a_damaged_head_is_refused(changes, said):
    features, labels = blobs(40, 6, 2)
    head = fit_mlp(features, labels, 2, hidden=8).head
    with pytest.raises(ModelError, match=said):
        dataclasses.replace(head, **changes)


@pytest.mark.parametrize(
    "changes",
    [{"hidden": 0}, {"dropout": 1.0}, {"dropout": 1.5}, {"dropout": -0.1}, {"dropout": float("nan")}],
)
def test_settings_that_make_no_network_are_refused(changes):
    features, labels = blobs(40, 6, 2)
    with pytest.raises(DataError, match="make no network") as caught:
        fit_mlp(features, labels, 2, **changes)
    assert "hidden takes a whole number" in caught.value.hint
