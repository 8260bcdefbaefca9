"""Doubles are those of torchvision's ``batched_nms``."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.ops import batched_nms
from torchvision.ops.boxes import _batched_nms_vanilla

from topwork.tasks.detection.network import suppress


@pytest.mark.parametrize("overlap", [0.1, 0.5, 0.6, 1.0])
@pytest.mark.parametrize(
    ("count", "n_classes", "side"), [(0, 1, 9), (1, 1, 9), (130, 1, 9), (700, 5, 30), (3000, 3, 300)]
)
def test_it_is_torchvisions(count: int, n_classes: int, side: int, overlap: float) -> None:
    """Whole pixels and few scores: overlaps lie on the limit, and scores and boxes come again."""
    rng = np.random.default_rng(count)
    low = rng.integers(0, side, (count, 2))
    corners = np.concatenate([low, low + rng.integers(0, side // 3, (count, 2))], axis=1).astype(np.float32)
    scores = (rng.integers(0, 50, count) / 50).astype(np.float32)
    labels = rng.integers(0, n_classes, count)
    given = (torch.from_numpy(corners), torch.from_numpy(scores), torch.from_numpy(labels))
    expected = np.sort(_batched_nms_vanilla(*given, overlap).numpy())
    found = suppress(corners, scores, labels, overlap)
    np.testing.assert_array_equal(np.sort(found), expected)
    np.testing.assert_array_equal(found, expected[np.argsort(-scores[expected], kind="stable")])
    np.testing.assert_array_equal(suppress(corners, scores, labels, overlap, 10), found[:10])
    if overlap in (0.5, 1.0):  # other limits are no floats of both widths, which decides what lies on them
        shifted = batched_nms(given[0].double(), given[1].double(), given[2], overlap)
        np.testing.assert_array_equal(np.sort(shifted.numpy()), expected)
