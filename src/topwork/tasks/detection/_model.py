"""A model that tells which objects are in an image, and where."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from topwork.data import BoxDataset, Source, decode, image_size, read_boxes, try_source
from topwork.errors import DataError
from topwork.features import NOT_FINITE, Progress, extract, extract_few
from topwork.metrics import Detections, Estimate
from topwork.model import IMAGES, Kind, Methods
from topwork.tasks._maps._model import MapsModel
from topwork.tasks.detection._card import detector_card, detector_methods
from topwork.tasks.detection._evaluated import CHUNK, DetectionEvaluated, detected, measure
from topwork.tasks.detection._found import FoundObjects
from topwork.tasks.detection._record import DetectionRecord, DetectorRecord
from topwork.tasks.detection.network import AnyHead, Decoding, Tile, head_from, merged, tiles

_LEAST_TILE = 16  # pixels
_WILD = (
    1e15  # features are of the order of 10; the head gives infinity or NaN for what is far beyond, and finds nothing
)

_Seen = tuple[Detections, tuple[int, int]] | str
"""What is found in an image, and its height and width; or why it cannot be used."""


class Detector(MapsModel):
    """A trained detector."""

    block: ClassVar[type[DetectionRecord]] = DetectionRecord
    kind: ClassVar[Kind] = dataclasses.replace(IMAGES, pipeline="object-detection")
    record: DetectorRecord
    head: AnyHead
    held_out: DetectionEvaluated | None
    head_from = staticmethod(head_from)

    def card(self, record: DetectorRecord, name: str) -> str:
        """Classes, figures and limits, beside what every card tells."""
        return detector_card(record, name, self.kind)

    def methods(self) -> Methods:
        """Its classes, head, choices and figures too."""
        return detector_methods(self.record, len(self.history), self.kind)

    def _figures(self) -> dict[str, Estimate | None]:
        return {"AP50": self.metrics.ap50, "AP": self.metrics.ap}

    @property
    def thresholds(self) -> npt.NDArray[np.float32]:
        """(C,), the score of each class from which on an object is told of."""
        return np.array(self.record.task.thresholds, np.float32)

    @property
    def figure(self) -> Estimate | None:
        """Its AP50 on held-out images."""
        return self.metrics.ap50 if self.metrics is not None else None

    def predict_each(
        self, sources: Iterable[Any], *, threshold: float | None = None, tile: int | None = None
    ) -> Iterator[FoundObjects]:
        """Find objects in images, a chunk at a time: memory stays flat however many there are.

        Args:
            sources: Images, in a list or whatever gives them: paths, bytes, open files, Pillow's images, arrays and
                tensors (see ``topwork.data.as_source``).
            threshold: Tell of an object from this score on, 0 to 1, whatever its class; the thresholds that ``fit``
                chose for each class when None.
            tile: Also look at each part of a larger image, so many pixels of its width and height at a time, so that
                small objects are found; None looks at the whole alone.

        Returns:
            For each source what is found in it, in order. One that cannot be used has its reason in ``error``; the
            others are not affected.

        Raises:
            ImageError: ``sources`` is one image rather than several.
            BackboneError: The backbone's weights are not available on this machine.
            DataError: The threshold is none, or the tile is too small.
        """
        floors = self._floors(threshold)
        if tile is not None and tile < _LEAST_TILE:
            raise DataError(f"a tile is at least {_LEAST_TILE} pixels wide and high, not {tile!r}")
        look = functools.partial(self._whole, floors) if tile is None else functools.partial(self._tiled, tile, floors)
        for name, seen in self._looked_at(sources, CHUNK, look):
            yield self._told(name, seen)

    def predict_features(
        self,
        features: npt.NDArray[np.float32],
        sizes: Sequence[tuple[int, int]],
        names: Sequence[str],
        *,
        threshold: float | None = None,
    ) -> list[FoundObjects]:
        """Find objects in rows of features, as ``predict_each`` does in images.

        Args:
            features: (N, D) float32, in the columns that the head reads.
            sizes: Height and width of each image as it is shown.
            names: What each is called.
            threshold: As ``predict_each`` takes it.

        Raises:
            DataError: The threshold is none.
        """
        found = self._sure(self._floors(threshold), features, np.array(sizes).reshape(-1, 2))
        return [self._told(name, (each, size)) for name, each, size in zip(names, found, sizes, strict=True)]

    def evaluate(
        self,
        data: str | os.PathLike[str] | BoxDataset,
        *,
        seed: int = 0,
        cache: bool = True,
        progress: Progress | None = None,
    ) -> DetectionEvaluated:
        """Measure the model on images with known boxes that it was not trained on.

        Args:
            data: A path as ``fit`` takes it, or a data set with this model's classes. Of data in splits, ``test`` is
                measured, or ``val`` where there is no other.
            seed: Of the bootstrap.
            cache: Whether features are kept on disk.
            progress: Called with (images done, images in all).

        Raises:
            DataError: The classes are not the model's, or no image can be read.
        """
        given = data if isinstance(data, BoxDataset) else read_boxes(data, classes=self.classes)
        asked = self.to_measure(given, "read_boxes")
        how: Any = {"outputs": self.record.outputs, "choice": self.engine_choice, "cache": cache}
        table = extract(asked.dataset, self.backbone, **how, progress=progress)
        if len(table) == 0:
            raise asked.unreadable()
        known: Any = {"thresholds": self.record.task.thresholds, "trained": self.trained}
        return measure(table, self.head, **known, split=asked.split, seen_in_training=asked.seen_in_training, seed=seed)

    def _floors(self, threshold: float | None) -> npt.NDArray[np.float32]:
        """(C,), the scores from which on objects are told of."""
        if threshold is None:
            return self.thresholds
        if not 0 <= threshold <= 1:
            raise DataError(f"a threshold is a number from 0 to 1, not {threshold!r}")
        return np.full(len(self.classes), threshold, np.float32)

    def _told(self, name: str, seen: _Seen) -> FoundObjects:
        if isinstance(seen, str):
            return FoundObjects(name, classes=self.classes, error=seen)
        return FoundObjects(name, seen[0], self.classes, seen[1])

    def _whole(self, floors: npt.NDArray[np.float32], sources: Sequence[Source]) -> list[_Seen]:
        """What is found in each image, looked at once: of each class from its floor (C,) on."""
        how: Any = {"choice": self.engine_choice, "open_network": self._engines}
        features = extract_few(sources, self.backbone, self.record.outputs, **how)
        seen: list[_Seen] = [""] * len(sources)
        for place, why in features.refused:
            seen[place] = why
        kept = features.kept.tolist()
        sizes = [try_source(sources, place, image_size) for place in kept]
        shapes = np.array([(1, 1) if isinstance(each, str) else each for each in sizes]).reshape(-1, 2)
        found = self._sure(floors, features.values, shapes)
        for place, size, each in zip(kept, sizes, found, strict=True):
            seen[place] = size if isinstance(size, str) else (each, size)
        for row in np.flatnonzero(np.abs(features.values).max(axis=1, initial=0) > _WILD).tolist():
            seen[kept[row]] = NOT_FINITE.format(self.thing)
        return seen

    def _sure(
        self, floors: npt.NDArray[np.float32], features: npt.NDArray[np.float32], sizes: npt.NDArray[Any]
    ) -> Iterator[Detections]:
        """What is found in images of these sizes (N, 2) by their features (N, D): of each class from its floor on."""
        below = Decoding(threshold=max(0.0, float(np.nextafter(floors.min(), np.float32(-1)))))
        for each in detected(features, self.head, self.backbone.preprocessing, sizes, below):
            yield each.select(each.scores >= floors[each.labels])

    def _tiled(self, tile: int, floors: npt.NDArray[np.float32], sources: Sequence[Source]) -> Iterator[_Seen]:
        """What is found in each image and in its parts."""
        for place in range(len(sources)):
            pixels = try_source(sources, place, decode)
            yield pixels if isinstance(pixels, str) else self._in_parts(pixels, tile, floors)

    def _in_parts(self, pixels: npt.NDArray[np.uint8], tile: int, floors: npt.NDArray[np.float32]) -> _Seen:
        """What is found in an image, and what in each of its parts that the whole does not show as well.

        What is not sure enough to be told of takes no part: it would take the place of a surer box that a tile cuts.
        """
        height, width = pixels.shape[:2]
        parts = [Tile(0, 0, width, height), *(tiles(height, width, tile) if tile < max(height, width) else ())]
        found = list[Detections]()
        for start in range(0, len(parts), CHUNK):
            some = [np.ascontiguousarray(part.of(pixels)) for part in parts[start : start + CHUNK]]
            for seen in self._whole(floors, some):
                if isinstance(seen, str):
                    return seen
                found.append(seen[0])
        return merged(found, parts, height, width), (height, width)
