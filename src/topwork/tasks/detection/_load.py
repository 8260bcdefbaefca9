"""What boxes can be learnt from, by its name: a backbone of images, or a detector that is already trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from topwork.backbones import Backbone, detectors_near, is_detector, load_detector, require_permissive
from topwork.backbones import load as load_backbone
from topwork.errors import BackboneError
from topwork.tasks.detection._size import SIZE


def load(
    name: str,
    *,
    weights: str | Path = "pretrained",
    size: int | None = None,
    offline: bool = False,
    allow_pickle: bool = False,
    preprocessing: Any = "topwork",
) -> Backbone:
    """Find a backbone or a detector by name; see ``backbones.load`` and ``backbones.load_detector``.

    Raises:
        BackboneError: The name is unknown, its licence is the AGPL, or the weights are not available.
        MissingExtraError: A package is missing.
    """
    require_permissive(name)
    how: Any = {"weights": weights, "size": size, "offline": offline, "allow_pickle": allow_pickle}
    if is_detector(name):
        return load_detector(name, **how)
    try:
        return load_backbone(name, **{**how, "size": size or SIZE}, preprocessing=preprocessing)
    except BackboneError as error:
        near = detectors_near(name)
        if not near or not error.message.startswith("no backbone is called"):
            raise
        raise BackboneError(error.message, hint=f"did you mean {', '.join(near)}?") from error
