"""The torch side of SAM: its image encoder as a backbone, and its prompt encoder and mask decoder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from topwork._system import optional
from topwork.backbones import _weights
from topwork.backbones._preprocessing import Preprocessing
from topwork.backbones._segmenter import PromptableNetwork
from topwork.backbones._segmenter_files import segmenter_config
from topwork.backbones._transformers_files import loaded

_ENCODER = "vision_encoder."
_NEAR = 1e-3  # a grey level is 17 times that far from the next


class Decoded(NamedTuple):
    """What P prompts on each of N images gave, M masks each.

    Attributes:
        logits: (N, P, M, h, w), positive inside, over the whole square.
        scores: (N, P, M), the IoU that the network expects of each with the object meant.
    """

    logits: Tensor
    scores: Tensor


class Encoder(nn.Module):
    """SAM's image encoder, which gives its maps as one row an image."""

    def __init__(self, network: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network: Any = network
        self.padded = preprocessing.crop_mode == "corner"
        colour = [(round(mean * 255) / 255 - mean) / std for mean, std in zip(*_normal(preprocessing), strict=True)]
        self.colour: Tensor
        self.register_buffer("colour", torch.tensor(colour).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """(n, width) in a tuple, of normalised images (n, 3, size, size)."""
        if self.padded:
            images = self._with_zeros(images)
        found = self.network.get_image_embeddings(images)
        maps = [found] if isinstance(found, Tensor) else found
        return (torch.cat([each.flatten(1) for each in maps], dim=1),)

    def _with_zeros(self, images: Tensor) -> Tensor:
        """Zeros around the image, as SAM was trained; what a decoder gives there is the nearest grey to the mean.

        What lies around is a whole row or column of that grey. One that is the photograph's own changes by the same
        half grey level.
        """
        other = ((images - self.colour).abs().amax(dim=1, keepdim=True) > _NEAR).to(images.dtype)
        rows, columns = other.amax(dim=3, keepdim=True), other.amax(dim=2, keepdim=True)
        return images * (rows * columns)


def _normal(preprocessing: Preprocessing) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return preprocessing.mean, preprocessing.std


class MaskDecoder(nn.Module):
    """SAM's prompt encoder and mask decoder: rows of the encoder's and prompts to masks."""

    def __init__(self, network: nn.Module, backbone: PromptableNetwork) -> None:
        super().__init__()
        self.network: Any = network
        self.shapes = backbone.shapes
        self.of_one_map = len(backbone.shapes) == 1

    def forward(
        self,
        images: Tensor,
        points: Tensor | None = None,
        labels: Tensor | None = None,
        boxes: Tensor | None = None,
        masks: Tensor | None = None,
        *,
        several: bool = True,
    ) -> Decoded:
        """Masks for P prompts on each of N images.

        Args:
            images: (N, width), what the encoder made of them.
            points: (N, P, n, 2), across and down, in pixels of the square.
            labels: (N, P, n), 1 inside and 0 outside of what is meant.
            boxes: (N, P, 4), left, top, right and bottom, in pixels of the square.
            masks: (N, 1, h, w), logits of earlier answers that are to be corrected.
            several: Whether to give the masks of a part, a whole and more, instead of one.
        """
        sizes = [math.prod(each) for each in self.shapes]
        rows = torch.split(images, sizes, dim=1)
        parts = [row.view(len(images), *each) for row, each in zip(rows, self.shapes, strict=True)]
        told = self.network(
            image_embeddings=parts[0] if self.of_one_map else parts,
            input_points=points,
            input_labels=labels,
            input_boxes=boxes,
            input_masks=masks,
            multimask_output=several,
        )
        return Decoded(told.pred_masks, told.iou_scores)


def encoder(backbone: PromptableNetwork) -> Encoder:
    """The image encoder with its weights, in evaluation mode on the CPU, float32.

    Raises:
        BackboneError: The weights are missing, changed, or do not fit the network.
        MissingExtraError: transformers is not installed.
    """
    return Encoder(whole_network(backbone), backbone.preprocessing).eval()


def mask_decoder(backbone: PromptableNetwork, changed: Mapping[str, Tensor] | None = None) -> MaskDecoder:
    """The prompt encoder and mask decoder with their weights; the image encoder is not even built.

    Args:
        backbone: Whose.
        changed: Tensors of ``state_of`` that were trained, which take the place of the network's own.

    Raises:
        BackboneError: The weights are missing, changed, or do not fit the network.
        MissingExtraError: transformers is not installed.
    """
    decoder = MaskDecoder(whole_network(backbone, with_encoder=False), backbone).eval()
    if changed:
        own = {name: tuple(value.shape) for name, value in state_of(decoder).items()}
        _weights.require_fit(own, {name: tuple(value.shape) for name, value in changed.items()}, ())
        decoder.network.mask_decoder.load_state_dict(dict(changed))
    return decoder


def state_of(decoder: MaskDecoder) -> dict[str, Tensor]:
    """What a training of the mask decoder changes, by name."""
    state: dict[str, Tensor] = decoder.network.mask_decoder.state_dict()
    return state


def whole_network(backbone: PromptableNetwork, *, with_encoder: bool = True) -> Any:
    """The whole network in transformers, or all but its image encoder."""
    transformers = optional("transformers", extra="detectors", what=f"the network {backbone.name}")
    config = segmenter_config(dict(backbone.config), backbone.name)
    config._attn_implementation = "eager"
    kind = transformers.SamModel if config.model_type == "sam" else transformers.Sam2Model
    if backbone.weights.source == "random":
        return _random(kind, config, int(backbone.weights.location), with_encoder=with_encoder)
    state = _weights.read_state(backbone.weights)
    if not with_encoder and config.model_type == "sam":
        config.vision_config.num_hidden_layers = 0  # most of the network; its stem and neck are loaded all the same
    return loaded(kind, config, state)


def _random(kind: Any, config: Any, seed: int, *, with_encoder: bool) -> Any:
    """A network of random numbers whose signals neither vanish nor grow; transformers' own begin at nothing."""
    if not with_encoder:
        config.vision_config.num_hidden_layers = 0
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        network = kind(config).eval()
        parts = sorted(network.named_parameters(), key=lambda each: each[0].startswith(_ENCODER))
        for _, value in parts:  # the decoder first, so that it is the same with the encoder and without
            if value.ndim > 1:
                value.normal_(std=value[0].numel() ** -0.5)
    return network.requires_grad_(False)
