"""The block of a task whose answers are classes: what is known of them, of thresholds, and how good the answers are."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from topwork.errors import DataError
from topwork.metrics import Estimate, Evaluation, Rule, SelectiveReport, refuting, threshold_at
from topwork.model._decision import DecisionRecord
from topwork.model._record import ModelRecord, Strict, TaskRecord


class MappingRecord(Strict):
    """How the network's own classes met the user's (``strategies.AsIs``).

    Attributes:
        way: By a map that was given, by names, or by a map that was learnt.
        covers: For each class, how many of the network's classes speak for it.
    """

    way: Literal["given", "names", "learnt"]
    covers: tuple[int, ...]


class WordsRecord(Strict):
    """What was said of each class, and who understood it (``strategies.ZeroShot``).

    Attributes:
        source: Folder or repository of the text tower.
        revision: The hub's commit; empty for a folder.
        sha256: Of its weights.
        prompts: The texts of each class, whose embeddings were averaged, in the order of the classes.
    """

    source: str
    revision: str
    sha256: str
    prompts: tuple[tuple[str, ...], ...]


class SelectiveRecord(Strict):
    """From which probability on to answer, or to let a class into a prediction set (``metrics.conformal_thresholds``).

    Attributes:
        source: What kind of images the promises were read off (``strategies.OutOfFold``).
        images: How many.
        levels: Coverages of sets, accuracies of answers; rising.
        sets: For each level, the probability from which a class is in the set.
        answers: For the first levels, the probability from which to answer; more cannot be promised.
        measured: ``metrics.SelectiveReport.to_dict`` on held-out images, level by level.
    """

    source: Literal["cross-validation", "validation", "training"]
    images: int = Field(ge=1)
    levels: tuple[float, ...]
    sets: tuple[float, ...]
    answers: tuple[float, ...]
    measured: tuple[dict[str, Any], ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> SelectiveRecord:
        if len(self.sets) != len(self.levels) or len(self.answers) > len(self.levels):
            raise ValueError(f"{len(self.levels)} levels, but {len(self.sets)} sets and {len(self.answers)} answers")
        if list(self.levels) != sorted(self.levels) or not all(0 <= each <= 1.001 for each in self.sets + self.answers):
            raise ValueError("levels must rise and thresholds be probabilities")
        return self

    def set_from(self, coverage: float, thing: str = "image") -> float:
        """The probability from which a class is in the set; ``thing`` is what a row is called.

        Raises:
            DataError: There is none for so much coverage.
        """
        return threshold_at(coverage, self.levels, self.sets, "coverage", thing)

    def answer_from(self, accuracy: float, thing: str = "image") -> float:
        """The probability from which to answer; ``thing`` is what a row is called.

        Raises:
            DataError: There is none for so much accuracy, or the held-out images refute the promise.
        """
        threshold = threshold_at(accuracy, self.levels, self.answers, "accuracy", thing)
        reports = tuple(map(SelectiveReport.from_dict, self.measured))
        refuted = refuting(accuracy, reports)
        if refuted is not None and refuted.accuracy is not None:
            kept = ", ".join(f"{each.level:g}" for each in reports if each.answered and not each.refuted)
            raise DataError(
                f"the promise of an accuracy of {accuracy:.4g} is withdrawn: on the held-out {thing}s only "
                f"{refuted.accuracy.value:.1%} of such answers are correct",
                hint=f"levels that were kept: {kept}" if kept else "no level was kept; predict without it",
            )
        return threshold


class FoldRecord(Strict):
    """One fold of a cross-validation, fitted from the beginning and measured on what it was not fitted on.

    Attributes:
        training: Images that it was fitted on.
        images: Images that measured it.
        strategy: What it chose.
    """

    training: int = Field(ge=1)
    images: int = Field(ge=1)
    strategy: str
    accuracy: float = Field(ge=0, le=1)
    macro_f1: float = Field(ge=0, le=1)
    log_loss: float = Field(ge=0)


class FoldsRecord(Strict):
    """What ``fit(cv=k)`` measured: everything that is chosen was chosen inside each fold.

    Attributes:
        split: What was dealt into folds: ``all``, or ``train`` where the data came with a held-out split.
        folds: In order.
        accuracy: Mean over the folds, with the interval of ``metrics.mean_of_folds``; so the others.
        macro_f1: Likewise.
        log_loss: Likewise, in nats.
    """

    split: Literal["all", "train"]
    folds: tuple[FoldRecord, ...] = Field(min_length=2)
    accuracy: Estimate
    macro_f1: Estimate
    log_loss: Estimate


class ClassesRecord(TaskRecord):
    """The block of ``model.json`` for answers that are one of several classes.

    Attributes:
        name: Of the task.
        classes: Names in order; an index in the head is a place in this list and is never derived again.
        training: Rows of each class in the training split, in the order of the classes.
        calibration: How the probabilities were calibrated.
        mapping: How the network's own classes met the user's, where they are what answers.
        words: What was said of the classes, where words answer.
        selective: Thresholds of prediction sets and of answers; None where no rows were there to read them off.
        decision: How the probabilities become an answer; None where it is the most probable class.
        folds: What k folds said; None where ``fit`` was not asked for any.
        metrics: ``Evaluation.to_dict`` on held-out rows; None where none were held out.
    """

    classes: tuple[str, ...] = Field(min_length=2)
    training: tuple[int, ...]
    calibration: dict[str, float] = Field(default_factory=dict)
    mapping: MappingRecord | None = None
    words: WordsRecord | None = None
    selective: SelectiveRecord | None = None
    decision: DecisionRecord | None = None
    folds: FoldsRecord | None = None
    metrics: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _agrees(self) -> ClassesRecord:
        count = len(self.classes)
        if len(set(self.classes)) != count:
            raise ValueError("a class name comes twice")
        if len(self.training) != count:
            raise ValueError(f"{count} classes, but counts of {len(self.training)}")
        if self.mapping is not None and len(self.mapping.covers) != count:
            raise ValueError(f"{count} classes, but a mapping of {len(self.mapping.covers)}")
        if self.words is not None and len(self.words.prompts) != count:
            raise ValueError(f"{count} classes, but words for {len(self.words.prompts)}")
        if self.decision is not None and not self.decision.names <= set(self.classes):
            raise ValueError("decision: it speaks of a class that the model does not have")
        self._check_figures()
        return self

    @property
    def rule(self) -> Rule | None:
        """What ``metrics.decide`` takes."""
        return None if self.decision is None else self.decision.rule(self.classes)

    def _check_figures(self) -> None:
        try:
            for each in self.selective.measured if self.selective else ():
                SelectiveReport.from_dict(each)
        except DataError as error:
            raise ValueError(f"selective: {error.message}") from error
        if self.metrics is None:
            return
        try:
            classes = Evaluation.from_dict(self.metrics).classes
        except (DataError, OverflowError) as error:
            raise ValueError(f"metrics: {error}") from error
        if classes != self.classes:
            raise ValueError("metrics: they are of other classes than the model's")


ClassifierRecord = ModelRecord[ClassesRecord]
