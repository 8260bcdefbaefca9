"""A backbone, a pyramid and a head as one torch module that takes pixels, and what of it is trained."""

from __future__ import annotations

import copy
from typing import Any

import torch
from timm.layers import norm_act
from torch import nn

from topwork.backbones import Backbone, Weights
from topwork.backbones.layers import Maps, Normalised, layers_of
from topwork.tasks._classes._finetuned import kept_file
from topwork.tasks.detection.network._module import Predicted, TorchHead
from topwork.train import Layers


class Detector(nn.Module):
    """Pixels (n, 3, size, size), uint8 or of the same range, to what the head says of each place.

    The backbone's batch norms keep the statistics of the images that it was pretrained on: batches of a detector are
    small, and what is frozen can be folded.
    """

    def __init__(self, backbone: Backbone, head: TorchHead) -> None:
        super().__init__()
        freeze: Any = norm_act.freeze_batch_norm_2d
        self.pixels = Normalised(backbone.preprocessing)
        self.maps = Maps(freeze(backbone.module()), head.spec.stages)
        self.head = head

    def forward(self, images: torch.Tensor) -> Predicted:
        """What the head says."""
        found: Predicted = self.head(self.maps(self.pixels(images)))
        return found

    def layers(self, backbone: Backbone, stages: int) -> Layers:
        """What is trained, nearest the input first, the head last: so many stages up to the last read."""
        groups = layers_of(self.maps.network, backbone)
        read = [name for name, _ in groups].index(self.head.spec.stages[-1]) + 1
        return [*groups[read - stages : read], ("head", self.head)]

    def kept_weights(self, backbone: Backbone) -> Weights:
        """The network's weights as a file in the cache, named by their hash; saving a model copies them."""
        from safetensors.torch import save

        unfreeze: Any = norm_act.unfreeze_batch_norm_2d
        network = unfreeze(copy.deepcopy(self.maps.network))
        state = {name: value.detach().cpu().contiguous().clone() for name, value in network.state_dict().items()}
        return kept_file(backbone.name, save(state))
