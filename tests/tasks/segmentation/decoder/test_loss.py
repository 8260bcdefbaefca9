"""The loss is torch's cross-entropy and segmentation-models-pytorch's Dice; what is not labelled counts in neither."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch

from topwork.errors import TrainError
from topwork.tasks.segmentation.decoder._loss import SegmentationLoss, weights_of
from topwork.tasks.segmentation.decoder._targets import DEEPEST, IGNORED

WEIGHTS = np.array([0.5, 2], np.float32)


def batch(seed: int = 0, images: int = 2, side: int = 12, classes: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits for classes and a border; targets with depths, in which a third of the pixels are not labelled."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(images, classes + 1, side, side, generator=generator, requires_grad=True)
    there = torch.randint(0, classes, (images, side, side), generator=generator)
    depths = torch.randint(0, DEEPEST + 1, (images, side, side), generator=generator) * (there > 0)
    targets = torch.stack([there, depths], dim=1).to(torch.uint8)
    targets[:, 0, : side // 3] = IGNORED
    return logits, targets


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_it_is_cross_entropy_and_dice(weights: Any) -> None:
    logits, targets = batch(images=1)
    logits, targets = logits[:, :2], targets[:, :1]
    dice: Any = smp.losses.DiceLoss("multiclass", smooth=0.5, ignore_index=IGNORED)
    truth, scale = targets[:, 0].long(), None if weights is None else torch.from_numpy(weights)
    cross = torch.nn.functional.cross_entropy(logits, truth, scale, ignore_index=IGNORED, reduction="none")
    expected = cross[truth != IGNORED].mean() + dice(logits, truth)
    torch.testing.assert_close(SegmentationLoss(2, weights=weights)(logits, targets), expected)


def test_depths_are_how_class_and_border_share_a_pixel() -> None:
    """Of one class of objects: what softmax gives to both is the object's, and the class's part of it is the depth."""
    logits, targets = batch(images=1)
    truth, deep = targets[:, 0].long(), targets[:, 1] / DEEPEST
    seen, there = truth != IGNORED, truth == 1
    shares = logits.softmax(dim=1)
    inside = shares[:, 1] + shares[:, 2]
    of_classes = torch.stack([shares[:, 0], inside], dim=1).log()
    cross = torch.nn.functional.nll_loss(of_classes, truth, ignore_index=IGNORED, reduction="none")
    away = (shares[:, 1] / inside - deep).abs()
    smooth = torch.where(away < 0.1, 5 * away**2, away - 0.05)
    dice: Any = smp.losses.DiceLoss("multiclass", smooth=0.5, ignore_index=IGNORED)
    expected = (cross + (4 + 12 * there) * smooth)[seen].mean() + dice(of_classes, truth)
    torch.testing.assert_close(SegmentationLoss(2)(logits, targets), expected)


def test_of_several_classes_a_border_is_shared_as_they_are() -> None:
    """Whose an object's edge is counts: the third's logit is wrong, then right, and border takes nearly all."""
    targets = torch.zeros(1, 2, 4, 4, dtype=torch.uint8)
    targets[:, 0] = 2
    logits = torch.zeros(1, 4, 4, 4)
    logits[:, 3] = 20
    right, wrong = logits.clone(), logits.clone()
    right[:, 2], wrong[:, 1] = 5, 5
    loss = SegmentationLoss(3)
    asked = loss(logits, targets)
    assert loss(right, targets) < asked - np.log(2) + 0.01
    assert loss(wrong, targets) > asked + 4
    np.testing.assert_allclose(loss.measured(right, targets)[1], [1])
    np.testing.assert_allclose(loss.measured(wrong, targets)[1], [0])


def test_pixels_that_are_not_labelled_give_no_gradient_and_no_loss() -> None:
    logits, targets = batch(classes=3)
    loss = SegmentationLoss(3, weights=np.array([0.5, 2, 4], np.float32))
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
    targets = torch.zeros(3, 2, 4, 4, dtype=torch.uint8)
    targets[0, 0, :2], targets[0, 0, 3] = 1, IGNORED
    targets[1, 0, 0] = 1
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
