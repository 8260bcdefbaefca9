import dataclasses

import numpy as np
import pytest
from safetensors.numpy import load, save

from topwork.errors import DataError, ModelError
from topwork.heads import fit_knn, head_from_tensors

from .test_fit_linear import blobs


@pytest.mark.parametrize("k", [1, 5, 20])
def test_equals_scikit_learn(k, monkeypatch):
    from sklearn.neighbors import KNeighborsClassifier

    monkeypatch.setattr("topwork.heads._rows.CHUNK_ELEMENTS", 1000)
    features, labels = blobs(200, 15, 3, apart=0.5)
    train, test = features[:150], features[150:]
    head = fit_knn(train, labels[:150], 3, k=k)
    oracle = KNeighborsClassifier(k, metric="cosine", weights=lambda away: np.exp((1 - away) / 0.07))
    oracle.fit((train - head.mean) / head.scale, labels[:150])
    np.testing.assert_allclose(
        head.probabilities(test), oracle.predict_proba((test - head.mean) / head.scale), atol=1e-3
    )


def test_k_is_chosen_by_leave_one_out():
    features, labels = blobs(120, 15, 3, apart=0.5)
    chosen = fit_knn(features, labels, 3)
    right = {}
    for k in (1, 3, 5, 10, 20):
        head = fit_knn(features, labels, 3, k=k + 1)
        # Leave-one-out by hand: every row finds itself first, so drop the first of k + 1.
        cosines = head.bank @ head.bank.T
        order = np.argsort(-cosines, axis=1, kind="stable")[:, 1 : k + 1]
        votes = np.zeros((120, 3))
        for row in range(120):
            np.add.at(votes[row], labels[order[row]], np.exp(cosines[row, order[row]] / 0.07))
        right[k] = np.sum(votes.argmax(axis=1) == labels)
    assert right[chosen.k] == max(right.values())
    assert chosen.k == max(k for k, hits in right.items() if hits == max(right.values()))


def test_digits():
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = images.astype(np.float32)
    head = fit_knn(images[:1000], labels[:1000], 10)
    assert np.mean(head.probabilities(images[1000:]).argmax(axis=1) == labels[1000:]) > 0.92


def test_two_images_and_an_absent_class():
    head = fit_knn(np.eye(2, 3, dtype=np.float32), np.array([0, 2]), 4)
    assert head.k == 1
    probabilities = head.probabilities(np.zeros((1, 3), np.float32))
    assert np.isfinite(probabilities).all()
    assert (probabilities[:, [1, 3]] == 0).all()


def test_identical_features_are_defined():
    head = fit_knn(np.ones((6, 3), np.float32), np.array([0, 1] * 3), 2)
    np.testing.assert_allclose(head.probabilities(np.ones((1, 3), np.float32)).sum(), 1)


def test_round_trip_through_safetensors():
    features, labels = blobs(40, 6, 2)
    head = fit_knn(features, labels, 2)
    again = head_from_tensors("knn", load(save(head.to_tensors())))
    assert again.probabilities(features).tobytes() == head.probabilities(features).tobytes()


@pytest.mark.parametrize("name", ["mean", "scale", "bank", "labels", "n_classes", "k"])
def test_damaged_tensors_are_refused(name):
    features, labels = blobs(40, 6, 2)
    tensors = fit_knn(features, labels, 2).to_tensors()
    short = {key: value for key, value in tensors.items() if key != name}
    wrong = {**tensors, name: tensors[name][..., None]}
    negative = {**tensors, name: -np.abs(tensors[name]) - 1}
    for damaged in (short, wrong):
        with pytest.raises(ModelError, match=name):
            head_from_tensors("knn", damaged)
    if name not in ("mean", "bank"):
        with pytest.raises(ModelError):
            head_from_tensors("knn", negative)


def test_bad_k_and_bad_features_are_refused():
    features, labels = blobs(40, 6, 2)
    for k in (0, 41):
        with pytest.raises(DataError, match=r"1\.\.40"):
            fit_knn(features, labels, 2, k=k)
    with pytest.raises(DataError, match=r"\(N, 6\)"):
        fit_knn(features, labels, 2).probabilities(features[:, :5])
    head = fit_knn(features, labels, 2)
    with pytest.raises(ModelError, match="k: expected"):
        dataclasses.replace(head, k=99)
