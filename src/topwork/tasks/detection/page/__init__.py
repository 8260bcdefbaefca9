"""The sections of a detector's page: each function gives from a ``PageContext`` what its template puts into words.

The kit's own sections (``topwork.report.sections``) stand beside them in ``_page``; boxes of the data have a solid
line, those of the model a dashed one.
"""

from topwork.tasks.detection.page._answer import answer, data, use
from topwork.tasks.detection.page._drawn import inventions, misses
from topwork.tasks.detection.page._figures import class_table, curves, errors, folds, metrics, per_class, sizes

__all__ = [
    "answer",
    "class_table",
    "curves",
    "data",
    "errors",
    "folds",
    "inventions",
    "metrics",
    "misses",
    "per_class",
    "sizes",
    "use",
]
