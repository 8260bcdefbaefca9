"""From what a strategy gave to a measured detector: one record, one model; and what the models of k folds say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from topwork.advising import training_rows
from topwork.data import printable
from topwork.errors import DataError
from topwork.metrics import DetectionThresholds, detection_report, detection_thresholds, mean_of_folds
from topwork.tasks._task import RecordOf
from topwork.tasks.detection._evaluated import DetectionEvaluated, measure
from topwork.tasks.detection._model import Detector
from topwork.tasks.detection._record import DetectionRecord, FoldRecord, FoldsRecord
from topwork.tasks.detection._thresholds import ThresholdOptions

if TYPE_CHECKING:
    from topwork.tasks.detection.strategies import Fitted

DEFAULT_THRESHOLD = 0.3  # the score from which on an object is told of, where no image was there to choose it on


def model_of(
    fitted: Fitted, record_of: RecordOf, split: str, seed: int, decision: ThresholdOptions | None = None
) -> Detector:
    """A detector with what its held-out images say of it; ``Task.model_of`` tells the arguments.

    Raises:
        DataError: None of the images that are to measure the model can be read.
    """
    dataset, trained = fitted.table.dataset, _trained(fitted)
    chosen = _chosen(fitted, decision or ThresholdOptions(), seed)
    thresholds = chosen.values if chosen else (DEFAULT_THRESHOLD,) * len(dataset.classes)
    found: DetectionEvaluated | None = None
    if split:
        table = fitted.table.split(split)
        if len(table) == 0:
            raise _unmeasured(fitted, split)
        found = measure(table, fitted.head, thresholds=thresholds, trained=trained, split=split, seed=seed)
    train = dataset.split("train")
    block = DetectionRecord(
        name="detection",
        classes=dataset.classes,
        training=tuple(train.class_counts().tolist()),
        empty=int((train.counts == 0).sum()),
        head=fitted.head.spec.to_dict(),
        thresholds=thresholds,
        choice=chosen.to_dict() if chosen else None,
        metrics=found.report.to_dict() if found else None,
        operating=found.operating.to_dict() if found else None,
    )
    history = [epoch.model_dump() for epoch in fitted.history]
    return Detector(record_of(block), fitted.head, fitted.table.backbone, history, trained, found)


def _chosen(fitted: Fitted, options: ThresholdOptions, seed: int) -> DetectionThresholds | None:
    """Each class's threshold on images that the head has not learnt from; None where these show no object."""
    judged = fitted.validation
    truth = judged.dataset.all_boxes()
    if all(boxes.crowd.all() for boxes in truth):
        return None
    return detection_thresholds(truth, judged.found, judged.dataset.classes, recall=options.recall, seed=seed)


def _trained(fitted: Fitted) -> npt.NDArray[np.uint64] | None:
    """Digests of the images that the model has learnt from, those that told when to stop included."""
    rows = np.union1d(training_rows(fitted.table), fitted.validation.rows)
    digests = fitted.table.digests
    return None if digests is None else np.unique(digests[rows])


def _unmeasured(fitted: Fitted, split: str) -> DataError:
    lost = fitted.table.dataset.left_out
    return DataError(
        f"none of the test images ({split}) can be read",
        hint=f"left out: {printable(lost[0].path)}: {lost[0].reason}" if lost else "",
    )


def folds_of(models: Sequence[Detector], split: Literal["all", "train"], seed: int) -> dict[str, Any]:
    """Fields of the block; ``Task.folds_of`` tells the arguments."""
    found = [model.held_out for model in models if model.held_out is not None]
    folds = [_fold(model) for model in models]
    truth = [boxes for each in found for boxes in each.dataset.all_boxes()]
    detections = [one for each in found for one in each.detections]
    pooled = detection_report(truth, detections, models[0].classes, seed=seed)
    sizes = {"trained": min(fold.training for fold in folds), "measured": max(fold.images for fold in folds)}
    figures = {}
    for name in ("ap50", "ap"):
        whole = getattr(pooled, name)
        values = [getattr(fold, name) for fold in folds]
        figures[name] = mean_of_folds(values, (whole.low, whole.high), **sizes)
    return {"folds": FoldsRecord(split=split, folds=tuple(folds), **figures)}


def _fold(model: Detector) -> FoldRecord:
    found = model.metrics
    assert found is not None
    return FoldRecord(
        training=model.record.data.training,
        images=found.images,
        strategy=model.record.strategy,
        **{name: each.value if (each := getattr(found, name)) else 0.0 for name in ("ap50", "ap")},
    )
