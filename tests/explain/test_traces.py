"""Nothing outlives a call, least of all one that fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.explain.conftest import random_subject, traces
from topwork import explain
from topwork.explain import Subject

IMAGES = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
LABELS = np.zeros(1, int)
CALLS: dict[str, Callable[[Subject], Any]] = {
    "grad_cam": lambda subject: explain.grad_cam(subject, IMAGES),
    "attention_rollout": lambda subject: explain.attention_rollout(subject, IMAGES),
    "weighted_attention": lambda subject: explain.weighted_attention(subject, IMAGES),
    "occlusion": lambda subject: explain.occlusion(subject, IMAGES),
    "integrated_gradients": lambda subject: explain.integrated_gradients(subject, IMAGES),
    "feature_maps": lambda subject: explain.feature_maps(subject, IMAGES[0]),
    "ideal_image": lambda subject: explain.ideal_image(subject, "a", steps=1),
    "attack": lambda subject: explain.attack(subject, IMAGES, LABELS, 0.1),
    "fool": lambda subject: explain.fool(subject, IMAGES[0]),
    "robust_accuracy": lambda subject: explain.robust_accuracy(subject, IMAGES, LABELS),
    "corruption_accuracy": lambda subject: explain.corruption_accuracy(subject, IMAGES, LABELS),
}


@pytest.fixture(scope="module")
def vit() -> Subject:
    return random_subject("vit_tiny_patch16_224", size=32)


@pytest.mark.parametrize("name", CALLS)
def test_nothing_is_left_behind_when_the_network_raises(
    vit: Subject, monkeypatch: pytest.MonkeyPatch, name: str
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
