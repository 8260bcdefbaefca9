"""A backbone and a decoder as one torch module that takes pixels, and what of it is trained."""

from __future__ import annotations

import copy
from typing import Any

import torch
from timm.layers import norm_act
from torch import nn

from topwork.backbones import Backbone, Weights
from topwork.backbones.layers import Maps, Normalised, layers_of
from topwork.tasks._classes._finetuned import kept_file
from topwork.tasks.segmentation.decoder._module import TorchDecoder
from topwork.train import Layers


class Network(nn.Module):
    """Pixels (n, 3, size, size), uint8 or of the same range, to logits (n, K, side, side).

    The backbone's batch norms keep the statistics of the images that it was pretrained on, as a detector's do.
    """

    def __init__(self, backbone: Backbone, decoder: TorchDecoder) -> None:
        super().__init__()
        freeze: Any = norm_act.freeze_batch_norm_2d
        self.pixels = Normalised(backbone.preprocessing)
        self.maps = Maps(freeze(backbone.module()), decoder.spec.stages)
        self.decoder = decoder

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """What the decoder says."""
        found: torch.Tensor = self.decoder(self.maps(self.pixels(images)))
        return found

    def layers(self, backbone: Backbone, stages: int) -> Layers:
        """What is trained, nearest the input first, the decoder last: so many stages up to the last read."""
        groups = layers_of(self.maps.network, backbone)
        read = [name for name, _ in groups].index(self.decoder.spec.stages[-1]) + 1
        return [*groups[read - stages : read], ("decoder", self.decoder)]

    def kept_weights(self, backbone: Backbone) -> Weights:
        """The network's weights as a file in the cache, named by their hash; saving a model copies them."""
        from safetensors.torch import save

        unfreeze: Any = norm_act.unfreeze_batch_norm_2d
        network = unfreeze(copy.deepcopy(self.maps.network))
        state = {name: value.detach().cpu().contiguous().clone() for name, value in network.state_dict().items()}
        return kept_file(backbone.name, save(state))
