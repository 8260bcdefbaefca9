"""The heads in torch against the heads in numpy, which know nothing of torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from topwork.errors import ExplainError
from topwork.explain._modules import torch_head
from topwork.heads import BlendHead, Head, KNNHead, LinearHead, MappedHead, MLPHead, TextHead, fit_knn, fit_linear

N, D, C = 40, 12, 3
RNG = np.random.default_rng(0)
FEATURES = RNG.normal(2, 3, (N, D)).astype(np.float32)
LABELS = np.arange(N) % C


def array(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def linear() -> LinearHead:
    return LinearHead(array(D), np.abs(array(D)) + 0.1, array(D, C), array(C), 1.7)


def text() -> TextHead:
    texts = array(C, 5)
    return TextHead(array(D, 5), array(5), texts / np.linalg.norm(texts, axis=1, keepdims=True), 20.0, 1.3)


def mapped() -> MappedHead:
    shares = np.zeros((7, C), np.float32)
    shares[[0, 1, 2, 3, 4, 5, 6], [0, 0, 1, 2, 2, 2, 1]] = 0.5
    return MappedHead(array(D, 7), array(7), shares, softness=2.0, temperature=0.8)


HEADS: dict[str, Head] = {
    "linear": linear(),
    "fitted": fit_linear(FEATURES, LABELS, C).head,
    "normalised": fit_linear(FEATURES, LABELS, C, method="normalised").head,
    "power": fit_linear(FEATURES, LABELS, C, method="power").head,
    "knn": fit_knn(FEATURES, LABELS, C, k=5),
    "text": text(),
    "mapped": mapped(),
    "mlp": MLPHead(array(D), np.abs(array(D)) + 0.1, array(D, 6), array(6), array(6, C), array(C), 1.7),
    "blend": BlendHead(text(), linear(), 0.3, 1.5),
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_answers_are_those_of_the_head(head: Head) -> None:
    given = RNG.normal(2, 3, (9, D)).astype(np.float32)
    found = torch.softmax(torch_head(head)(torch.from_numpy(given)), dim=1).numpy()
    np.testing.assert_allclose(found, head.probabilities(given), atol=2e-6)


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_features_get_a_gradient_and_the_head_none(head: Head) -> None:
    form = torch_head(head)
    features = torch.from_numpy(FEATURES.copy()).requires_grad_(True)
    form(features)[:, 0].sum().backward()
    assert features.grad is not None
    assert features.grad.any()
    assert not list(form.parameters())


def test_a_class_without_a_near_neighbour_gets_no_gradient() -> None:
    head = KNNHead(np.zeros(2, np.float32), np.ones(2, np.float32), np.eye(2, dtype=np.float32), np.arange(2), 2, 1)
    features = torch.tensor([[2.0, 1.0]], requires_grad=True)
    near, far = (torch.autograd.grad(torch_head(head)(features)[0, label], features)[0] for label in (0, 1))
    assert near[0, 0] > 0 > near[0, 1]  # more like its neighbour
    assert not far.any()


def test_a_strange_head_is_refused() -> None:
    class Strange:
        kind = "strange"

    with pytest.raises(ExplainError, match="kind 'strange' has no gradient"):
        torch_head(Strange())  # type: ignore[arg-type]
