"""Heads as nodes say what they say in NumPy, whose own tests compare them with scikit-learn and torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from topwork.errors import TopworkError
from topwork.exporting import Nodes, Value, label_of, probabilities_of, typicality_of
from topwork.heads import BlendHead, MappedHead, MLPHead, TextHead, fit_novelty
from topwork.metrics import Costs, Threshold, decide, typicality

from .conftest import linear, neighbours

onnxruntime = pytest.importorskip("onnxruntime")

WIDTH, CLASSES = 40, 3
RNG = np.random.default_rng(3)


def numbers(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return RNG.standard_normal(shape).astype(np.float32)


def texts() -> TextHead:
    rows = numbers(CLASSES, 16)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return TextHead(numbers(WIDTH, 16), numbers(16), rows, 20.0, 1.3)


def mapped() -> MappedHead:
    shares = RNG.random((10, CLASSES)).astype(np.float32)
    return MappedHead(numbers(WIDTH, 10), numbers(10), shares / (shares.sum(axis=1, keepdims=True) * 1.01), 4.0, 0.6)


def mlp() -> MLPHead:
    scale = RNG.random(WIDTH).astype(np.float32) + 0.1
    return MLPHead(numbers(WIDTH), scale, numbers(WIDTH, 8), numbers(8), numbers(8, CLASSES), numbers(CLASSES), 1.7)


HEADS: dict[str, Callable[[], Any]] = {
    "linear": lambda: linear(WIDTH),
    "normalised": lambda: linear(WIDTH, normalised=True),
    "rooted": lambda: linear(WIDTH, normalised=True, rooted=True),
    "knn": lambda: neighbours(WIDTH),
    "mlp": mlp,
    "mapped": mapped,
    "text": texts,
    "blend": lambda: BlendHead(texts(), linear(WIDTH), 0.3, 0.8),
}


def run(build: Callable[[Value], Value], features: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    nodes = Nodes()
    value = build(nodes.input("features", np.float32, ["batch", features.shape[1]]))
    nodes.output("found", value, ["batch", *(["width"] if value.dtype == np.float32 else [])])
    session = onnxruntime.InferenceSession(nodes.model("head").SerializeToString())
    return np.asarray(session.run(None, {"features": features})[0])


def rows() -> np.ndarray[Any, np.dtype[np.float32]]:
    """Ordinary ones, one of zeros, very small and very large ones."""
    found = numbers(20, WIDTH)
    found[3], found[4], found[5] = 0, found[4] * 1e-20, found[5] * 1e18
    return found


@pytest.mark.parametrize("name", HEADS)
def test_probabilities(name: str) -> None:
    head = HEADS[name]()
    features = rows() if "ed" in name and name != "mapped" else numbers(20, WIDTH)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = head.probabilities(features)
    found = run(lambda value: probabilities_of(value, head), features)
    assert found.shape == (20, CLASSES)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("rule", [None, Threshold(1, 0.2), Costs(np.array([[0, 1, 9], [2, 0, 1], [1, 1, 0.5]]))])
def test_labels_follow_the_decision_rule(rule: Any) -> None:
    probabilities = RNG.dirichlet(np.ones(3), 200).astype(np.float32)
    probabilities[0] = 0.2, 0.2, 0.6  # of the threshold itself
    found = run(lambda value: label_of(value, rule), probabilities)
    np.testing.assert_array_equal(found, decide(probabilities, rule))


def test_typicality() -> None:
    training = numbers(60, WIDTH)
    novelty = fit_novelty(training, np.arange(60) % 5)
    features = np.concatenate([training[:10], numbers(10, WIDTH) * 3])
    found = run(lambda value: typicality_of(value, novelty).reshape(-1, 1), features)[:, 0]
    expected = typicality(novelty.distances(features), novelty.reference)
    assert np.abs(found - expected).max() <= 1.01 / 61  # a distance may fall to the other side of one reference
    assert np.isclose(found, expected, atol=1e-6).mean() > 0.9


def test_a_head_of_another_kind_is_refused() -> None:
    class Other:
        kind = "forest"

    nodes = Nodes()
    with pytest.raises(TopworkError, match="a head of the kind forest cannot be exported"):
        probabilities_of(nodes.input("features", np.float32, ["batch", 4]), Other())  # type: ignore[arg-type]
