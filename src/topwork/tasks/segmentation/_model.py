"""A model that tells which class each pixel of an image is of."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from topwork._arrays import Float32Array
from topwork.backbones import Backbone
from topwork.data import Held, MaskDataset, Source, image_size, read_masks, several, try_source
from topwork.engines import Engines
from topwork.errors import DataError, ModelError
from topwork.features import AT_ONCE, Progress, streamed
from topwork.metrics import Estimate, SegmentationReport, as_percent
from topwork.model import DIGESTS, IMAGES, Kind, Methods, Model, Parts, trained_of
from topwork.tasks.segmentation._card import segmenter_card, segmenter_methods
from topwork.tasks.segmentation._decide import labels_of, semantic, whole
from topwork.tasks.segmentation._evaluated import SegmentationEvaluated, measure
from topwork.tasks.segmentation._found import FoundMask
from topwork.tasks.segmentation._record import SegmentationRecord, SegmenterRecord
from topwork.tasks.segmentation._seen import look
from topwork.tasks.segmentation.network import Placed, SegmentationHead, head_from, strips

_CHUNK = 64  # sources that are looked at together; a few of their maps are in memory at a time


class Segmenter(Model):
    """A trained segmenter.

    Attributes:
        head: Maps of the backbone's stages to what each pixel is.
        trained: uint64, ascending: 8 bytes of a hash of each image that it has learnt from, so that these are known
            again; None where nothing was learnt.
        held_out: What the held-out images said, image by image; it is not saved, so a loaded model has none.
    """

    block: ClassVar[type[SegmentationRecord]] = SegmentationRecord
    kind: ClassVar[Kind] = dataclasses.replace(IMAGES, pipeline="image-segmentation")
    record: SegmenterRecord
    backbone: Backbone

    def __init__(
        self,
        record: SegmenterRecord,
        head: SegmentationHead,
        backbone: Backbone,
        history: Sequence[dict[str, Any]] = (),
        trained: npt.NDArray[np.uint64] | None = None,
        held_out: SegmentationEvaluated | None = None,
    ) -> None:
        super().__init__(record, backbone, history)
        self._engines = Engines(backbone, record.outputs, AT_ONCE)
        self.head = head
        self.trained = trained
        self.held_out = held_out

    @classmethod
    def from_parts(cls, parts: Parts, where: str) -> Self:
        """The segmenter of a folder's contents, checked that they belong together."""
        record: SegmenterRecord = parts.record
        file, tensors = f"{where}/head.safetensors", parts.tensors.get("head")
        if tensors is None:
            raise ModelError(f"{file}: not a readable .safetensors file: it is missing")
        try:
            head = head_from(tensors, record.task.head)
        except ModelError as error:
            raise ModelError(f"{file}: {error.message}", hint=error.hint) from error
        if head.spec.n_classes != len(record.task.classes):
            raise ModelError(
                f"{where}: the head has {head.spec.n_classes} classes, model.json has {len(record.task.classes)}"
            )
        width = sum(map(parts.backbone.width, record.outputs))
        if head.spec.n_features != width:
            raise ModelError(f"{where}: the head reads {head.spec.n_features} features, its outputs give {width}")
        return cls(record, head, parts.backbone, parts.history, trained_of(parts, where))

    def tensors(self) -> Mapping[str, Mapping[str, npt.NDArray[Any]]]:
        """The head's, and the digests of the training images."""
        learnt = {} if self.trained is None else {"training": {DIGESTS: self.trained}}
        return {"head": self.head.to_tensors(), **learnt}

    def card(self, record: SegmenterRecord, name: str) -> str:
        """Classes, figures and limits, beside what every card tells."""
        return segmenter_card(record, name, self.kind)

    def methods(self) -> Methods:
        """Its classes, head, choices and figures too."""
        return segmenter_methods(self.record, len(self.history), self.kind)

    def _facts(self) -> list[tuple[str, str]]:
        names = ", ".join(self.classes[:20]) + (", …" if len(self.classes) > 20 else "")
        found = self.metrics
        figures = [("mean IoU", as_percent(found.iou)), ("mean Dice", as_percent(found.dice))] if found else []
        return [("classes", names), *figures]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the labels."""
        return self.record.task.classes

    @property
    def figure(self) -> Estimate | None:
        """Its mean intersection over union on held-out images."""
        return self.metrics.iou if self.metrics is not None else None

    @property
    def metrics(self) -> SegmentationReport | None:
        """What held-out images said when the model was made; None where none were held out."""
        return self.record.task.report

    def predict_each(self, sources: Iterable[Any], *, threshold: float | None = None) -> Iterator[FoundMask]:
        """Tell the class of each pixel of images, one image at a time.

        Args:
            sources: Images, in a list or whatever gives them: paths, bytes, open files, Pillow's images, arrays and
                tensors (see ``topwork.data.as_source``).
            threshold: Of two classes, the probability from 0 to 1 of the second from which on a pixel is of it; what
                ``fit`` chose when None.

        Returns:
            For each source its mask, in order. One that cannot be used has its reason in ``error``; the others are not
            affected.

        Raises:
            ImageError: ``sources`` is one image rather than several.
            BackboneError: The backbone's weights are not available on this machine.
            DataError: The threshold is none, or there are more than two classes.
        """
        images, start, least = several(sources), 0, self._threshold(threshold)
        while chunk := list(itertools.islice(images, _CHUNK)):
            for place, seen in enumerate(self._whole(Held(chunk))):
                source = chunk[place]
                name = os.fspath(source) if isinstance(source, str | os.PathLike) else f"#{start + place}"
                yield self._told(name, seen, least)
            start += len(chunk)

    def evaluate(
        self,
        data: str | os.PathLike[str] | MaskDataset,
        *,
        seed: int = 0,
        cache: bool = True,
        progress: Progress | None = None,
    ) -> SegmentationEvaluated:
        """Measure the model on images with known masks that it was not trained on.

        Args:
            data: A path as ``fit`` takes it, or a data set with this model's classes. Of data in splits, ``test`` is
                measured, or ``val`` where there is no other.
            seed: Of the bootstrap.
            cache: Whether features are kept on disk.
            progress: Called with (images done, images in all).

        Raises:
            DataError: The classes are not the model's, or no image can be read.
        """
        given = data if isinstance(data, MaskDataset) else read_masks(data, classes=self.classes)
        if given.classes != self.classes:
            raise DataError(
                f"the data set's classes {given.classes} are not the model's {self.classes}",
                hint="read it with read_masks(path, classes=model.classes)",
            )
        split = given.held_out_split
        dataset = given.split(split) if split else given
        how: Any = {"choice": self.engine_choice, "open_network": self._engines, "progress": progress}
        none = len(dataset) == 0
        seen, _ = look(dataset, self.backbone, self.record.outputs, lambda row, maps: None, wanted=lambda row: none, **how)
        if len(seen) == 0:
            raise DataError(f"{dataset.root}: none of the {len(dataset)} images can be read")
        again = not split and given.fingerprint() == self.record.data.fingerprint
        known: Any = {"trained": self.trained, "split": split, "seen_in_training": again, "seed": seed}
        return measure(seen, self.head, self.record.task.deciding, **known, progress=progress)

    def _threshold(self, given: float | None) -> float | None:
        """The probability from which on a pixel is of the second of two classes; None where there are more."""
        if given is None:
            return self.record.task.threshold
        if len(self.classes) != 2:
            raise DataError(f"a threshold is for models of two classes, and this one has {len(self.classes)}")
        if not 0 <= given <= 1:
            raise DataError(f"a threshold is a number from 0 to 1, not {given!r}")
        return given

    def _told(self, name: str, seen: tuple[Float32Array, tuple[int, int]] | str, threshold: float | None) -> FoundMask:
        block = self.record.task
        if isinstance(seen, str):
            return FoundMask(name, classes=self.classes, has_background=block.has_background, error=seen)
        logits, size = seen
        placed = Placed.of(self.head.spec.grid, self.backbone.preprocessing, *size)
        how: Any = {"classes": self.classes, "has_background": block.has_background}
        if block.deciding.splitting is None:
            labels = labels_of(strips(logits, placed), len(self.classes), *size, threshold)
            return FoundMask(name, labels, **how)
        probabilities = whole(strips(logits, placed))
        deciding = dataclasses.replace(block.deciding, threshold=threshold)
        objects = deciding.objects(probabilities, has_background=block.has_background)
        return FoundMask(name, deciding.labels(semantic(probabilities, len(self.classes))), objects=objects, **how)

    def _whole(self, sources: Sequence[Source]) -> Iterator[tuple[Float32Array, tuple[int, int]] | str]:
        """What the head says of each image, looked at once, and its height and width; or why it cannot be used."""
        how: Any = {"open_network": self._engines}
        then = lambda place, maps: self.head.logits(maps[None])[0]  # noqa: E731
        for found in streamed(sources, self.backbone, self.record.outputs, self.engine_choice, then, **how):
            if found.result is None:
                yield found.reason
                continue
            size = try_source(sources, found.index, image_size)
            yield size if isinstance(size, str) else (found.result, size)
