"""The figures of a segmentation: what every pixel was said to be beside what it is. Masks in, numbers out."""

from ._comparison import SegmentationComparison, compare_segmentations
from ._counts import MaskCounts, PixelConfidences, mask_counts
from ._objects import ObjectCounts, ObjectMatches, match_objects
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
    "ObjectCounts",
    "ObjectMaskReport",
    "ObjectMatches",
    "ObjectsReport",
    "PixelCalibration",
    "PixelConfidences",
    "SegmentationComparison",
    "SegmentationReport",
    "WorstMask",
    "compare_segmentations",
    "mask_counts",
    "mask_threshold",
    "match_objects",
    "segmentation_report",
    "worst_masks",
]
