"""What can be chosen of a segmenter's training, and what was found to suit (docs/decisions/segmentation.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from topwork._options import CACHE, SEED, Option
from topwork.engines import EngineName


@dataclass(frozen=True)
class ProbeOptions:
    """How to train a head on pixels of a frozen backbone's maps."""

    crop_mode: Annotated[
        Literal["squash", "pad"],
        Option("How an image is made square: squash changes its aspect ratio, pad adds borders."),
    ] = "squash"
    pixels: Annotated[int, Option("Pixels of each training image that a head learns from, at most.", None, ge=16)] = 400
    validation: Annotated[
        float,
        Option(
            "Least share of the training images used for validation when DATA has no val/ beside test/; of few images "
            "up to a third, until there are 40.",
            None,
            gt=0,
            lt=1,
        ),
    ] = 0.15
    engine: Annotated[
        EngineName | None, Option("Engine that runs the network; auto uses the fastest one available.")
    ] = None
    cache: Annotated[bool, CACHE] = True
    seed: Annotated[int, SEED] = 0
