"""Decoders: U-Net, U-Net++, a feature pyramid, DeepLabV3+ or SegFormer's on the maps of any backbone.

In: maps of a backbone's stages, one row an image. Out: logits of each place of a grid; by OpenVINO without torch, or by
torch while it is trained. ``fit_decoder`` trains one on a frozen backbone, ``fit_finetuned`` the backbone too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from topwork.tasks.segmentation.decoder._head import DecoderHead
from topwork.tasks.segmentation.decoder._spec import DecoderSpec, Design

if TYPE_CHECKING:
    from topwork.tasks.segmentation.decoder._module import TorchDecoder

__all__ = ["DecoderHead", "DecoderSpec", "Design", "require_decoders", "torch_decoder"]


def torch_decoder(spec: DecoderSpec) -> TorchDecoder:
    """The decoder in torch with random numbers, as it is trained: ``maps or features -> logits``.

    Raises:
        MissingExtraError: PyTorch or segmentation-models-pytorch is not installed.
    """
    require_decoders()
    from topwork.tasks.segmentation.decoder import _module

    return _module.TorchDecoder(spec)


def require_decoders() -> None:
    """Refuse to train where what it needs is not installed.

    Raises:
        MissingExtraError: PyTorch or segmentation-models-pytorch is not installed.
    """
    from topwork._system import optional, require_torch

    what = "training a decoder"
    require_torch(what)
    optional("segmentation_models_pytorch", extra="segmentation", what=what)
    optional("skimage", extra="segmentation", what=what)
