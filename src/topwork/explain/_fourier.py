"""Images as what a network can be asked to paint: waves of all lengths alike, in colours that vary independently."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

# Covariance of the colours of ImageNet's pixels, as a square root (Olah et al. 2017): brightness varies most, then
# blue against yellow, then green against purple.
_COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
_SOFT = 4.0  # how large the waves may grow before the sigmoid flattens them


class Waves:
    """An image as the coefficients of its waves, each scaled as in natural images, where long ones are the strongest.

    Source: Olah et al. 2017, "Feature Visualization". Gradient ascent on pixels finds high frequencies, which networks
    answer to and people do not see; on waves so scaled it finds shapes first.

    Args:
        size: Side of the image in pixels.
        generator: Draws the start: faint noise.
    """

    def __init__(self, size: int, generator: torch.Generator, device: torch.device) -> None:
        rows = torch.fft.fftfreq(size)[:, None]
        columns = torch.fft.rfftfreq(size)[None]
        lengths = torch.sqrt(rows**2 + columns**2).clamp_min(1 / size)
        self._size = size
        self._scale = (1 / lengths / _SOFT).to(device)
        colours = torch.tensor(_COLOURS)
        self._colours = (colours / colours.norm(dim=0).max()).to(device)
        start = torch.randn((3, *lengths.shape, 2), generator=generator) * 0.01
        self.coefficients = start.to(device).requires_grad_(True)

    def image(self) -> torch.Tensor:
        """The image (1, 3, size, size) on the scale 0 to 1."""
        spectrum = torch.view_as_complex(self.coefficients) * self._scale
        waves = torch.fft.irfft2(spectrum, s=(self._size, self._size), norm="ortho")
        return torch.sigmoid(torch.einsum("dc,chw->dhw", self._colours, waves))[None]


def moved(images: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """An image (1, 3, size, size) shifted, turned and scaled a little at random, so many times: (count, 3, size, size).

    By up to a fourteenth of the side, 10 degrees, and a tenth.
    """
    shift, turn, scale, _ = torch.rand((4, count, 2), generator=generator) * 2 - 1
    angle, size = turn[:, 0] * math.radians(10), 1 + scale[:, 0] * 0.1
    cosine, sine = torch.cos(angle) * size, torch.sin(angle) * size
    rows = (torch.stack([cosine, -sine, shift[:, 0] / 7], 1), torch.stack([sine, cosine, shift[:, 1] / 7], 1))
    places = torch.stack(rows, dim=1).to(images.device)
    grid = functional.affine_grid(places, [count, *images.shape[1:]], align_corners=False)
    whole = images.expand(count, -1, -1, -1)
    return functional.grid_sample(whole, grid, padding_mode="reflection", align_corners=False)


def total_variation(images: torch.Tensor) -> torch.Tensor:
    """Mean difference of neighbouring pixels."""
    return images.diff(dim=2).abs().mean() + images.diff(dim=3).abs().mean()
