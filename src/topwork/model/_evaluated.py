"""What labelled images say of a classifier: its evaluation, and the comparison of two of them on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from topwork._text import article
from topwork.data import ImageDataset, LeftOut
from topwork.errors import DataError
from topwork.features import FeatureTable, Progress
from topwork.heads import Head, Novelty
from topwork.metrics import (
    Comparison,
    DecisionReport,
    Evaluation,
    SelectiveReport,
    Shift,
    decide,
    decision_report,
    evaluate,
    selective_reports,
    shift,
    typicality,
)
from topwork.metrics import compare as compare_predictions
from topwork.model._classes_record import SelectiveRecord
from topwork.model._decision import CostsRecord, CriticalRecord

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
        decision: Its decision rule with what that gave on these images (``measured``); None where it has none.
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
    decision: CriticalRecord | CostsRecord | None = None
    features: FeatureTable | None = None
    trained: int | None = None

    @property
    def answers(self) -> npt.NDArray[np.int64]:
        """(N,), what the model answers: the most probable class, or what its decision rule gives."""
        rule = self.decision.rule(self.dataset.classes) if self.decision else None
        return decide(self.probabilities, rule)

    @property
    def confidence(self) -> npt.NDArray[np.float32]:
        """(N,), the probability of each answer."""
        found: npt.NDArray[np.float32] = self.probabilities[np.arange(len(self.probabilities)), self.answers]
        return found

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
    decision: CriticalRecord | CostsRecord | None = None,
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
        decision: How the probabilities become answers, where that is not the most probable class.
        split: What the images are to be called.
        seen_in_training: Whether the model is known to be made from them.
        seed: Of the bootstrap.

    Raises:
        DataError: The head's probabilities are not finite.
    """
    labels, classes, probabilities = table.dataset.labels, table.dataset.classes, head.probabilities(table.values)
    before, answers = _uncalibrated(head, table), decide(probabilities, decision.rule(classes) if decision else None)
    found = evaluate(probabilities, labels, classes, decided=answers, before_scaling=before, seed=seed)
    overlap = None if trained is None or table.digests is None else int(np.isin(table.digests, trained).sum())
    return Evaluated(
        evaluation=found,
        split=split,
        seen_in_training=seen_in_training or bool(overlap),
        dataset=table.dataset,
        probabilities=probabilities,
        shift=None if novelty is None else shift(typicalities(novelty, table.values), len(novelty.reference)),
        selective=_reports(selective, probabilities, labels, answers),
        decision=None if decision is None else _measured(decision, probabilities, labels, classes, seed),
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


def decided(
    decision: CriticalRecord | CostsRecord,
    probabilities: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    classes: Sequence[str],
    seed: int,
) -> DecisionReport:
    """What a decision gives on labelled images, beside the most probable class."""
    place = classes.index(decision.name) if isinstance(decision, CriticalRecord) else None
    return decision_report(probabilities, labels, decision.rule(classes), place=place, seed=seed)


def _measured(decision: CriticalRecord | CostsRecord, *given: Any) -> CriticalRecord | CostsRecord:
    return decision.model_copy(update={"measured": decided(decision, *given).to_dict()})


def _reports(
    selective: SelectiveRecord | None,
    probabilities: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    answers: npt.NDArray[np.int64],
) -> tuple[SelectiveReport, ...]:
    if selective is None:
        return ()
    thresholds: Any = {name: getattr(selective, name) for name in ("levels", "sets", "answers")}
    return selective_reports(probabilities, labels, **thresholds, decided=answers)


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
        raise DataError(f"{article(dataset.thing)} changed during the run", hint="run it again")
    answers = one.answers, np.argsort(order)[other.answers]  # the second's places in the first's order
    probabilities = one.probabilities, other.probabilities[:, order]
    found = compare_predictions(*probabilities, one.dataset.labels, decided=answers, seed=seed)
    return Compared(one, other, found)
