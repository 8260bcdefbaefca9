"""A model that tells which class each pixel of an image is of."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from topwork._arrays import Float32Array
from topwork.data import MaskDataset, Source, decode, image_size, printable, read_masks, try_source
from topwork.errors import DataError, ImageError
from topwork.features import AT_ONCE, Progress, Streamed, streamed
from topwork.metrics import Estimate, MaskCounts
from topwork.model import IMAGES, Kind, Methods
from topwork.tasks._maps._model import MapsModel
from topwork.tasks.segmentation._card import segmenter_card, segmenter_methods
from topwork.tasks.segmentation._certainty import Certainty
from topwork.tasks.segmentation._evaluated import SegmentationEvaluated, counted_in, measure
from topwork.tasks.segmentation._found import FoundMask
from topwork.tasks.segmentation._record import SegmentationRecord, SegmenterRecord
from topwork.tasks.segmentation._seen import look
from topwork.tasks.segmentation._told import told
from topwork.tasks.segmentation.network import (
    Part,
    Placed,
    SegmentationHead,
    Strip,
    blended,
    head_from,
    parts_of,
    softmax_of,
    strips,
)

_Look = tuple[Iterable[Strip], tuple[int, int]] | str
"""What is said of an image, strip by strip, and its height and width; or why it cannot be used."""

_CHUNK = 64  # sources that are looked at together; a few of their maps are in memory at a time


class Segmenter(MapsModel):
    """A trained segmenter."""

    block: ClassVar[type[SegmentationRecord]] = SegmentationRecord
    kind: ClassVar[Kind] = dataclasses.replace(IMAGES, pipeline="image-segmentation")
    record: SegmenterRecord
    head: SegmentationHead
    held_out: SegmentationEvaluated | None
    head_from = staticmethod(head_from)

    at_once = AT_ONCE

    def card(self, record: SegmenterRecord, name: str) -> str:
        """Classes, figures and limits, beside what every card tells."""
        return segmenter_card(record, name, self.kind)

    def methods(self) -> Methods:
        """Its classes, head, choices and figures too."""
        return segmenter_methods(self.record, len(self.history), self.kind)

    def _figures(self) -> dict[str, Estimate | None]:
        return {"mean IoU": self.metrics.iou, "mean Dice": self.metrics.dice}

    @property
    def figure(self) -> Estimate | None:
        """Its mean intersection over union on held-out images."""
        return self.metrics.iou if self.metrics is not None else None

    def predict_each(
        self,
        sources: Iterable[Any],
        *,
        threshold: float | None = None,
        tile: int | None = None,
        certainty: bool = False,
    ) -> Iterator[FoundMask]:
        """Tell the class of each pixel of images, one image at a time.

        Args:
            sources: Images, in a list or whatever gives them: paths, bytes, open files, Pillow's images, arrays and
                tensors (see ``topwork.data.as_source``).
            threshold: Of two classes, the probability from 0 to 1 of the second from which on a pixel is of it; what
                ``fit`` chose when None.
            tile: Look at each part of a larger image by itself, so many pixels of its width and height at a time, and
                blend what is said where parts overlap; None looks at the whole at once.
            certainty: Also tell how sure each pixel's class is, by the pixels of the held-out images that the model
                gave this probability (see ``certainty_is_calibrated``).

        Returns:
            For each source its mask, in order. One that cannot be used has its reason in ``error``; the others are not
            affected.

        Raises:
            ImageError: ``sources`` is one image rather than several.
            BackboneError: The backbone's weights are not available on this machine.
            DataError: The threshold is none, or there are more than two classes; or the tile is too small.
        """
        least = self._threshold(threshold)
        if tile is not None:
            parts_of(1, 1, tile)  # says so where it is too small
        look = self._whole if tile is None else functools.partial(self._tiled, tile)
        for name, seen in self._looked_at(sources, _CHUNK, look):
            yield self._told(name, seen, least, certainty=certainty)

    def predict_features(
        self,
        features: Float32Array,
        sizes: Sequence[tuple[int, int]],
        names: Sequence[str],
        *,
        threshold: float | None = None,
        certainty: bool = False,
    ) -> list[FoundMask]:
        """The same of images whose maps are at hand.

        Args:
            features: (N, D), the maps that the head reads.
            sizes: Height and width of each image as it is shown.
            names: What each answer is called.
            threshold: See ``predict_each``.
            certainty: See ``predict_each``.
        """
        least, found = self._threshold(threshold), []
        for row, size, name in zip(features, sizes, names, strict=True):
            logits = np.asarray(self.head.logits(np.asarray(row, np.float32)[None])[0])
            found.append(self._told(name, (strips(logits, self._placed(*size)), size), least, certainty=certainty))
        return found

    def evaluate(
        self,
        data: str | os.PathLike[str] | MaskDataset,
        *,
        seed: int = 0,
        cache: bool = True,
        progress: Progress | None = None,
        tile: int | None = None,
    ) -> SegmentationEvaluated:
        """Measure the model on images with known masks that it was not trained on.

        Args:
            data: A path as ``fit`` takes it, or a data set with this model's classes. Of data in splits, ``test`` is
                measured, or ``val`` where there is no other.
            seed: Of the bootstrap.
            cache: Whether features are kept on disk.
            progress: Called with (images done, images in all).
            tile: As ``predict_each`` takes it.

        Raises:
            DataError: The classes are not the model's, or no image can be read; or the tile is too small.
        """
        given = data if isinstance(data, MaskDataset) else read_masks(data, classes=self.classes)
        if tile is not None:
            parts_of(1, 1, tile)  # says so where it is too small
        asked = self.to_measure(given, "read_masks")
        how: Any = {"choice": self.engine_choice, "open_network": self._engines, "progress": progress}
        none, outputs = len(asked.dataset) == 0, self.record.outputs
        seen, _ = look(asked.dataset, self.backbone, outputs, lambda row, maps: None, wanted=lambda row: none, **how)
        if len(seen) == 0:
            raise asked.unreadable()
        counts = None if tile is None else tuple(self._counted_in_parts(seen.dataset, tile, progress))
        known: Any = {"split": asked.split, "seen_in_training": asked.seen_in_training, "seed": seed, "counts": counts}
        return measure(seen, self.head, self.record.task.deciding, trained=self.trained, progress=progress, **known)

    def _threshold(self, given: float | None) -> float | None:
        """The probability from which on a pixel is of the second of two classes; None where there are more."""
        if given is None:
            return self.record.task.threshold
        if len(self.classes) != 2:
            raise DataError(f"a threshold is for models of two classes, and this one has {len(self.classes)}")
        if not 0 <= given <= 1:
            raise DataError(f"a threshold is a number from 0 to 1, not {given!r}")
        return given

    @property
    def certainty_is_calibrated(self) -> bool:
        """Whether held-out images say how sure it is of a pixel; without any it is the model's own probability."""
        return self._certainty.is_calibrated

    @functools.cached_property
    def _certainty(self) -> Certainty:
        return Certainty.of(None if self.metrics is None else self.metrics.calibration)

    def _told(self, name: str, seen: _Look, threshold: float | None, *, certainty: bool = False) -> FoundMask:
        block = self.record.task
        how: Any = {"classes": self.classes, "has_background": block.has_background}
        how["tells_objects"] = block.splitting is not None
        if isinstance(seen, str):
            return FoundMask(name, **how, error=seen)
        parts, size = seen
        deciding = dataclasses.replace(block.deciding, threshold=threshold)
        sure: Any = {"certainty": self._certainty if certainty else None, "has_background": block.has_background}
        found = told(parts, size, deciding, len(self.classes), **sure)
        return FoundMask(name, found.labels, objects=found.objects, certainty=found.certainty, **how)

    def _streamed(self, sources: Sequence[Source]) -> Iterator[Streamed[Float32Array]]:
        """What the head says of each image's grid, (K, side, side)."""

        def logits(place: int, maps: Float32Array) -> Float32Array:
            return np.asarray(self.head.logits(maps[None])[0])

        how: Any = {"open_network": self._engines}
        return streamed(sources, self.backbone, self.record.outputs, self.engine_choice, logits, **how)

    def _whole(self, sources: Sequence[Source]) -> Iterator[_Look]:
        """What the head says of each image, looked at once."""
        for found in self._streamed(sources):
            size = found.reason if found.result is None else try_source(sources, found.place, image_size)
            if isinstance(size, str) or found.result is None:
                yield str(size)
            else:
                yield strips(found.result, self._placed(*size)), size

    def _placed(self, height: int, width: int) -> Placed:
        return Placed.of(self.head.spec.grid, self.backbone.preprocessing, height, width)

    def _tiled(self, tile: int, sources: Sequence[Source]) -> Iterator[_Look]:
        """What the head says of each image's parts."""
        for place in range(len(sources)):
            pixels = try_source(sources, place, decode)
            if isinstance(pixels, str):
                yield pixels
                continue
            height, width = pixels.shape[:2]
            yield blended(self._in_parts(pixels, tile), height, width, tile), (height, width)

    def _counted_in_parts(self, dataset: MaskDataset, tile: int, progress: Progress | None) -> Iterator[MaskCounts]:
        """What each image adds to the figures, looked at part by part."""
        for row, seen in enumerate(self._tiled(tile, dataset.sources())):
            if isinstance(seen, str):
                raise DataError(f"{printable(dataset.paths[row])}: {seen}", hint="run it again")
            yield counted_in(seen[0], dataset, row, self.record.task.deciding)
            if progress is not None:
                progress(row + 1, len(dataset))

    def _in_parts(self, pixels: npt.NDArray[np.uint8], tile: int) -> Iterator[list[tuple[Part, Float32Array]]]:
        """Probabilities of an image's parts, a row of them at a time."""
        stride = max(stage.stride for stage in self.backbone.stages if f"{stage.name}/map" in self.record.outputs)
        step, odd = divmod(stride * tile, self.backbone.preprocessing.size)
        height, width = pixels.shape[:2]
        for row in parts_of(height, width, tile, 1 if odd else step):
            found = self._streamed([part.of(pixels) for part in row])
            yield [(part, self._of_part(part, each)) for part, each in zip(row, found, strict=True)]

    def _of_part(self, part: Part, said: Streamed[Float32Array]) -> Float32Array:
        if said.result is None:
            raise ImageError(f"a part of the image cannot be used: {said.reason}")
        return softmax_of(self._placed(part.bottom - part.top, part.right - part.left)(said.result))
