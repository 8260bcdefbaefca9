"""The figures of a segmentation: what every pixel was said to be beside what it is. Masks in, numbers out."""

from ._comparison import SegmentationComparison, compare_segmentations
from ._counts import MaskCounts, mask_counts
from ._report import (
    MaskClassReport,
    ObjectMaskReport,
    ObjectsReport,
    PixelCalibration,
    SegmentationReport,
    segmentation_report,
)
from ._threshold import MaskThreshold, mask_threshold
from ._worst import WorstMask, worst_masks

__all__ = [
    "MaskClassReport",
    "MaskCounts",
    "MaskThreshold",
    "ObjectMaskReport",
    "ObjectsReport",
    "PixelCalibration",
    "SegmentationComparison",
    "SegmentationReport",
    "WorstMask",
    "compare_segmentations",
    "mask_counts",
    "mask_threshold",
    "segmentation_report",
    "worst_masks",
]
