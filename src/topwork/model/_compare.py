"""Two models on the same labelled images."""

from __future__ import annotations

from dataclasses import dataclass

from topwork.data import ImageDataset
from topwork.errors import DataError
from topwork.features import Progress
from topwork.metrics import Comparison
from topwork.metrics import compare as compare_answers
from topwork.model._model import Model
from topwork.model._results import Evaluated


@dataclass(frozen=True)
class Compared:
    """Two models' evaluations on the same images, and the comparison image by image."""

    first: Evaluated
    second: Evaluated
    comparison: Comparison


def compare(
    first: Model,
    second: Model,
    dataset: ImageDataset,
    *,
    seed: int = 0,
    cache: bool = True,
    progress: Progress | None = None,
) -> Compared:
    """Measure two models on the same images and tell whether one is better or it may be chance.

    Args:
        first: Its order of the classes counts; the second may have another.
        second: Of the same classes.
        dataset: With the first model's classes, as for ``Model.evaluate``.
        seed: Of the bootstrap.
        cache: Whether features are kept on disk.
        progress: Called with (images done, images in all), for each model.

    Raises:
        DataError: The models do not have the same classes, or an image changed while it was read.
    """
    if set(first.classes) != set(second.classes):
        odd = sorted(set(first.classes) ^ set(second.classes))[:3]
        raise DataError(
            f"the two models do not have the same classes: {', '.join(map(repr, odd))} are in one alone",
            hint="compare models of the same classes, or evaluate each by itself",
        )
    order = [second.classes.index(name) for name in first.classes]
    one = first.evaluate(dataset, seed=seed, cache=cache, progress=progress)
    other = second.evaluate(dataset.relabelled(second.classes), seed=seed, cache=cache, progress=progress)
    if one.dataset.paths != other.dataset.paths:
        raise DataError("an image changed while it was read", hint="run it again")
    found = compare_answers(one.probabilities, other.probabilities[:, order], one.dataset.labels, seed=seed)
    return Compared(one, other, found)
