"""Detection: which objects are in an image, and where. In: images with boxes. Out: a ``Detector``.

``TASK`` is what the rest of the house knows of this room.
"""

from __future__ import annotations

from typing import Any

from topwork.data import Source, looks_like_boxes, read_boxes
from topwork.tasks._task import Sample, Task, later
from topwork.tasks.detection._blocking import BLOCKING
from topwork.tasks.detection._found import FoundObject, FoundObjects
from topwork.tasks.detection._load import load
from topwork.tasks.detection._model import Detector
from topwork.tasks.detection._thresholds import ThresholdOptions
from topwork.tasks.detection._words import WORDS

__all__ = ["TASK", "Detector", "FoundObject", "FoundObjects"]


def _model_of(*args: Any) -> Detector:
    from topwork.tasks.detection._model_of import model_of

    return model_of(*args)


def _folds_of(*args: Any) -> dict[str, Any]:
    from topwork.tasks.detection._model_of import folds_of

    return folds_of(*args)


def _sample() -> Sample:
    from topwork.tasks.detection._sample import sample

    return sample()


def _compare(*args: Any, **how: Any) -> Any:
    from topwork.tasks.detection._compared import compare

    return compare(*args, **how)


def _drawn(found: FoundObjects, source: Source) -> Any:
    from topwork.tasks.detection._drawn import drawn

    return drawn(found, source)


def _evidence(model: Detector, **how: Any) -> Any:
    from topwork.tasks.detection.explain import Explain

    return Explain(model, **how)


TASK = Task(
    name="detection",
    read=read_boxes,
    checks=later("topwork.tasks.detection.checks:CHECKS"),
    quick_checks=later("topwork.tasks.detection.checks:QUICK_CHECKS"),
    strategies=later("topwork.tasks.detection._strategies:STRATEGIES"),
    model=Detector,
    load=load,
    model_of=_model_of,
    decision=ThresholdOptions,
    sections=later("topwork.tasks.detection._page:SECTIONS"),
    words=WORDS,
    folds_of=_folds_of,
    figures=later("topwork.tasks.detection._figures:FIGURES"),
    blocking=BLOCKING,
    examination=later("topwork.tasks.detection.checks:BOXES"),
    told_by=looks_like_boxes,
    sample=_sample,
    compare=_compare,
    drawn=_drawn,
    evidence=_evidence,
    exported=later("topwork.tasks.detection._exported:EXPORTED"),
    served=later("topwork.tasks.detection._served:DetectorServing"),
)
"""What the rest of the house knows of detection."""
