"""A decoder in torch, as it is trained. Its parameters' names are those of the saved arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from segmentation_models_pytorch.base.initialization import initialize_decoder, initialize_head
from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3PlusDecoder
from segmentation_models_pytorch.decoders.fpn.decoder import FPNDecoder
from segmentation_models_pytorch.decoders.segformer.decoder import SegformerDecoder
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from segmentation_models_pytorch.decoders.unetplusplus.decoder import UnetPlusPlusDecoder
from torch import Tensor, nn

from topwork.tasks.segmentation.decoder._spec import DecoderSpec

RATES = (12, 24, 36)
"""Dilations of DeepLabV3+, which segmentation-models-pytorch and the paper have."""

_DROPOUT = 0.2  # of a feature pyramid's and DeepLab's last map, while they are trained


class TorchDecoder(nn.Module):
    """The library's decoder, and the last convolution of its segmentation head; enlarging is left to who places it."""

    def __init__(self, spec: DecoderSpec) -> None:
        super().__init__()
        self.spec = spec
        self.decoder, given, kernel = _decoder(spec)
        self.head = nn.Conv2d(given, spec.channels, kernel, padding=kernel // 2)
        initialize_decoder(self.decoder)
        initialize_head(self.head)

    def forward(self, maps: Tensor | Sequence[Tensor]) -> Tensor:
        """Logits (N, K, side, side) of maps, one (N, channels, side, side) a stage, or of features (N, D)."""
        levels = self._levels(self.maps_of(maps) if isinstance(maps, Tensor) else maps)
        found: Tensor = self.head(self.decoder(self._as_library(levels)))
        return found

    def maps_of(self, features: Tensor) -> list[Tensor]:
        """Features (N, D) as the maps that they are, (N, channels, side, side) each."""
        spec = self.spec
        counts = [width * side**2 for width, side in zip(spec.widths, spec.sides, strict=True)]
        shapes = zip(torch.split(features, counts, dim=1), spec.widths, spec.sides, strict=True)
        return [part.reshape(-1, width, side, side) for part, width, side in shapes]

    def _levels(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps of the sides that the decoder takes; tokens (N, channels, side²) are maps too."""
        found = []
        for given, before, after in zip(maps, self.spec.sides, self.spec.levels, strict=True):
            square = given.reshape(*given.shape[:2], before, before) if given.ndim == 3 else given
            found.append(square if before == after else _sized(square, after))
        return found

    def _as_library(self, levels: list[Tensor]) -> list[Tensor]:
        """With what its decoders expect before the maps: the image, of which they read the shape alone."""
        side = self.spec.side * (1 if self.spec.design in ("unet", "unet++") else 4)
        image = levels[0][:, :1, :1, :1].expand(-1, 1, side, side)
        return [image, image, *levels] if self.spec.design == "deeplabv3+" else [image, *levels]


def _sized(maps: Tensor, side: int) -> Tensor:
    return nn.functional.interpolate(maps, size=(side, side), mode="bilinear", align_corners=False)


def _decoder(spec: DecoderSpec) -> tuple[nn.Module, int, int]:
    """The decoder, the channels that it gives, and the kernel of the library's last convolution behind it."""
    widths: Any = (3, *spec.widths)
    if spec.design == "unet":
        return UnetDecoder(widths, spec.blocks, n_blocks=len(spec.blocks)), spec.blocks[-1], 3
    if spec.design == "unet++":
        return UnetPlusPlusDecoder(widths, spec.blocks, n_blocks=len(spec.blocks)), spec.blocks[-1], 3
    if spec.design == "fpn":
        return FPNDecoder([*widths], 4, spec.width, spec.width, _DROPOUT), spec.width, 1
    if spec.design == "deeplabv3+":
        given = (3, 0, *spec.widths)
        return DeepLabV3PlusDecoder(given, 4, spec.width, RATES, 16, True, _DROPOUT), spec.width, 1
    return SegformerDecoder([*widths], 4, spec.width), spec.width, 1
