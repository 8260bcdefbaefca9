"""The sections of a segmenter's page: each function gives from a ``PageContext`` what its template puts into words.

The kit's own sections (``topwork.report.sections``) stand beside them in ``_page``. Masks of a few images are made anew
for their pictures: an evaluation keeps what they add to the figures, and no mask.
"""

from topwork.tasks.segmentation.page._answer import answer, data, use
from topwork.tasks.segmentation.page._drawn import worst
from topwork.tasks.segmentation.page._facts import report_of
from topwork.tasks.segmentation.page._figures import calibration, class_table, folds, metrics, per_class
from topwork.tasks.segmentation.page._objects import counts_of, objects
from topwork.tasks.segmentation.page._sizes import shares, sizes

__all__ = [
    "answer",
    "calibration",
    "class_table",
    "counts_of",
    "data",
    "folds",
    "metrics",
    "objects",
    "per_class",
    "report_of",
    "shares",
    "sizes",
    "use",
    "worst",
]
