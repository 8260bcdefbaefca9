"""Everything in an image: prompts on a grid, and of the masks those that are sure, stable and not there already.

Source: Kirillov et al. 2023 (arXiv 2304.02643), appendix B; without crops of the image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from topwork._options import Option
from topwork.tasks.segmentation.promptable._masks import PromptedMask, placed

if TYPE_CHECKING:
    from torch import Tensor

    from topwork.tasks.segmentation.promptable._image import PromptableImage


_Corners = tuple[int, int, int, int]
_NOTHING = np.zeros((0, 0), np.bool_)


@dataclass(frozen=True)
class EverythingOptions:
    """Which points are asked about, and which masks are kept."""

    grid: Annotated[int, Option("Points along each side of the grid.", None, ge=1, le=256)] = 32
    score: Annotated[float, Option("Least IoU that the network expects of a mask.", None, ge=0, le=1)] = 0.88
    stability: Annotated[float, Option("Least IoU of a looser with a stricter mask.", None, ge=0, le=1)] = 0.95
    offset: Annotated[float, Option("How much looser and stricter, in logits.", None, gt=0)] = 1.0
    overlap: Annotated[float, Option("IoU of boxes beyond which two masks are the same.", None, gt=0, le=1)] = 0.7
    at_once: Annotated[int, Option("Points that are decoded at once.", None, ge=1)] = 64


def everything(image: PromptableImage, options: EverythingOptions, *, progress: Any = None) -> tuple[PromptedMask, ...]:
    """A mask for each thing, the surest first.

    Until it is known which of them are the same, only their logits and boxes are held, not masks of the image's size.
    """
    import torch
    from torchvision.ops import nms

    points = _grid(options.grid, *image.size)
    found: list[tuple[_Corners, PromptedMask]] = []
    for start in range(0, len(points), options.at_once):
        part = image.in_square(points[start : start + options.at_once])[:, None]
        labels = torch.ones(part.shape[:2], dtype=torch.int64)
        told = image.decode(torch.from_numpy(part).float(), labels, None, several=not image.promptable.is_tuned)
        sure = (told.scores > options.score).nonzero().tolist() if options.score > 0 else None
        places = sure if sure is not None else torch.ones_like(told.scores).nonzero().tolist()
        for prompt, place in places:
            mask = _stable(image, told.logits[prompt, place], float(told.scores[prompt, place]), options)
            if mask is not None:
                found.append((_edges(mask), replace(mask, mask=_NOTHING)))
        if progress is not None:
            progress(min(start + options.at_once, len(points)), len(points))
    if not found:
        return ()
    boxes = np.array([edges for edges, _ in found], np.float32)
    scores = torch.tensor([each.score for _, each in found])
    kept = [found[place][1] for place in nms(torch.from_numpy(boxes), scores, options.overlap).tolist()]
    how: Any = (image.promptable.backbone.preprocessing, *image.size)
    return tuple(replace(each, mask=(placed(torch.from_numpy(each.logits), *how) > 0).numpy()) for each in kept)


def _grid(count: int, height: int, width: int) -> Any:
    """Points (count ** 2, 2), row by row, each in the middle of its cell of the image."""
    at = (np.arange(count) + 0.5) / count
    return np.stack([np.tile(at * width, count), np.repeat(at * height, count)], axis=-1)


def _stable(image: PromptableImage, logits: Tensor, score: float, options: EverythingOptions) -> PromptedMask | None:
    """The mask in the image, where it hardly changes with the cut; None where it does."""
    whole = placed(logits, image.promptable.backbone.preprocessing, *image.size)
    strict, loose = int((whole > options.offset).sum()), int((whole > -options.offset).sum())
    stability = strict / loose if loose else 0.0
    if options.stability > 0 and stability <= options.stability:
        return None
    return PromptedMask((whole > 0).numpy(), score, stability, logits.clone().numpy())


def _edges(mask: PromptedMask) -> _Corners:
    """Its outermost pixels, whose distance is one less than the box is wide: so boxes are compared in the paper's code.

    An empty mask has none.
    """
    left, top, right, bottom = mask.box
    return left, top, max(left, right - 1), max(top, bottom - 1)
