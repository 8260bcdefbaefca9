"""The one way in: a segmenter, which region is asked about, and an image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from topwork._arrays import BoolArray, Float32Array, UInt8Array
from topwork.data import as_source, decode, image_size, pieces
from topwork.engines import Engine, open_engine
from topwork.errors import ExplainError, ImageError
from topwork.explain.places import Shown, checked, named, occlusion
from topwork.tasks._maps._explained import require_asked
from topwork.tasks.segmentation._found import FoundMask
from topwork.tasks.segmentation._model import Segmenter
from topwork.tasks.segmentation.explain._found import PointEvidence, RegionEvidence
from topwork.tasks.segmentation.explain._target import Target
from topwork.tasks.segmentation.network import PixelHead, Placed, nearest, on_grid


@dataclass(frozen=True, eq=False)
class Explain:
    """Tells what a region's class rests on; the network is opened once for all images.

    Attributes:
        model: A segmenter.
        label: Ask about regions of this class; of any class but background when None.
        number: Which of them, the largest being 1: objects where the model tells them apart, connected regions else.
        seed: Of the random places that the check compares with.
        point: Ask about the pixel at this x and y instead, whatever region it lies in: of which class it is, background
            too, or how near it is to being of ``label``.

    Raises:
        ExplainError: There is no such class, or the number is none.
    """

    model: Segmenter
    label: str | None = None
    number: int = 1
    seed: int = 0
    point: tuple[int, int] | None = None
    _features: Engine = field(init=False, repr=False)

    def __post_init__(self) -> None:
        require_asked(self.model.classes, self.label, self.number, one="region", many="regions", first="largest")
        model = self.model
        object.__setattr__(self, "_features", open_engine(model.backbone, model.record.outputs, model.engine_choice))

    def __call__(self, image: Any) -> RegionEvidence:
        """Explain one region.

        Args:
            image: As ``predict`` takes it: a path, bytes, an array, Pillow's image.

        Raises:
            ImageError: It cannot be used.
            ExplainError: Nothing is found in it, or not so many regions.
        """
        source, preprocessing = as_source(image), self.model.backbone.preprocessing
        size, pixels = image_size(source), decode(source, min_side=preprocessing.min_side)
        (found,) = self.model.predict([image])
        if found.error:
            raise ImageError(found.error)
        if self.point is not None:
            return self._of_point(found, self.point, pixels)
        region, label, count = self._chosen(found)
        square, grid = preprocessing(pixels), self.model.head.spec.grid
        there = on_grid(region, *nearest(grid, preprocessing, *size), False).astype(np.bool_)
        if not there.any():
            raise ExplainError("the network sees nothing of this region: it is too small", hint="choose a larger one")
        target = Target(self.model.head, self._features, square, there, label, preprocessing.view(*size)[1])
        return RegionEvidence(number=self.number, count=count, **self._evidence(target, pixels, region))

    def _evidence(self, target: Target, pixels: UInt8Array, region: BoolArray) -> dict[str, Any]:
        """What a target rests on, as fields of what is given back."""
        values, preprocessing = occlusion(target), self.model.backbone.preprocessing
        mask, shown = named(values), Shown(pixels, preprocessing, (region.shape[0], region.shape[1]))
        return {
            "label": self.model.classes[target.label],
            "score": target.score,
            "image": shown.image,
            "map": shown.map(values),
            "region": _reduced(region, shown.image.shape[:2]),
            "blurred": shown.pixels(target.without(mask)) if mask.any() else None,
            "inside": _inside(values, target.region),
            "checked": checked(target, mask, seed=self.seed) if mask.any() else None,
        }

    def _of_point(self, found: FoundMask, point: tuple[int, int], pixels: UInt8Array) -> PointEvidence:
        """What one pixel's class rests on: the head's place that is nearest to it is asked about."""
        (x, y), (height, width), preprocessing = point, found.size, self.model.backbone.preprocessing
        if not (0 <= x < width and 0 <= y < height):
            raise ExplainError(
                f"the image has {width} x {height} pixels, and none at {x},{y}", hint="x is counted first"
            )
        seen, placed = preprocessing.view(height, width)
        if not (seen[0] <= x + 0.5 <= seen[2] and seen[1] <= y + 0.5 <= seen[3]):
            raise ExplainError(f"the network sees nothing of the pixel at {x},{y}: it is cut off")
        head = self.model.head
        at = Placed.of(head.spec.grid, preprocessing, height, width)
        place = at.rows.nearer(y), at.columns.nearer(x)
        there = np.zeros((head.spec.grid.side,) * 2, np.bool_)
        there[place] = True
        label = int(found.labels[y, x]) if self.label is None else found.classes.index(self.label)
        target = Target(head, self._features, preprocessing(pixels), there, label, placed)
        rival, stages = self._stages(target, place)
        region = found.labels == found.labels[y, x] if found.objects is None else found.objects == found.objects[y, x]
        evidence = self._evidence(target, pixels, region)
        return PointEvidence(
            number=1, count=1, point=point, size=found.size, rival=found.classes[rival], stages=stages, **evidence
        )

    def _stages(self, target: Target, place: tuple[int, int]) -> tuple[int, tuple[tuple[str, float], ...]]:
        """The class that comes next at a place, and what each stage says for the one and against the other."""
        (row,), head = self._features(target.square[None]), self.model.head
        logits = np.array(head.logits(row[None])[0][: head.spec.n_classes, place[0], place[1]])
        logits[target.label] = -np.inf
        rival = int(logits.argmax())
        if not isinstance(head, PixelHead):
            return rival, ()
        shares = head.shares(row, place)
        apart = (shares[:, target.label] - shares[:, rival]).tolist()
        return rival, tuple(zip((*head.spec.stages, "bias"), apart, strict=True))

    def _chosen(self, found: FoundMask) -> tuple[BoolArray, int, int]:
        """The pixels of the region, the place of its class, and how many regions there are to choose from."""
        wanted = list(found.foreground) if self.label is None else [found.classes.index(self.label)]
        shown = np.where(np.isin(found.labels, wanted), found.labels.astype(np.int64) + 1, 0)
        numbers = pieces(shown)[0] if found.objects is None else np.where(shown > 0, found.objects, 0)
        areas = np.bincount(numbers.ravel())
        areas[0] = 0
        order = np.argsort(-areas, kind="stable")[: int((areas > 0).sum())]
        if not len(order):
            of = "" if self.label is None else f" of class {self.label!r}"
            raise ExplainError(f"no region{of} was found")
        if self.number > len(order):
            raise ExplainError(f"there is no region {self.number}", hint=f"the last one is region {len(order)}")
        region = numbers == order[self.number - 1]
        return region, int(np.bincount(shown[region]).argmax()) - 1, len(order)


def _reduced(region: BoolArray, size: tuple[int, int]) -> BoolArray:
    """A region (H, W) in a picture of another size."""
    rows, columns = (np.arange(new) * old // new for new, old in zip(size, region.shape, strict=True))
    found: BoolArray = region[rows[:, None], columns]
    return found


def _inside(values: Float32Array, region: BoolArray) -> float | None:
    """The share of the evidence in a region; None where there is none."""
    side = len(region)
    rows = np.arange(len(values)) * side // len(values)
    weights = np.clip(values, 0, None)
    total = float(weights.sum())
    return float(weights[region[rows[:, None], rows]].sum()) / total if total > 0 else None
