from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.ops import generalized_box_iou_loss

from topwork.tasks.detection.network import HeadSpec
from topwork.tasks.detection.network._module import Predicted
from topwork.tasks.detection.strategies._loss import DetectionLoss, corners_of
from topwork.tasks.detection.strategies._samples import CROWD, NO_BOX

SPEC = HeadSpec(("a", "b"), (8, 8), (8, 16), 64, 2, channels=8, extra=0, centreness=False)
POINTS = torch.from_numpy(SPEC.points)
LOSS = DetectionLoss(SPEC)
NONE = [0.0, 0.0, 0.0, 0.0, NO_BOX]


def said(targets: torch.Tensor, *, sure: float = 8.0) -> Predicted:
    """What finds every object: as many places in one as are asked say its class and its box."""
    logits, distances = torch.full((len(targets), len(POINTS), 2), -sure), torch.ones(len(targets), len(POINTS), 4)
    for row, boxes in enumerate(targets):
        for box in boxes[boxes[:, 4] >= 0]:
            inside = ((POINTS[:, :2] > box[:2]) & (POINTS[:, :2] < box[2:4])).all(dim=1).nonzero()[:10, 0]
            logits[row, inside, int(box[4])] = sure
            edges = torch.cat([POINTS[:, :2] - box[:2], box[2:4] - POINTS[:, :2]], dim=1) / POINTS[:, 2:]
            distances[row, inside] = edges[inside]
    return Predicted(logits, distances, None)


def boxes(*rows: list[float]) -> torch.Tensor:
    return torch.tensor([list(rows)])


def test_who_finds_everything_loses_next_to_nothing() -> None:
    targets = torch.tensor([[[4, 4, 40, 40, 0], [42, 40, 62, 62, 1.0]], [[10, 10, 50, 30, 1], NONE]])
    right = said(targets)
    losses, found = LOSS.measured(right, targets)
    assert (losses < 0.1).all()
    assert found.tolist() == pytest.approx([1, 1])
    worse = Predicted(right.logits.flip(2), right.distances, None)
    assert (LOSS.measured(worse, targets)[0] > 10 * losses).all()
    assert LOSS.measured(worse, targets)[1].tolist() == [0, 0]


def test_the_boxes_part_is_torchvisions() -> None:
    targets = boxes([8.0, 8, 24, 24, 0])
    right = said(targets, sure=20)
    wider = Predicted(right.logits, right.distances + 0.25, None)
    with torch.no_grad():
        mean = LOSS(wider, targets) - _of_classes(wider, targets)
    places = (right.logits[0, :, 0] > 0).nonzero()[:, 0]
    expected = generalized_box_iou_loss(
        corners_of(wider.distances, POINTS)[0, places], targets[0, [0] * len(places), :4]
    )
    assert len(places) == 4
    assert mean.item() == pytest.approx(2 * _weighted(expected, wider, targets), rel=1e-3)


def _of_classes(outputs: Predicted, targets: torch.Tensor) -> torch.Tensor:
    """The part that the classes have: what is left where boxes weigh nothing."""
    from topwork.tasks.detection.strategies import _loss

    before, _loss._BOXES = _loss._BOXES, 0.0
    try:
        return LOSS(outputs, targets)
    finally:
        _loss._BOXES = before


def _weighted(losses: torch.Tensor, outputs: Predicted, targets: torch.Tensor) -> float:
    """A mean in which a place weighs as much as it suits: its overlap to the sixth, since all are as sure."""
    from torchvision.ops import box_iou

    corners = corners_of(outputs.distances, POINTS)[0]
    places = (outputs.logits[0, :, 0] > 0).nonzero()[:, 0]
    weights = box_iou(corners[places], targets[0, :1, :4])[:, 0] ** 6
    return float((losses * weights).sum() / weights.sum())


def test_nothing_is_asked_within_a_crowd() -> None:
    targets = boxes([4.0, 4, 30, 30, 0], [32, 32, 64, 64, CROWD])
    right, inside = said(targets), ((POINTS[:, :2] > 32).all(dim=1)).nonzero()[:, 0]
    loud = right.logits.clone()
    loud[0, inside] = 5
    assert LOSS(Predicted(loud, right.distances, None), targets) == LOSS(right, targets)
    assert LOSS(Predicted(loud, right.distances, None), targets[:, :1]) > 2 * LOSS(right, targets[:, :1])


def test_an_object_between_all_places_is_learnt_too() -> None:
    targets = boxes([15.0, 15, 17, 17, 1])
    logits = torch.full((1, len(POINTS), 2), -4.0, requires_grad=True)
    distances = torch.ones(1, len(POINTS), 4, requires_grad=True)
    LOSS(Predicted(logits, distances, None), targets).backward()
    assert distances.grad.abs().sum() > 0
    assert torch.isfinite(logits.grad).all()


def test_images_without_objects_only_ask_for_silence() -> None:
    for targets in (boxes(NONE), boxes([0.0, 0, 64, 64, CROWD])):
        quiet = Predicted(torch.full((1, len(POINTS), 2), -9.0), torch.ones(1, len(POINTS), 4), None)
        assert LOSS(quiet, targets) < 1e-3
        losses, right = LOSS.measured(quiet, targets)
        assert losses.shape == right.shape == (1,)
        assert right.item() == pytest.approx(1, abs=0.01)
    loud = Predicted(torch.full((1, len(POINTS), 2), 4.0), torch.ones(1, len(POINTS), 4), None)
    assert LOSS(loud, boxes(NONE)) > 100
    assert LOSS.measured(loud, boxes(NONE))[1].item() == pytest.approx(1 - 1 / (1 + np.exp(-4)), abs=1e-3)


def test_it_is_summed_over_images() -> None:
    one = boxes([4.0, 4, 40, 40, 0])
    outputs = Predicted(torch.full((1, len(POINTS), 2), -1.0), torch.full((1, len(POINTS), 4), 2.0), None)
    twice = Predicted(*(each.repeat(2, 1, 1) for each in outputs[:2]), None)
    assert LOSS(twice, one.repeat(2, 1, 1)).item() == pytest.approx(2 * LOSS(outputs, one).item(), rel=1e-5)
