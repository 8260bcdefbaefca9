"""What a segmenter without a network might have said of drawn images: for pages."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.tasks.segmentation.made import drawn
from topwork._arrays import UInt8Array
from topwork.backbones import load
from topwork.data import MaskDataset, decode, read_masks
from topwork.engines import EngineChoice
from topwork.metrics import mask_counts, segmentation_report
from topwork.model import DataRecord, EngineRecord
from topwork.tasks.segmentation import FoundMask, Segmenter
from topwork.tasks.segmentation._evaluated import SegmentationEvaluated
from topwork.tasks.segmentation._record import SegmentationRecord, SegmenterRecord

NAMES = ("background", "원반", "<b>square</b>")
SIDE = 96


def scenes(folder: Path, images: int = 12, *, objects: bool = False) -> MaskDataset:
    """Images of discs and squares in three classes; or of discs alone, told apart."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for place in range(images):
        image, mask = drawn(place, SIDE)
        told = numbered(mask) if objects else mask
        Image.fromarray(image).save(folder / "images" / f"{place:02}.png")
        Image.fromarray(told).save(folder / "masks" / f"{place:02}.png")
    if objects:
        return read_masks(folder)
    (folder / "classes.txt").write_text("\n".join(NAMES) + "\n", "utf-8")
    return read_masks(folder)


def numbered(mask: UInt8Array) -> Any:
    from scipy import ndimage

    return ndimage.label(mask > 0)[0].astype(np.uint16)


def said_of(dataset: MaskDataset, row: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Labels as they are, but moved to the right by as many pixels as the row has, and the objects."""
    mask, moved = dataset.mask(row), row % 6
    labels = np.roll(mask.labels, moved, axis=1).astype(np.uint8)
    if len(dataset.classes) > 2 and row % 4 == 3:
        labels[labels == 2] = 1
    return labels, None if mask.objects is None else np.roll(mask.objects, moved, axis=1)


def evaluated(dataset: MaskDataset) -> SegmentationEvaluated:
    counts, classes = [], len(dataset.classes)
    for row in range(len(dataset)):
        labels, objects = said_of(dataset, row)
        sure = 0.9 - 0.02 * row
        told = np.where(np.arange(classes)[:, None, None] == labels, sure, (1 - sure) / (classes - 1))
        how: Any = {"has_background": dataset.has_background, "objects": objects}
        counts.append(mask_counts(dataset.mask(row), labels, classes, probabilities=told.astype(np.float32), **how))
    report = segmentation_report(counts, dataset.classes, has_background=dataset.has_background, resamples=50)
    return SegmentationEvaluated(report, "test", False, dataset, tuple(counts))


class Told(Segmenter):
    """It says what ``said_of`` says of the images of a data set, and has no network."""

    def __init__(self, record: SegmenterRecord, dataset: MaskDataset | None) -> None:
        head: Any = None
        super().__init__(record, head, load("lite0"))
        self.told = dataset

    def predict_each(self, sources: Iterable[Any], *, certainty: bool = False, **options: Any) -> Iterator[FoundMask]:
        """It is sure of all but the first eight rows."""
        for source in sources:
            found = self._found(source)
            sure = np.full(found.size, 255, np.uint8)
            sure[:8] = 0
            yield dataclasses.replace(found, certainty=sure if certainty else None)

    def _found(self, source: Any) -> FoundMask:
        assert self.told is not None
        row = [self.told.full_path(each) for each in range(len(self.told))].index(source)
        labels, objects = said_of(self.told, row)
        assert decode(source).shape[:2] == labels.shape
        return FoundMask(str(source), labels, self.told.classes, objects=objects, tells_objects=objects is not None)


def segmenter(found: SegmentationEvaluated | None, dataset: MaskDataset, **changes: Any) -> Segmenter:
    """Its head is nobody's: a page asks it for masks alone."""
    task = SegmentationRecord(
        name="segmentation",
        classes=dataset.classes,
        has_background=dataset.has_background,
        training=tuple(dataset.pixels[:, :-1].sum(axis=0).tolist()),
        objects=int(dataset.objects.sum()) if dataset.tells_objects else None,
        head={"kind": "pixel"},
        metrics=found.report.to_dict() if found else None,
    )
    record = SegmenterRecord(
        task=task,
        strategy="probe",
        backbone=load("lite0").to_dict(),
        outputs=("blocks.2/map",),
        engine=EngineRecord(**dataclasses.asdict(EngineChoice("openvino", "f32"))),
        head="pixel",
        cross_validation={},
        trials=(),
        data=DataRecord(
            fingerprint="f" * 64,
            training=60,
            held_out=found.report.images if found else 0,
            held_out_split="test" if found else "",
            left_out=0,
            notes=(),
        ),
        seed=0,
        versions={"topwork": "0.1"},
        created="2026-11-29T12:00:00+00:00",
    ).model_copy(update=changes)
    return Told(record, dataset)
