"""What images with known boxes say of a detector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.backbones import Preprocessing
from topwork.data import BoxDataset, LeftOut
from topwork.features import FeatureTable
from topwork.metrics import DetectionReport, Detections, OperatingReport, at_thresholds, detection_report
from topwork.tasks.detection.network import AnyHead, Decoding, in_image

CHUNK = 64  # images whose maps are in memory at a time: 35 MB of Lite0's at 320 pixels


@dataclass(frozen=True, eq=False)
class DetectionEvaluated:
    """What an evaluation gave.

    Attributes:
        report: The figures with their intervals.
        operating: What the model's thresholds give: what it finds, misses and invents.
        split: The split of the data that was measured; empty where the data has none.
        seen_in_training: Whether the model was made from these data, or from some of these images, so that the figures
            are better than it is.
        dataset: The images that were measured, row by row; under ``left_out`` those that could not be read and count in
            no figure.
        detections: What the model finds in each, down to the lowest scores.
        trained: How many of them the model was made from, byte for byte; None where it cannot tell.
    """

    report: DetectionReport
    operating: OperatingReport
    split: str
    seen_in_training: bool
    dataset: BoxDataset
    detections: tuple[Detections, ...]
    trained: int | None = None

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Images that could not be read."""
        return self.dataset.left_out


def detected(
    features: npt.NDArray[np.float32],
    head: AnyHead,
    preprocessing: Preprocessing,
    sizes: npt.NDArray[Any],
    decoding: Decoding | None = None,
) -> Iterator[Detections]:
    """What a head finds in images, in pixels of each.

    Args:
        features: (N, D) float32, in the columns that the head reads.
        head: Features to what is at each place.
        preprocessing: How each image became the square that the features are of.
        sizes: (N, 2), height and width of each image.
        decoding: Which detections are given; down to the lowest scores when None.
    """
    for start in range(0, len(features), CHUNK):
        found = head.detect(np.ascontiguousarray(features[start : start + CHUNK]), decoding)
        for each, (height, width) in zip(found, sizes[start : start + CHUNK].tolist(), strict=True):
            yield in_image(each, preprocessing, height, width)


def measure(
    table: FeatureTable,
    head: AnyHead,
    *,
    thresholds: Sequence[float],
    trained: npt.NDArray[np.uint64] | None = None,
    split: str = "",
    seen_in_training: bool = False,
    seed: int = 0,
) -> DetectionEvaluated:
    """Measure a head on features of images with known boxes, in the columns that it reads.

    Args:
        table: One row or more.
        head: Of the table's classes.
        thresholds: Score of each class from which on an object is told of.
        trained: Digests of the images that the head has learnt from, ascending.
        split: What the images are to be called.
        seen_in_training: Whether the model is known to be made from them.
        seed: Of the bootstrap.
    """
    dataset: BoxDataset = table.dataset
    found = tuple(detected(table.values, head, table.backbone.preprocessing, dataset.sizes))
    overlap = None if trained is None or table.digests is None else int(np.isin(table.digests, trained).sum())
    truth, classes = dataset.all_boxes(), dataset.classes
    report = detection_report(truth, found, classes, seed=seed)
    operating = at_thresholds(truth, found, classes, thresholds, seed=seed)
    return DetectionEvaluated(report, operating, split, seen_in_training or bool(overlap), dataset, found, overlap)
