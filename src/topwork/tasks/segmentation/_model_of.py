"""From what a strategy gave to a measured segmenter: one record, one model; and what the models of k folds say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from topwork.data import MaskDataset, printable
from topwork.errors import DataError
from topwork.metrics import mean_of_folds, segmentation_report
from topwork.tasks._task import RecordOf
from topwork.tasks.segmentation._evaluated import SegmentationEvaluated, measure
from topwork.tasks.segmentation._model import Segmenter
from topwork.tasks.segmentation._record import FoldRecord, FoldsRecord, SegmentationRecord

if TYPE_CHECKING:
    from topwork.tasks.segmentation.strategies import Fitted


def model_of(fitted: Fitted, record_of: RecordOf, split: str, seed: int) -> Segmenter:
    """A segmenter with what its held-out images say of it; ``Task.model_of`` tells the arguments.

    Raises:
        DataError: None of the images that are to measure the model can be read.
    """
    dataset: MaskDataset = fitted.table.dataset
    trained, deciding = _trained(fitted), fitted.deciding
    found: SegmentationEvaluated | None = None
    if split:
        table = fitted.table.split(split)
        if len(table) == 0:
            raise _unmeasured(fitted, split)
        found = measure(table, fitted.head, deciding, trained=trained, split=split, seed=seed)
    train: MaskDataset = dataset.split("train")
    pixels = train.pixels.sum(axis=0).tolist()
    block = SegmentationRecord(
        name="segmentation",
        classes=dataset.classes,
        has_background=dataset.has_background,
        training=tuple(pixels[:-1]),
        unlabelled=pixels[-1],
        objects=int(train.objects.sum()) if train.tells_objects else None,
        head=fitted.head.spec.to_dict(),
        threshold=deciding.threshold,
        splitting=deciding.splitting.to_dict() if deciding.splitting else None,
        metrics=found.report.to_dict() if found else None,
    )
    history = [epoch.model_dump() for epoch in fitted.history]
    return Segmenter(record_of(block), fitted.head, fitted.table.backbone, history, trained, found)


def _trained(fitted: Fitted) -> npt.NDArray[np.uint64]:
    """Digests of the images that the model has learnt from, those that chose among heads included."""
    judges = fitted.validation.rows if fitted.validation else np.zeros(0, np.intp)
    learnt = np.flatnonzero(fitted.table.dataset.splits == "train")
    return np.unique(fitted.table.digests[np.union1d(learnt, judges)])


def _unmeasured(fitted: Fitted, split: str) -> DataError:
    lost = fitted.table.dataset.left_out
    return DataError(
        f"none of the test images ({split}) can be read",
        hint=f"left out: {printable(lost[0].path)}: {lost[0].reason}" if lost else "",
    )


def folds_of(models: Sequence[Segmenter], split: Literal["all", "train"], seed: int) -> dict[str, Any]:
    """Fields of the block; ``Task.folds_of`` tells the arguments."""
    found = [model.held_out for model in models if model.held_out is not None]
    folds = [_fold(model) for model in models]
    counts, data = [one for each in found for one in each.counts], found[0].dataset
    whole = segmentation_report(counts, data.classes, has_background=data.has_background, seed=seed).iou
    between = (0.0, 0.0) if whole is None else (whole.low, whole.high)
    sizes = {"trained": min(fold.training for fold in folds), "measured": max(fold.images for fold in folds)}
    iou = mean_of_folds([fold.iou for fold in folds], between, **sizes)
    return {"folds": FoldsRecord(split=split, folds=tuple(folds), iou=iou)}


def _fold(model: Segmenter) -> FoldRecord:
    found = model.metrics
    assert found is not None
    return FoldRecord(
        training=model.record.data.training,
        images=found.images,
        strategy=model.record.strategy,
        iou=found.iou.value if found.iou else 0.0,
    )
