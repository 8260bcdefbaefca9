"""How far images lie from the network's own, against batch norms that are asked one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from topwork.backbones import Backbone, load
from topwork.data import decode
from topwork.tasks.classification.ladder._describe import domain_shift

SMALL = load(size=96)


def squares(files: list[Path], backbone: Backbone = SMALL) -> npt.NDArray[np.uint8]:
    fit = backbone.preprocessing
    return np.stack([fit(decode(file, min_side=fit.min_side)) for file in files])


def test_it_is_what_the_first_norm_would_say_of_itself(photos: list[Path]) -> None:
    """Of a network that only torch knows: a norm on the pixels themselves, whose mean is counted here."""
    from torch import nn

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(3)
            self.norm.running_mean, self.norm.running_var = torch.tensor([0.5, 0.0, -0.5]), torch.tensor([1.0, 4, 9])

        def forward_features(self, images: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.norm(images)
            return found

        def forward_head(self, features: torch.Tensor, *, pre_logits: bool) -> torch.Tensor:
            return features.mean((2, 3))

    class Fake(Backbone):
        def module(self) -> nn.Module:
            return Plain().eval()

    plain = load(weights="random", size=96)
    backbone = Fake(**{name: getattr(plain, name) for name in plain.__dataclass_fields__})
    pixels = squares(photos[:4])
    values = SMALL.preprocessing
    rows = (pixels.reshape(-1, 3) / 255 - values.mean) / values.std
    expected = (rows.mean(axis=0) - [0.5, 0, -0.5]) / np.sqrt(np.array([1, 4, 9]) + 1e-5)
    assert domain_shift(backbone, pixels) == pytest.approx(float(np.sqrt((expected**2).mean())), rel=1e-4)


def test_cloth_is_further_from_imagenet_than_photographs_are(photos: list[Path], textiles: list[Path]) -> None:
    own, cloth = domain_shift(SMALL, squares(photos)), domain_shift(SMALL, squares(textiles[:20]))
    assert own is not None
    assert cloth is not None
    assert cloth > 1.3 * own


def test_a_network_without_batch_norms_keeps_no_source(photos: list[Path]) -> None:
    backbone = load("vit_tiny_patch16_224", weights="random")
    assert domain_shift(backbone, squares(photos[:1], backbone)) is None
