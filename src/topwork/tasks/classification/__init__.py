"""Classification: which of several classes an image shows. In: images in class folders. Out: a ``Classifier``.

``TASK`` is what the rest of the house knows of this room.
"""

from topwork.checking import FULL_CHECKS, QUICK_CHECKS
from topwork.data import ImageDataset, read, split
from topwork.model import Classifier
from topwork.report import figures
from topwork.tasks._task import Task
from topwork.tasks.classification._decision import DecisionOptions
from topwork.tasks.classification._folds import folds_of
from topwork.tasks.classification._from_words import from_words
from topwork.tasks.classification._model_of import model_of
from topwork.tasks.classification._page import SECTIONS
from topwork.tasks.classification._strategies import STRATEGIES
from topwork.tasks.classification._transfer import transfer
from topwork.tasks.classification._words import WORDS
from topwork.tasks.classification.strategies import OwnClasses

__all__ = ["TASK", "from_words"]


def _split(dataset: ImageDataset, share: float, seed: int) -> ImageDataset:
    return split(dataset, test=share, seed=seed)


TASK = Task(
    name="classification",
    read=read,
    split=_split,
    checks=FULL_CHECKS,
    quick_checks=QUICK_CHECKS,
    strategies=STRATEGIES,
    model=Classifier,
    model_of=model_of,
    decision=DecisionOptions,
    sections=SECTIONS,
    words=WORDS,
    folds_of=folds_of,
    figures=figures.FIGURES,
    untrained=lambda backbone: OwnClasses(backbone).top,
    transfer=transfer,
)
