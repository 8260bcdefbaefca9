"""The loss is torch's cross-entropy and segmentation-models-pytorch's Dice; what is not labelled counts in neither."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch

from topwork.errors import TrainError
from topwork.tasks.segmentation.decoder._loss import SegmentationLoss, weights_of
from topwork.tasks.segmentation.decoder._targets import IGNORED

WEIGHTS = np.array([0.5, 2, 4], np.float32)


def batch(seed: int = 0, images: int = 2, side: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits for two classes and a border, and targets in which a third of the pixels are not labelled."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(images, 3, side, side, generator=generator, requires_grad=True)
    targets = torch.randint(0, 3, (images, side, side), generator=generator).to(torch.uint8)
    targets[:, : side // 3] = IGNORED
    return logits, targets


def test_it_is_cross_entropy_and_dice() -> None:
    logits, targets = batch(images=1)
    dice: Any = smp.losses.DiceLoss("multiclass", smooth=0.5, ignore_index=IGNORED)
    cross = torch.nn.functional.cross_entropy(
        logits, targets.long(), torch.from_numpy(WEIGHTS), ignore_index=IGNORED, reduction="none"
    )
    expected = cross[targets != IGNORED].mean() + dice(logits, targets.long())
    torch.testing.assert_close(SegmentationLoss(2, weights=WEIGHTS)(logits, targets), expected)


def test_pixels_that_are_not_labelled_give_no_gradient_and_no_loss() -> None:
    logits, targets = batch()
    loss = SegmentationLoss(2, weights=WEIGHTS)
    found = loss(logits, targets)
    found.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert (logits.grad[:, :, :4] == 0).all()
    assert (logits.grad[:, :, 4:] != 0).any()
    other = logits.detach().clone()
    other[:, :, :4] = 50 * torch.randn_like(other[:, :, :4])
    torch.testing.assert_close(loss(other, targets), found.detach())
    nothing = torch.full_like(targets, IGNORED)
    assert float(loss(logits.detach(), nothing)) == 0
    assert [float(each.sum()) for each in loss.measured(logits.detach(), nothing)] == [0, len(targets)]


def test_a_sum_over_images_that_may_be_of_coarser_maps() -> None:
    """Pieces of a batch add up to it; logits of a grid are enlarged to the targets."""
    loss = SegmentationLoss(2, weights=WEIGHTS)
    logits, targets = batch(images=3)
    parts = sum(loss(logits[each : each + 1], targets[each : each + 1]) for each in range(3))
    torch.testing.assert_close(loss(logits, targets), torch.as_tensor(parts))
    coarse = logits[:, :, ::2, ::2]
    larger = torch.nn.functional.interpolate(coarse, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(loss(coarse, targets), loss(larger, targets))


def test_how_right_an_image_is() -> None:
    """IoU of the object's class alone, a border being of it; 1 where none is there and none is found."""
    targets = torch.zeros(3, 4, 4, dtype=torch.uint8)
    targets[0, :2], targets[0, 1], targets[0, 3] = 1, 2, IGNORED
    targets[1, 0] = 1
    told = torch.zeros(3, 4, 4, dtype=torch.long)
    told[0, :1], told[0, 1:3] = 1, 2
    logits = 9 * torch.nn.functional.one_hot(told, 3).permute(0, 3, 1, 2).float()
    _, right = SegmentationLoss(2).measured(logits, targets)
    np.testing.assert_allclose(right, [8 / 12, 0, 1])


def test_rare_classes_weigh_more_and_absent_ones_nothing() -> None:
    counts = np.array([900, 100, 0])
    weights = weights_of(counts)
    assert weights[1] == pytest.approx(3 * weights[0], rel=1e-6)
    assert weights[2] == 0
    assert (weights * counts).sum() == pytest.approx(1000)


def test_outputs_of_other_classes_are_refused() -> None:
    logits, targets = batch()
    with pytest.raises(TrainError, match="5 classes"):
        SegmentationLoss(5)(logits, targets)
