"""Classification: which of several classes an image shows. In: images in class folders. Out: a ``Classifier``.

``TASK`` is what the rest of the house knows of this room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from topwork.data import read
from topwork.model import Classifier, compare
from topwork.tasks._classes._decision import DecisionOptions
from topwork.tasks._classes._folds import folds_of
from topwork.tasks._classes._words import WORDS
from topwork.tasks._task import Sample, Task, later
from topwork.tasks.classification._from_words import from_words
from topwork.tasks.classification._sample import sample_folder

if TYPE_CHECKING:
    from topwork.backbones import Backbone
    from topwork.features import Source

__all__ = ["TASK", "from_words", "sample_folder"]


def _model_of(*args: Any) -> Classifier:
    from topwork.tasks._classes._model_of import model_of

    return model_of(*args, task="classification")


def _untrained(backbone: Backbone) -> Callable[[Sequence[Source]], Iterator[Any]]:
    from topwork.tasks.classification.strategies import OwnClasses

    return OwnClasses(backbone).top


def _transfer(*args: Any, **how: Any) -> Any:
    from topwork.tasks.classification._transfer import transfer

    return transfer(*args, **how)


def _sample() -> Sample:
    from topwork.tasks.classification._sample import sample

    return sample()


TASK = Task(
    name="classification",
    read=read,
    checks=later("topwork.checking:FULL_CHECKS"),
    quick_checks=later("topwork.checking:QUICK_CHECKS"),
    strategies=later("topwork.tasks.classification._strategies:STRATEGIES"),
    model=Classifier,
    model_of=_model_of,
    decision=DecisionOptions,
    sections=later("topwork.tasks.classification._page:SECTIONS"),
    words=WORDS,
    folds_of=folds_of,
    figures=later("topwork.report.figures:FIGURES"),
    untrained=_untrained,
    transfer=_transfer,
    sample=_sample,
    compare=compare,
    exported=later("topwork.tasks._classes._exported:EXPORTED"),
    served=later("topwork.tasks._classes._served:ClassServing"),
)
