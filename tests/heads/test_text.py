from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from topwork.errors import DataError, ModelError
from topwork.heads import BlendHead, LinearHead, TextHead, head_from_tensors

D, E, C = 6, 4, 3


def text_head(**changes: Any) -> TextHead:
    rng = np.random.default_rng(0)
    texts = rng.normal(size=(C, E)).astype(np.float32)
    fields: dict[str, Any] = {
        "projection": rng.normal(size=(D, E)).astype(np.float32),
        "offset": rng.normal(size=E).astype(np.float32),
        "texts": texts / np.linalg.norm(texts, axis=1, keepdims=True),
        "scale": 20.0,
        "temperature": 2.0,
    }
    return TextHead(**{**fields, **changes})


def probe_head(features: int = D) -> LinearHead:
    rng = np.random.default_rng(1)
    weight, bias = rng.normal(size=(features, C)).astype(np.float32), rng.normal(size=C).astype(np.float32)
    return LinearHead(np.zeros(features, np.float32), np.ones(features, np.float32), weight, bias, 1.5)


def features(count: int = 5) -> npt.NDArray[np.float32]:
    return np.random.default_rng(2).normal(size=(count, D)).astype(np.float32)


def softmax(logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: npt.NDArray[Any] = raised / raised.sum(axis=1, keepdims=True)
    return found


def test_it_is_the_softmax_of_scaled_cosines() -> None:
    head, images = text_head(), features()
    expected = np.empty((5, C))
    for row, image in enumerate(images.astype(np.float64)):
        joint = image @ head.projection + head.offset
        for column, text in enumerate(head.texts):
            expected[row, column] = 20 * joint @ text / np.linalg.norm(joint)
    np.testing.assert_allclose(head.logits(images), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(head.probabilities(images), softmax(expected / 2), atol=1e-5)
    assert (head.n_features, head.n_classes) == (D, C)


def test_sigmoids_of_which_exactly_one_is_true_are_a_softmax() -> None:
    """Why SigLIP needs no head of its own: its bias cancels."""
    logits = np.random.default_rng(3).normal(size=(4, C)) * 5
    true = 1 / (1 + np.exp(-(logits - 10)))  # SigLIP begins with a bias of -10
    alone = np.stack([true[:, c] * np.delete(1 - true, c, axis=1).prod(axis=1) for c in range(C)], axis=1)
    np.testing.assert_allclose(alone / alone.sum(axis=1, keepdims=True), softmax(logits), rtol=1e-9)


def test_an_image_without_direction_is_anything() -> None:
    head = text_head(offset=np.zeros(E, np.float32))
    np.testing.assert_allclose(head.probabilities(np.zeros((1, D), np.float32)), 1 / C)


def test_a_blend_mixes_the_logarithms() -> None:
    words, probe, images = text_head(), probe_head(), features()
    for share in (0.0, 0.3, 1.0):
        mixed = words.probabilities(images) ** share * probe.probabilities(images) ** (1 - share)
        expected = mixed / mixed.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(BlendHead(words, probe, share).probabilities(images), expected, atol=1e-5)
    assert (BlendHead(words, probe, 0.5).n_features, BlendHead(words, probe, 0.5).n_classes) == (D, C)


@pytest.mark.parametrize("head", [text_head(), BlendHead(text_head(), probe_head(), 0.3, 1.25)], ids=["text", "blend"])
def test_tensors_give_the_head_back(head: TextHead | BlendHead) -> None:
    tensors = head.to_tensors()
    assert all(tensor.dtype == np.float32 for tensor in tensors.values())
    again = head_from_tensors(head.kind, tensors)
    np.testing.assert_array_equal(again.probabilities(features()), head.probabilities(features()))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"texts": np.ones((1, E), np.float32)}, "C >= 2"),
        ({"texts": np.ones((C, E), np.float32)}, "length one"),
        ({"texts": np.full((C, E + 1), 0.4, np.float32)}, "texts: expected float32"),
        ({"projection": np.ones(D, np.float32)}, "projection, texts"),
        ({"projection": np.full((D, E), np.nan, np.float32)}, "NaN or Inf"),
        ({"offset": np.zeros(E + 1, np.float32)}, "offset"),
        ({"scale": 0.0}, "scale: expected a positive number"),
        ({"temperature": float("inf")}, "temperature: expected a positive number"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        text_head(**changes)


def test_a_blend_of_strangers_is_refused() -> None:
    with pytest.raises(ModelError, match="the same features and classes"):
        BlendHead(text_head(), probe_head(D + 1), 0.5)
    with pytest.raises(ModelError, match="from 0 to 1"):
        BlendHead(text_head(), probe_head(), 1.5)
    with pytest.raises(ModelError, match="temperature"):
        BlendHead(text_head(), probe_head(), 0.5, 0.0)


def test_tensors_that_are_missing_or_strange_are_named() -> None:
    blend = BlendHead(text_head(), probe_head(), 0.3).to_tensors()
    for name, said in [("share", "share"), ("words.texts", "texts"), ("probe.bias", "bias")]:
        with pytest.raises(ModelError, match=said):
            head_from_tensors("blend", {key: tensor for key, tensor in blend.items() if key != name})
    with pytest.raises(ModelError, match="extra"):
        head_from_tensors("text", {**text_head().to_tensors(), "extra": np.zeros(1, np.float32)})


def test_features_of_another_width_are_refused() -> None:
    with pytest.raises(DataError, match=rf"\(N, {D}\)"):
        text_head().probabilities(np.zeros((2, D + 1), np.float32))
