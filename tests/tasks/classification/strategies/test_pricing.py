"""What a training takes: a few real steps, whatever head is given."""

from __future__ import annotations

import numpy as np
import pytest

from topwork.backbones import load
from topwork.heads import LinearHead
from topwork.tasks.classification.strategies import default_config
from topwork.tasks.classification.strategies._pricing import seconds_to_train


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("cut", [False, True])
def test_every_linear_head_has_a_price(normalised: bool, cut: bool) -> None:
    """Of few images the probe's head divides rows by their length, which no layer of a network does."""
    backbone = load("test_resnet", weights="random:1", size=32)
    weight = np.random.default_rng(0).normal(size=(backbone.embedding, 3)).astype(np.float32)
    zeros, ones = np.zeros(backbone.embedding, np.float32), np.ones(backbone.embedding, np.float32)
    head = LinearHead(zeros, ones, weight, np.zeros(3, np.float32), 1.0, normalised)
    found = seconds_to_train(backbone, head, 1, default_config(), gpu=False, cut=cut)
    assert 0 < found.own <= found.wall
