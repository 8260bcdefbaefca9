"""An image that SAM's encoder has seen: prompts on it become masks, each in a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._arrays import Float32Array, UInt8Array
from topwork.errors import DataError
from topwork.tasks.segmentation.promptable._masks import PromptedMask, placed
from topwork.tasks.segmentation.promptable._prompts import Box, Point, Prompts, checked

if TYPE_CHECKING:
    from torch import Tensor

    from topwork.backbones.prompting import Decoded
    from topwork.tasks.segmentation.promptable._everything import EverythingOptions
    from topwork.tasks.segmentation.promptable._promptable import Promptable


@dataclass(frozen=True, eq=False)
class PromptableImage:
    """An image with its embedding.

    Attributes:
        source: The file's name; empty where it has none.
        pixels: uint8 (H, W, 3), upright.
        embedding: float32 (width,), the encoder's maps one after the other.
    """

    source: str
    pixels: UInt8Array
    embedding: Float32Array = field(repr=False)
    promptable: Promptable = field(repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.pixels.shape[:2]
        return height, width

    def mask(
        self, points: Sequence[Point] = (), box: Box | None = None, *, correct: PromptedMask | None = None
    ) -> PromptedMask:
        """The mask of one object.

        Args:
            points: (across, down) inside the object, or (across, down, 0) for a place that is not part of it.
            box: (left, top, right, bottom) around it.
            correct: An earlier answer on this image that the prompts correct.

        Raises:
            DataError: No prompt, one that lies outside of the image, or a box that is swapped or empty.
        """
        return self.masks(points, () if box is None else (box,), correct=correct)[0]

    def masks(
        self, points: Sequence[Point] = (), boxes: Sequence[Box] = (), *, correct: PromptedMask | None = None
    ) -> tuple[PromptedMask, ...]:
        """The masks of several objects, one for each box; points are of one object. See ``mask``."""
        prompts = checked(points, boxes, *self.size)
        several = prompts.ambiguous and correct is None and not self.promptable.is_tuned
        told = self._decoded(prompts, several, correct)
        best = told.scores.argmax(dim=1)
        return tuple(
            self._placed(told.logits[object_, place], float(told.scores[object_, place]))
            for object_, place in enumerate(best.tolist())
        )

    def choices(self, points: Sequence[Point] = (), box: Box | None = None) -> tuple[PromptedMask, ...]:
        """What else may have been meant: a part, the whole and more, the most probable first. See ``mask``."""
        prompts = checked(points, () if box is None else (box,), *self.size)
        told = self._decoded(prompts, several=True, correct=None)
        order = told.scores[0].argsort(descending=True).tolist()
        return tuple(self._placed(told.logits[0, place], float(told.scores[0, place])) for place in order)

    def everything(self, options: EverythingOptions | None = None, *, progress: Any = None) -> tuple[PromptedMask, ...]:
        """A mask for each thing that is found from a grid of points, the surest first.

        Args:
            options: How fine the grid is, and which masks are good enough.
            progress: Called with (points done, points in all).
        """
        from topwork.tasks.segmentation.promptable._everything import EverythingOptions, everything

        return everything(self, options or EverythingOptions(), progress=progress)

    def decode(self, points: Any, labels: Any, boxes: Any, masks: Any = None, *, several: bool) -> Decoded:
        """The decoder's answer on this image: logits (P, M, h, w) and scores (P, M).

        Args:
            points: (P, n, 2), in pixels of the square; see ``backbones.prompting.MaskDecoder``.
            labels: (P, n).
            boxes: (P, 4).
            masks: (1, h, w).
            several: Whether to give three masks for each prompt.
        """
        import torch

        with torch.inference_mode():
            prompts = [None if each is None else each[None] for each in (points, labels, boxes, masks)]
            told = self.promptable.decoder(torch.from_numpy(self.embedding)[None], *prompts, several=several)
            found: Decoded = type(told)(*(part[0] for part in told))
        if not bool(found.logits.isfinite().all()):
            raise DataError(f"{self.source or 'image'}: the network gives NaN or infinity for these prompts")
        return found

    def in_square(self, places: Any) -> Any:
        """Places (..., 2) of the image in pixels of the square that the network sees."""
        height, width = self.size
        _, (left, top, right, bottom) = self.promptable.backbone.preprocessing.view(height, width)
        return places * [(right - left) / width, (bottom - top) / height] + [left, top]

    def _decoded(self, prompts: Prompts, several: bool, correct: PromptedMask | None) -> Decoded:
        import torch

        points = labels = boxes = masks = None
        if len(prompts.points):
            points = torch.from_numpy(self.in_square(prompts.points)[None]).float()
            labels = torch.from_numpy(prompts.inside[None].astype(np.int64))
        if len(prompts.boxes):
            corners = self.in_square(prompts.boxes.reshape(-1, 2, 2)).reshape(-1, 4)
            boxes = torch.from_numpy(corners).float()
        if correct is not None:
            if correct.logits.ndim != 2 or not correct.logits.size or correct.mask.shape != self.size:
                raise DataError("the mask that is to be corrected is not one of this image's", hint="ask for it first")
            masks = torch.from_numpy(correct.logits)[None]
        return self.decode(points, labels, boxes, masks, several=several)

    def _placed(self, logits: Tensor, score: float) -> PromptedMask:
        found = placed(logits, self.promptable.backbone.preprocessing, *self.size)
        return PromptedMask((found > 0).numpy(), score, logits=logits.clone().numpy())
