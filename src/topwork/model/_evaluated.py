"""What labelled images say of a classifier: its evaluation, and the comparison of two of them on the same images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from topwork.data import ImageDataset, LeftOut
from topwork.errors import DataError
from topwork.features import FeatureTable, Progress
from topwork.heads import Head, Novelty
from topwork.metrics import (
    Comparison,
    Evaluation,
    SelectiveReport,
    Shift,
    evaluate,
    selective_reports,
    shift,
    typicality,
)
from topwork.metrics import compare as compare_predictions
from topwork.model._classes_record import SelectiveRecord

if TYPE_CHECKING:
    from topwork.model._classifier import Classifier

_MAPPED = 1_000  # images whose features an evaluation keeps


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What an evaluation gave.

    Attributes:
        evaluation: The metrics with their intervals.
        split: The split of the data that was measured; empty where the data has none.
        seen_in_training: Whether the model was made from these data, or from some of these images, so that the figures
            are better than it is.
        dataset: The images that were measured, row by row; under ``left_out`` those that could not be read and count in
            no metric.
        probabilities: (N, C) float32, what the model said of them.
        shift: Whether they are like the training images; None where the model cannot tell.
        selective: What its thresholds gave, level by level; empty where it has none.
        features: What the head read of them, of very many of some; None where that was not kept.
        trained: How many of them the model was made from, byte for byte; None where it cannot tell.
    """

    evaluation: Evaluation
    split: str
    seen_in_training: bool
    dataset: ImageDataset
    probabilities: npt.NDArray[np.float32]
    shift: Shift | None = None
    selective: tuple[SelectiveReport, ...] = ()
    features: FeatureTable | None = None
    trained: int | None = None

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Images that could not be read."""
        return self.dataset.left_out


def measure(
    table: FeatureTable,
    head: Head,
    *,
    novelty: Novelty | None = None,
    trained: npt.NDArray[np.uint64] | None = None,
    selective: SelectiveRecord | None = None,
    split: str = "",
    seen_in_training: bool = False,
    seed: int = 0,
) -> Evaluated:
    """Measure a head on features of labelled images, in the columns that it reads.

    Args:
        table: One row or more.
        head: Features to probabilities of the table's classes.
        novelty: What tells images that are unlike the training images.
        trained: Digests of the images that the head has learnt from, ascending.
        selective: Thresholds whose promises are tried.
        split: What the images are to be called.
        seen_in_training: Whether the model is known to be made from them.
        seed: Of the bootstrap.

    Raises:
        DataError: The head's probabilities are not finite.
    """
    labels, probabilities = table.dataset.labels, head.probabilities(table.values)
    found = evaluate(probabilities, labels, table.dataset.classes, before_scaling=_uncalibrated(head, table), seed=seed)
    overlap = None if trained is None or table.digests is None else int(np.isin(table.digests, trained).sum())
    return Evaluated(
        evaluation=found,
        split=split,
        seen_in_training=seen_in_training or bool(overlap),
        dataset=table.dataset,
        probabilities=probabilities,
        shift=None if novelty is None else shift(typicalities(novelty, table.values), len(novelty.reference)),
        selective=_reports(selective, probabilities, labels),
        features=table.select(np.sort(np.random.default_rng(seed).permutation(len(table))[:_MAPPED])),
        trained=overlap,
    )


def typicalities(novelty: Novelty, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Typicality (N,) of features (N, D): the share of the training images that are as far out."""
    return typicality(novelty.distances(values), novelty.reference)


def _uncalibrated(head: Head, table: FeatureTable) -> npt.NDArray[np.float32] | None:
    """The probabilities without the temperature; None for a head that has none."""
    plain = head.uncalibrated()
    return None if plain is None else plain.probabilities(table.values)


def _reports(
    selective: SelectiveRecord | None, probabilities: npt.NDArray[Any], labels: npt.NDArray[Any]
) -> tuple[SelectiveReport, ...]:
    if selective is None:
        return ()
    return selective_reports(
        probabilities, labels, levels=selective.levels, sets=selective.sets, answers=selective.answers
    )


@dataclass(frozen=True)
class Compared:
    """Two models' evaluations on the same images, and the comparison image by image."""

    first: Evaluated
    second: Evaluated
    comparison: Comparison


def compare(
    first: Classifier,
    second: Classifier,
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
        dataset: With the first model's classes, as for ``Classifier.evaluate``.
        seed: Of the bootstrap.
        cache: Whether features are kept on disk.
        progress: Called with (images done, images in all), for each model.

    Raises:
        DataError: The models do not have the same classes, or an image changed during the run.
    """
    if set(first.classes) != set(second.classes):
        odd = sorted(set(first.classes) ^ set(second.classes))[:3]
        raise DataError(
            f"the two models do not have the same classes: {', '.join(map(repr, odd))} are in only one of them",
            hint="compare models of the same classes, or evaluate each by itself",
        )
    order = [second.classes.index(name) for name in first.classes]
    one = first.evaluate(dataset, seed=seed, cache=cache, progress=progress)
    other = second.evaluate(dataset.relabelled(second.classes), seed=seed, cache=cache, progress=progress)
    if one.dataset.paths != other.dataset.paths:
        raise DataError("an image changed during the run", hint="run it again")
    found = compare_predictions(one.probabilities, other.probabilities[:, order], one.dataset.labels, seed=seed)
    return Compared(one, other, found)
