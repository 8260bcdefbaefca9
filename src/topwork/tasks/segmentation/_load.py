"""What masks can be learnt from, by its name: a backbone of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from topwork.backbones import Backbone
from topwork.backbones import load as load_backbone

SIZE = 384
"""Side of the square in pixels, where nobody says otherwise (docs/decisions/segmentation.md)."""


def load(
    name: str,
    *,
    weights: str | Path = "pretrained",
    size: int | None = None,
    offline: bool = False,
    allow_pickle: bool = False,
    preprocessing: Any = "topwork",
) -> Backbone:
    """Find a backbone by name; see ``backbones.load``.

    Raises:
        BackboneError: The name is unknown, or the weights are not available.
        MissingExtraError: A package is missing.
    """
    how: Any = {"weights": weights, "offline": offline, "allow_pickle": allow_pickle}
    return load_backbone(name, size=size or SIZE, **how, preprocessing=preprocessing)
