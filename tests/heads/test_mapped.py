from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load, save

from topwork.errors import DataError, ModelError
from topwork.heads import MappedHead, fit_mapped, head_from_tensors, map_classes, network_probabilities

Arrays = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]
D, K, N = 12, 30, 80


def softmax(logits: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    from scipy.special import softmax

    found: npt.NDArray[np.float64] = softmax(logits.astype(np.float64), axis=1)
    return found


@pytest.fixture
def network() -> Arrays:
    """Features of N images, and a classifier's weight and bias."""
    rng = np.random.default_rng(0)
    arrays = rng.normal(size=(N, D)), rng.normal(size=(D, K)), rng.normal(size=K)
    return tuple(array.astype(np.float32) for array in arrays)  # type: ignore[return-value]


@pytest.fixture
def head(network: Arrays) -> MappedHead:
    features, weight, bias = network
    return fit_mapped(features, np.arange(N) % 3, 3, weight, bias)


def test_groups_of_one_are_the_networks_softmax_over_them(network: Arrays) -> None:
    features, weight, bias = network
    found = map_classes(weight, bias, [{4}, {7}, {29}]).probabilities(features)
    np.testing.assert_allclose(found, softmax((features @ weight + bias)[:, [4, 7, 29]]), atol=1e-6)


def test_groups_are_means_of_the_networks_probabilities(network: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equally likely classes, by Bayes: p(c | x) goes with the mean of p(k | x) over the group of c."""
    monkeypatch.setattr("topwork.heads._rows.CHUNK_ELEMENTS", 7 * K)
    features, weight, bias = network
    groups = [[0], [1, 2, 3, 20], list(range(5, 15))]
    own = softmax(features @ weight + bias)
    expected = np.stack([own[:, group].mean(axis=1) for group in groups], axis=1)
    expected /= expected.sum(axis=1, keepdims=True)
    mapped = map_classes(weight, bias, groups)
    assert mapped.weight.shape == (D, 15)  # what maps to nothing is not kept
    np.testing.assert_allclose(mapped.probabilities(features), expected, atol=1e-6)


def test_the_networks_own_probabilities(network: Arrays) -> None:
    features, weight, bias = network
    kept = features.copy()
    found = network_probabilities(features, weight, bias, 2.0)
    np.testing.assert_allclose(found, softmax((features @ weight + bias) / 2), atol=1e-6)
    np.testing.assert_array_equal(features, kept)


def leep(own: npt.NDArray[Any], labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """p(c | k) as the paper writes it, image by image: the joint distribution over the network's marginal."""
    joint = np.zeros((own.shape[1], labels.max() + 1))
    for row, label in zip(own, labels, strict=True):
        joint[:, label] += row / len(own)
    return joint / joint.sum(axis=1, keepdims=True)


def test_a_learnt_map_is_leeps(network: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("topwork.heads._mapped._IMAGINED", 0.0)
    monkeypatch.setattr("topwork.heads._rows.CHUNK_ELEMENTS", 7 * K)
    features, weight, bias = network
    labels = np.random.default_rng(1).integers(0, 3, N)
    mapped = fit_mapped(features, labels, 3, weight, bias, softness=1.0)
    own = softmax(features @ weight + bias)
    np.testing.assert_allclose(mapped.shares, leep(own, labels), atol=1e-6)
    expected = dataclasses.replace(mapped, temperature=1.0).probabilities(features)
    np.testing.assert_allclose(expected, own @ leep(own, labels), atol=1e-6)


def test_the_temperature_is_fitted_on_images_that_had_no_say(network: Arrays) -> None:
    """Labels that mean nothing: with its own image counted, every label would look predictable."""
    from topwork.heads._mapped import _IMAGINED, SOFTNESS, _without_oneself

    features, weight, bias = network
    labels = np.random.default_rng(2).integers(0, 2, N)
    counts = np.bincount(labels)
    own = network_probabilities(features, weight, bias, SOFTNESS)
    imagined = _IMAGINED * counts / N
    joint = own.T.astype(np.float64) @ np.eye(2)[labels] + imagined
    found = _without_oneself(own, labels, joint, counts, imagined)
    for row in (0, 1, 17):
        others = np.arange(N) != row
        sums = np.stack([own[others & (labels == c)].sum(axis=0, dtype=float) for c in (0, 1)], axis=1)
        sums[:, labels[row]] *= counts[labels[row]] / (counts[labels[row]] - 1)
        shares = (sums + imagined) / (sums + imagined).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(found[row], own[row] @ shares, rtol=1e-5)
    fooled = fit_mapped(features, labels, 2, weight, bias).probabilities(features)
    assert fooled.max() < 0.9


def test_classes_that_the_network_knows_under_other_numbers_are_learnt() -> None:
    """Labels that the network tells by its classes 3, 4 (ours: 0) and 9 (ours: 1)."""
    rng = np.random.default_rng(5)
    features = np.eye(10, dtype=np.float32)[rng.choice([3, 4, 9], 300)] * 12 + rng.normal(0, 1, (300, 10))
    labels = (features.argmax(axis=1) == 9).astype(int)
    mapped = fit_mapped(
        features[:60].astype(np.float32), labels[:60], 2, np.eye(10, dtype=np.float32), np.zeros(10, np.float32)
    )
    found = mapped.probabilities(features[60:].astype(np.float32))
    assert (found.argmax(axis=1) == labels[60:]).all()
    assert mapped.shares[[3, 4, 9]].argmax(axis=1).tolist() == [0, 0, 1]
    assert found.max(axis=1).mean() > 0.95  # calibrated: it is right every time


def test_one_image_a_class_is_enough_to_answer(network: Arrays) -> None:
    features, weight, bias = network
    mapped = fit_mapped(features[:2], np.array([0, 1]), 2, weight, bias)
    assert mapped.temperature == 1
    assert mapped.probabilities(features[:2]).argmax(axis=1).tolist() == [0, 1]


def test_rows_sum_to_one_however_large_the_logits(network: Arrays) -> None:
    features, weight, bias = network
    mapped = map_classes(weight * 1e4, bias, [{0, 1}, {2}])
    found = mapped.probabilities(features)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_round_trip_through_safetensors(head: MappedHead, network: Arrays) -> None:
    again = head_from_tensors("mapped", load(save(head.to_tensors())))
    np.testing.assert_allclose(again.probabilities(network[0]), head.probabilities(network[0]), rtol=1e-4)
    assert (again.kind, again.n_classes, again.n_features) == ("mapped", 3, D)


@pytest.mark.parametrize("name", ["weight", "bias", "shares", "softness", "temperature"])
def test_damaged_tensors_are_refused(head: MappedHead, name: str) -> None:
    tensors = head.to_tensors()
    short = {key: value for key, value in tensors.items() if key != name}
    wrong_shape = {**tensors, name: tensors[name][..., None]}
    wrong_type = {**tensors, name: tensors[name].astype(np.float64)}
    not_finite = {**tensors, name: np.full_like(tensors[name], np.nan)}
    for damaged in (short, wrong_shape, wrong_type, not_finite):
        with pytest.raises(ModelError, match=name):
            head_from_tensors("mapped", damaged)


@pytest.mark.parametrize(
    ("field", "change", "complaint"),
    [
        ("shares", lambda shares: -shares, "positive numbers that sum to one"),
        ("shares", lambda shares: shares * 1.5, "positive numbers that sum to one"),
        (
            "shares",
            lambda shares: shares * (np.arange(K) != 3)[:, None].astype(np.float32),
            "positive numbers that sum",
        ),
        ("shares", lambda shares: shares * np.array([1, 1, 0], np.float32), "a class has no share"),
        ("shares", lambda shares: shares[:, :1], "C >= 2"),
        ("temperature", lambda value: 0.0, "temperature: expected a positive number"),
        ("temperature", lambda value: np.inf, "temperature: expected a positive number"),
        ("softness", lambda value: -1.0, "softness: expected a positive number"),
    ],
)
def test_values_that_make_no_sense_are_refused(head: MappedHead, field: str, change: Any, complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        dataclasses.replace(head, **{field: change(getattr(head, field))})


def test_features_and_labels_that_cannot_be_used_are_refused(head: MappedHead, network: Arrays) -> None:
    features, weight, bias = network
    labels = np.arange(N) % 3
    with pytest.raises(DataError, match=rf"\(N, {D}\)"):
        head.probabilities(features[:, :5])
    with pytest.raises(DataError, match="class 3 has no image"):
        fit_mapped(features, labels, 4, weight, bias)
    with pytest.raises(DataError, match=r"outside 0\.\.1"):
        fit_mapped(features, labels, 2, weight, bias)
    with pytest.raises(DataError, match="NaN or Inf"):
        fit_mapped(np.where(features > 2, np.nan, features), labels, 3, weight, bias)
