"""What can be chosen of a segmenter's training, and what was found to suit (docs/decisions/segmentation.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from topwork._options import CACHE, CROP_MODE, ENGINE, SEED, VALIDATION, Option
from topwork.engines import EngineName


@dataclass(frozen=True)
class ProbeOptions:
    """How to train a head on pixels of a frozen backbone's maps."""

    crop_mode: Annotated[Literal["squash", "pad"], CROP_MODE] = "squash"
    pixels: Annotated[
        int | None,
        Option(
            "Pixels of each training image that a head learns from; if not given, 120,000 of all images together.",
            None,
            ge=16,
        ),
    ] = None
    validation: Annotated[float, VALIDATION] = 0.15
    engine: Annotated[EngineName | None, ENGINE] = None
    cache: Annotated[bool, CACHE] = True
    seed: Annotated[int, SEED] = 0
