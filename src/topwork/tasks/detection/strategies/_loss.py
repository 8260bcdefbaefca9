"""What a detector's training makes smaller: task-aligned assignment, quality focal loss and generalised IoU.

A place answers for the object for which its class and its box are both best (Feng et al. 2021, arXiv
2108.07755); its class is to be as sure as its box is right (Li et al. 2020, "Generalized Focal Loss", arXiv
2006.04388). Compared with FCOS's own assignment in docs/decisions/detection-training.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision.ops import box_iou, generalized_box_iou_loss

from topwork.tasks.detection.network import HeadSpec
from topwork.tasks.detection.network._module import Predicted
from topwork.tasks.detection.strategies._samples import CROWD

_CLASS, _PLACE = 1.0, 6.0  # exponents of a place's score and of its box's overlap, in how well it suits an object
_PLACES = 10  # that answer for an object, at most
_SHARPNESS = 2.0  # exponent of how far a score is from the quality: what is nearly right counts little
_BOXES = 2.0  # weight of the boxes beside the classes


class _Asked(NamedTuple):
    """What is asked of the P places of one image."""

    quality: Tensor  # (P, C), from 0 to 1: the overlap of the box that is to be found there
    weight: Tensor  # (P,), 0 inside a crowd, where nothing is asked
    places: Tensor  # (M,) those that answer for an object
    corners: Tensor  # (M, 4) of their objects


@dataclass(frozen=True, eq=False)
class DetectionLoss:
    """The loss of a detector whose head has a spec; targets are those of ``BoxSamples``."""

    spec: HeadSpec

    @property
    def fingerprint(self) -> str:
        """Names the loss and its settings."""
        return f"task-aligned {_CLASS} {_PLACE} {_PLACES} quality focal {_SHARPNESS} giou {_BOXES}"

    def __call__(self, outputs: Predicted, targets: Tensor) -> Tensor:
        """Sum over the images: their number times the loss of an object, a mean over those of the batch."""
        losses, objects = self._losses(outputs, targets)
        return losses.sum() / objects.sum().clamp(min=1) * len(targets)

    def measured(self, outputs: Predicted, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Of each image the loss of an object, and how near the boxes that are found come to its own.

        The latter is average precision, a mean over overlaps, of each image alone; where nothing is to be found, 1 less
        the highest score.
        """
        from topwork.tasks.detection.strategies._judging import precision_of_each

        losses, objects = self._losses(outputs, targets)
        right = torch.from_numpy(precision_of_each(outputs, targets, self.spec)).to(losses.device)
        return losses / objects.clamp(min=1), right

    def _losses(self, outputs: Predicted, targets: Tensor) -> tuple[Tensor, Tensor]:
        """(n,) losses, and (n,) the objects that they are of, each as much as its best box is right."""
        points = torch.from_numpy(self.spec.points).to(targets.device)
        logits, corners = outputs.logits.float(), corners_of(outputs.distances.float(), points)
        found = []
        for row, boxes in enumerate(targets):
            with torch.no_grad():
                asked = _asked(logits[row], corners[row], boxes, points)
            found.append(torch.stack([_loss(logits[row], corners[row], asked), asked.quality.sum()]))
        losses, objects = torch.stack(found).T
        return losses, objects


def corners_of(distances: Tensor, points: Tensor) -> Tensor:
    """Corners (..., P, 4) of boxes that lie ``distances`` strides around the places (P, 3)."""
    reach = distances * points[:, 2:]
    corners: Tensor = torch.cat([points[:, :2] - reach[..., :2], points[:, :2] + reach[..., 2:]], dim=-1)
    return corners


def _loss(logits: Tensor, corners: Tensor, asked: _Asked) -> Tensor:
    apart = (logits.sigmoid() - asked.quality).abs() ** _SHARPNESS * asked.weight[:, None]
    classes = binary_cross_entropy_with_logits(logits, asked.quality, reduction="none") * apart
    boxes = generalized_box_iou_loss(corners[asked.places], asked.corners)
    weights = asked.quality[asked.places].sum(dim=1)
    loss: Tensor = classes.sum() + _BOXES * (boxes * weights).sum()
    return loss


def _asked(logits: Tensor, corners: Tensor, targets: Tensor, points: Tensor) -> _Asked:
    """What one image's places are asked for: logits (P, C), corners (P, 4), targets (K, 5), points (P, 3)."""
    quality, weight = torch.zeros_like(logits), torch.ones_like(logits[:, 0])
    for crowd in targets[targets[:, 4] == CROWD]:
        weight[_inside(points, crowd[None, :4])[:, 0]] = 0
    objects = targets[targets[:, 4] >= 0]
    if not len(objects):
        return _Asked(quality, weight, torch.zeros(0, dtype=torch.long, device=logits.device), objects[:, :4])
    labels = objects[:, 4].long()
    overlaps = box_iou(corners, objects[:, :4])
    suits = logits.sigmoid()[:, labels] ** _CLASS * overlaps**_PLACE
    own = _answering(suits, overlaps, _inside(points, objects))
    best = (suits * own).amax(dim=0).clamp(min=torch.finfo(suits.dtype).tiny)
    each = suits / best * (overlaps * own).amax(dim=0)
    places, whose = own.nonzero(as_tuple=True)
    quality[places, labels[whose]] = each[places, whose]
    weight[places] = 1
    return _Asked(quality, weight, places, objects[whose, :4])


def _answering(suits: Tensor, overlaps: Tensor, inside: Tensor) -> Tensor:
    """(P, K), which place answers for which object: of each the most suitable ones, of a place one at most."""
    suits = suits.masked_fill(~inside, -1)
    values, places = suits.topk(min(_PLACES, len(suits)), dim=0)
    chosen = torch.zeros_like(inside).scatter_(0, places, values >= 0)
    nearest = overlaps.masked_fill(~chosen, -1).argmax(dim=1, keepdim=True)
    return chosen & torch.zeros_like(inside).scatter_(1, nearest, True)


def _inside(points: Tensor, boxes: Tensor) -> Tensor:
    """(P, K), which place lies in which box (K, 4 or more), each at least as large as the finest stride."""
    middle = (boxes[:, :2] + boxes[:, 2:4]) / 2
    half = ((boxes[:, 2:4] - boxes[:, :2]) / 2).clamp(min=float(points[0, 2]) / 2)
    inside: Tensor = ((points[:, None, :2] - middle).abs() <= half).all(dim=2)
    return inside
