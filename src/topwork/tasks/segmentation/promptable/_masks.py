"""A mask that a prompt gave, and how it comes from the decoder's grid to the image's pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._arrays import BoolArray, Float32Array
from topwork.backbones import Preprocessing
from topwork.data import rle_of

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class PromptedMask:
    """One object of an image.

    Attributes:
        mask: bool (H, W), of the image as it is shown.
        score: The IoU that the network expects of it with the object meant, about 0 to 1.
        stability: IoU of the mask with a looser and a stricter one; None where it was not asked for.
        logits: float32 (h, w) on the decoder's grid, which a correction goes on from.
        label: The class that whoever gave the box knows; empty where none is known.
    """

    mask: BoolArray
    score: float
    stability: float | None = None
    logits: Float32Array = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    label: str = ""

    @property
    def area(self) -> int:
        """Pixels inside."""
        return int(self.mask.sum())

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom; zeros where nothing is inside."""
        rows, columns = np.flatnonzero(self.mask.any(axis=1)), np.flatnonzero(self.mask.any(axis=0))
        if not len(rows):
            return 0, 0, 0, 0
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields, as COCO has them: area, bbox (left, top, width, height), run lengths, and the score."""
        left, top, right, bottom = self.box
        fields: dict[str, Any] = {
            **({"category": self.label} if self.label else {}),
            "score": round(self.score, 6),
            "area": self.area,
            "bbox": [left, top, right - left, bottom - top],
            "segmentation": rle_of(self.mask),
        }
        return fields if self.stability is None else {**fields, "stability": round(self.stability, 6)}


def placed(logits: Tensor, preprocessing: Preprocessing, height: int, width: int) -> Tensor:
    """Logits (..., h, w) over the square at the image's pixels, (..., height, width), as SAM places them.

    SAM's are first enlarged to the square, cut, and then brought to the image; SAM 2's at once.
    """
    from torch.nn.functional import interpolate

    flat = logits.reshape(1, -1, *logits.shape[-2:])
    if preprocessing.crop_mode == "corner":
        _, (_, _, right, bottom) = preprocessing.view(height, width)
        flat = interpolate(flat, (preprocessing.size, preprocessing.size), mode="bilinear", align_corners=False)
        flat = flat[..., :bottom, :right]
    found = interpolate(flat, (height, width), mode="bilinear", align_corners=False)
    return found.reshape(*logits.shape[:-2], height, width)
