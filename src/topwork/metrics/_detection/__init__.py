"""The figures of a detector: what was found beside what is there. Boxes in, numbers out."""

from ._boxes import Objects, overlaps
from ._comparison import DetectionComparison, compare_detections
from ._curves import PrecisionRecallCurve, ScoreCalibration, precision_recall_curves, score_calibration
from ._kinds import ErrorKind, ErrorReport, error_report
from ._precision import average_precision50, average_precision50_resampled, average_precision_of_boxes
from ._report import DetectionReport, ObjectClassReport, detection_report
from ._table import ClassTable, class_table
from ._thresholds import DetectionThresholds, OperatingPoint, OperatingReport, at_thresholds, detection_thresholds
from ._worst import Invention, Miss, worst_inventions, worst_misses

__all__ = [
    "ClassTable",
    "DetectionComparison",
    "DetectionReport",
    "DetectionThresholds",
    "ErrorKind",
    "ErrorReport",
    "Invention",
    "Miss",
    "ObjectClassReport",
    "Objects",
    "OperatingPoint",
    "OperatingReport",
    "PrecisionRecallCurve",
    "ScoreCalibration",
    "at_thresholds",
    "average_precision50",
    "average_precision50_resampled",
    "average_precision_of_boxes",
    "class_table",
    "compare_detections",
    "detection_report",
    "detection_thresholds",
    "error_report",
    "overlaps",
    "precision_recall_curves",
    "score_calibration",
    "worst_inventions",
    "worst_misses",
]
