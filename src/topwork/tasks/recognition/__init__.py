"""Recognition: who or which one is it. In: images by identity. Out: a ``Recognizer`` with a gallery that grows.

``TASK`` is what the rest of the house knows of this room.
"""

from __future__ import annotations

from typing import Any

from topwork.tasks._task import Task, later
from topwork.tasks.recognition._answers import Enrolled, Grouped, Identified, Verified
from topwork.tasks.recognition._model import Recognizer
from topwork.tasks.recognition._split import hold_out, read_identities
from topwork.tasks.recognition._words import WORDS

__all__ = ["TASK", "Enrolled", "Grouped", "Identified", "Recognizer", "Verified"]


def _model_of(*args: Any) -> Recognizer:
    from topwork.tasks.recognition._model_of import model_of

    return model_of(*args)


TASK = Task(
    name="recognition",
    read=read_identities,
    alike="classification",
    split=hold_out,
    checks=later("topwork.tasks.recognition.checks:CHECKS"),
    quick_checks=later("topwork.tasks.recognition.checks:QUICK_CHECKS"),
    strategies=later("topwork.tasks.recognition._strategies:STRATEGIES"),
    model=Recognizer,
    model_of=_model_of,
    sections=later("topwork.tasks.recognition._page:SECTIONS"),
    words=WORDS,
    exported=later("topwork.tasks.recognition._exported:EXPORTED"),
    served=later("topwork.tasks.recognition._served:RecognizerServing"),
    blocking=("group-in-two-splits", "label-conflicts", "leakage", "identity-in-two-splits"),
)
