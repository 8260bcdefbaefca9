"""A trained detector that is trained further: its network for other classes, and what its own library's loss asks for.

A public module of this room and not among its names, since it imports torch.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from topwork._system import optional, quiet
from topwork.backbones._detector import DetectorNetwork
from topwork.backbones._detector_module import whole_network

__all__ = ["Told", "WholeDetector", "for_classes", "library_loss"]


_CLASS_LAYERS = ("class_labels_classifier", "class_embed", "enc_score_head", "denoising_class_embed")
"""What these designs call the layers that have a row for each class."""


class Told(NamedTuple):
    """What a network says of n images; the last five are the loss's alone, and None where the design has none.

    Attributes:
        logits: (n, K, R).
        boxes: (n, K, 4), middle, width and height, shares of the square.
        all_logits: (n, layers, K, R).
        all_boxes: (n, layers, K, 4).
        first_logits: (n, K, R), of the candidates that the encoder chose.
        first_boxes: (n, K, 4), theirs.
        corners: (n, layers, K, ...), distributions of a box's edges (D-FINE).
        references: (n, layers, K, 4), what these are measured from.
    """

    logits: Tensor
    boxes: Tensor
    all_logits: Tensor | None
    all_boxes: Tensor | None
    first_logits: Tensor | None = None
    first_boxes: Tensor | None = None
    corners: Tensor | None = None
    references: Tensor | None = None

    def only(self, place: int) -> Told:
        """What is said of one image."""
        return Told(*(None if each is None else each[place : place + 1] for each in self))  # type: ignore[arg-type]


class WholeDetector(nn.Module):
    """A network of DETR's family: normalised images (n, 3, size, size) to what it says."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Told:
        """Of each image, without the noised objects by which such a network learns faster from nothing."""
        found = self.network(pixel_values=images)
        if not hasattr(found, "intermediate_logits"):  # DETR
            return Told(found.logits, found.pred_boxes, *self._earlier(found))
        return Told(
            found.logits,
            found.pred_boxes,
            found.intermediate_logits,
            found.intermediate_reference_points,
            found.enc_topk_logits,
            found.enc_topk_bboxes,
            found.intermediate_predicted_corners,
            found.initial_reference_points,
        )

    def _earlier(self, found: Any) -> tuple[Tensor | None, Tensor | None]:
        if not self.network.config.auxiliary_loss:
            return None, None
        hidden = found.intermediate_hidden_states
        return self.network.class_labels_classifier(hidden), self.network.bbox_predictor(hidden).sigmoid()


def library_loss(network: Any, told: Told, labels: Sequence[Mapping[str, Tensor]]) -> Tensor:
    """The library's own loss of a batch: a sum of its parts, each a mean over the objects.

    Args:
        network: transformers' own.
        told: What it says of n images.
        labels: Of each image ``class_labels`` (M,) and ``boxes`` (M, 4) as ``Told.boxes``.
    """
    more = {}
    if told.first_logits is not None:
        more = {
            "enc_topk_logits": told.first_logits,
            "enc_topk_bboxes": told.first_boxes,
            "denoising_meta_values": None,
            "predicted_corners": told.corners,
            "initial_reference_points": told.references,
        }
    places = (told.boxes, network.config, told.all_logits, told.all_boxes)
    loss: Tensor = network.loss_function(told.logits, list(labels), told.logits.device, *places, **more)[0]
    return loss


def for_classes(backbone: DetectorNetwork, classes: Sequence[str], rows: Sequence[int]) -> Any:
    """The network with class layers for other classes; one that it had keeps its numbers, in every layer.

    Args:
        backbone: Of DETR's family.
        classes: C names.
        rows: For each of its own classes the place among the others, or -1.

    Raises:
        BackboneError: The weights do not fit.
        MissingExtraError: transformers is not installed.
    """
    transformers = optional("transformers", extra="detectors", what=f"the network {backbone.name}")
    own = whole_network(backbone)
    config = copy.deepcopy(own.config)
    config.id2label = dict(enumerate(classes))
    config.label2id = {name: place for place, name in enumerate(classes)}
    with quiet(transformers), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = type(own)(config)
    state = network.state_dict()
    _carry_over(own.state_dict(), state, rows)
    network.load_state_dict(state)
    return network.eval()


@torch.no_grad()
def _carry_over(own: Mapping[str, Tensor], state: Mapping[str, Tensor], rows: Sequence[int]) -> None:
    """Write a network's numbers over those of one with other classes, which differs in its class layers alone.

    A layer may have one row more, the last: of nothing at all, or of what pads.
    """
    theirs = [place for place, ours in enumerate(rows) if ours >= 0]
    ours = [rows[place] for place in theirs]
    for name, value in state.items():
        given = own[name]
        if not any(part in _CLASS_LAYERS for part in name.split(".")):
            value.copy_(given)
            continue
        value[ours] = given[theirs]
        if len(given) == len(rows) + 1:
            value[-1] = given[-1]
