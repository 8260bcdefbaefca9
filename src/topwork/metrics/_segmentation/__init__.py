"""The figures of a segmentation: what every pixel was said to be beside what it is. Masks in, numbers out."""

from ._counts import MaskCounts, mask_counts
from ._report import (
    MaskClassReport,
    ObjectMaskReport,
    ObjectsReport,
    PixelCalibration,
    SegmentationReport,
    segmentation_report,
)

__all__ = [
    "MaskClassReport",
    "MaskCounts",
    "ObjectMaskReport",
    "ObjectsReport",
    "PixelCalibration",
    "SegmentationReport",
    "mask_counts",
    "segmentation_report",
]
