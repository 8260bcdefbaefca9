"""What masks can be learnt from, by its name: a backbone of images, or a segmenter that is already trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from topwork.backbones import Backbone, is_segmenter, load_segmenter, require_permissive
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
    """Find a backbone or a trained segmenter by name; see ``backbones.load`` and ``backbones.load_segmenter``.

    Raises:
        BackboneError: The name is unknown, or the weights are not available.
        MissingExtraError: A package is missing.
    """
    require_permissive(name)
    if is_segmenter(name) or str(weights).lower().endswith(".onnx"):
        return load_segmenter(name, weights=weights, size=size, offline=offline)
    how: Any = {"weights": weights, "offline": offline, "allow_pickle": allow_pickle}
    return load_backbone(name, size=size or SIZE, **how, preprocessing=preprocessing)
