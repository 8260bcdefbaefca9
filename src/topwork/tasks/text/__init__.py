"""Text: which of several classes a text is of. In: texts with a class each. Out: a ``TextClassifier``.

``TASK`` is what the rest of the house knows of this room.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from topwork.backbones import DEFAULT_TEXT
from topwork.data import TEXT_SUFFIXES, looks_like_texts, read_texts, text_of, text_rows
from topwork.model import compare
from topwork.tasks._classes._decision import DecisionOptions
from topwork.tasks._classes._folds import folds_of
from topwork.tasks._classes._words import WORDS
from topwork.tasks._task import Sample, Task, Written, later
from topwork.tasks.text._load import load
from topwork.tasks.text._model import TextClassifier

__all__ = ["TASK", "TextClassifier"]


def _model_of(*args: Any) -> Any:
    from topwork.tasks._classes._model_of import model_of

    return model_of(*args, task="text", kind=TextClassifier)


def _sample() -> Sample:
    from topwork.tasks.text._sample import sample

    return sample()


def _explain(*args: Any, **how: Any) -> Iterator[Any]:
    from topwork.tasks.text.explain import explain

    return explain(*args, **how)


TASK = Task(
    name="text",
    read=read_texts,
    checks=later("topwork.tasks.text.checks:CHECKS"),
    quick_checks=later("topwork.tasks.text.checks:QUICK_CHECKS"),
    strategies=later("topwork.tasks.text._strategies:STRATEGIES"),
    model=TextClassifier,
    model_of=_model_of,
    decision=DecisionOptions,
    sections=later("topwork.tasks.text._page:SECTIONS"),
    words=WORDS,
    folds_of=folds_of,
    figures=later("topwork.report.figures:FIGURES"),
    examination=later("topwork.tasks.text.checks:TEXTS"),
    backbone=DEFAULT_TEXT,
    load=load,
    told_by=looks_like_texts,
    written=Written("text", text_rows, TEXT_SUFFIXES, text_of),
    sample=_sample,
    compare=compare,
    exported=later("topwork.tasks._classes._exported:EXPORTED"),
    served=later("topwork.tasks._classes._served:ClassServing"),
    explain=_explain,
)
