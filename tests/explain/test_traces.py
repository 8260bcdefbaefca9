"""Nothing outlives a call, least of all one that fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.explain.conftest import random_classifier, traces
from topwork import explain
from topwork.explain import TorchClassifier

IMAGES = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
LABELS = np.zeros(1, int)
CALLS: dict[str, Callable[[TorchClassifier], Any]] = {
    "grad_cam": lambda classifier: explain.grad_cam(classifier, IMAGES),
    "attention_rollout": lambda classifier: explain.attention_rollout(classifier, IMAGES),
    "weighted_attention": lambda classifier: explain.weighted_attention(classifier, IMAGES),
    "occlusion": lambda classifier: explain.occlusion(classifier, IMAGES),
    "integrated_gradients": lambda classifier: explain.integrated_gradients(classifier, IMAGES),
    "feature_maps": lambda classifier: explain.feature_maps(classifier, IMAGES[0]),
    "ideal_image": lambda classifier: explain.ideal_image(classifier, "a", steps=1),
    "attack": lambda classifier: explain.attack(classifier, IMAGES, LABELS, 0.1),
    "fool": lambda classifier: explain.fool(classifier, IMAGES[0]),
    "robust_accuracy": lambda classifier: explain.robust_accuracy(classifier, IMAGES, LABELS),
    "corruption_accuracy": lambda classifier: explain.corruption_accuracy(classifier, IMAGES, LABELS),
}


@pytest.fixture(scope="module")
def vit() -> TorchClassifier:
    return random_classifier("vit_tiny_patch16_224", size=32)


@pytest.mark.parametrize("name", CALLS)
def test_nothing_is_left_behind_when_the_network_raises(
    vit: TorchClassifier, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name == "integrated_gradients":
        pytest.importorskip("captum")
    before = traces(vit)

    def fails(*given: object) -> None:
        raise MemoryError("full")

    with monkeypatch.context() as patch:
        patch.setattr(vit.network.norm, "forward", fails)  # behind every block, before the head
        with pytest.raises(MemoryError):
            CALLS[name](vit)
    assert traces(vit) == before
