"""Two detectors on the same images."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from topwork.data import BoxDataset, read_boxes
from topwork.errors import DataError
from topwork.features import Progress
from topwork.metrics import DetectionComparison, compare_detections
from topwork.tasks.detection._evaluated import DetectionEvaluated
from topwork.tasks.detection._model import Detector


@dataclass(frozen=True)
class DetectionCompared:
    """Two detectors' evaluations on the same images, and their difference on the same resamples of these."""

    first: DetectionEvaluated
    second: DetectionEvaluated
    comparison: DetectionComparison


def compare(
    first: Detector,
    second: Detector,
    dataset: BoxDataset,
    *,
    seed: int = 0,
    cache: bool = True,
    progress: Progress | None = None,
) -> DetectionCompared:
    """Measure two detectors on the same images and tell whether one is better or it may be chance.

    Args:
        first: Its order of the classes counts; the second may have another.
        second: Of the same classes.
        dataset: With the first model's classes.
        seed: Of the bootstrap.
        cache: Whether features are kept on disk.
        progress: Called with (images done, images in all), for each model.

    Raises:
        DataError: The models do not have the same classes, or an image changed during the run.
    """
    if set(first.classes) != set(second.classes):
        odd = sorted(set(first.classes) ^ set(second.classes))[:3]
        raise DataError(
            f"the two models do not have the same classes: {', '.join(map(repr, odd))} are in only one of them",
            hint="compare models of the same classes, or evaluate each by itself",
        )
    one = first.evaluate(dataset, seed=seed, cache=cache, progress=progress)
    other = second.evaluate(read_boxes(dataset, classes=second.classes), seed=seed, cache=cache, progress=progress)
    if one.dataset.paths != other.dataset.paths:
        raise DataError("an image changed during the run", hint="run it again")
    order = np.array([first.classes.index(name) for name in second.classes], np.int32)
    found = [replace(each, labels=order[each.labels]) for each in other.detections]
    truth, count = one.dataset.all_boxes(), len(first.classes)
    compared = compare_detections(truth, one.detections, found, count, seed=seed)
    return DetectionCompared(one, other, compared)
