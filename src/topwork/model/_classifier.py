"""A model whose answer is one of several classes, whatever the images or texts are that it reads."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from topwork.backbones import AnyBackbone
from topwork.data import Held, LabelledDataset, read, several
from topwork.errors import DataError, ImageError, ModelError, TextError
from topwork.features import NOT_FINITE, Extraction, FeatureTable, Progress, Source, extract, extract_few
from topwork.heads import Head, Novelty
from topwork.metrics import Estimate, Evaluation, Rule, Shift, decide, prediction_sets, shift
from topwork.model._classes_record import ClassesRecord, ClassifierRecord
from topwork.model._classifier_card import classifier_card
from topwork.model._classifier_methods import classifier_methods
from topwork.model._classifier_parts import DIGESTS, head_of, neighbours_in, novelty_of, trained_of
from topwork.model._evaluated import Evaluated, measure, typicalities
from topwork.model._folder import Parts, Tensors
from topwork.model._methods import Methods
from topwork.model._model import Model
from topwork.model._neighbours import Neighbour, Neighbours
from topwork.model._predictions import Prediction, Predictions

_CHUNK = 512  # images predicted at a time, so that a long list needs no more memory than a short one


@dataclass(frozen=True)
class _Thresholds:
    """From which probability a class is in the set and an answer is given; None where that was not asked for."""

    set_from: float | None
    answer_from: float | None


@dataclass(frozen=True, eq=False)
class _Answers:
    """For each source: probabilities (N, C), zeros where it cannot be used, then the reason; typicality (N,) if
    known.
    """

    probabilities: npt.NDArray[np.float32]
    typicalities: npt.NDArray[np.float64] | None
    errors: dict[int, str]


class Classifier(Model):
    """A trained classifier.

    Attributes:
        head: Features to probabilities.
        novelty: What tells images that are unlike the training images; None where these were too few, or an older
            topwork made the model.
        trained: uint64, ascending: 8 bytes of a hash of each image that it has learnt from, so that these are known
            again; None where an older topwork made the model, or words alone.
        held_out: What the held-out images said, image by image; it is not saved, so a loaded model has none.
        neighbours: Some of its training images, small, and their features; None where nobody asked for them.
    """

    block: ClassVar[type[ClassesRecord]] = ClassesRecord
    record: ClassifierRecord

    def __init__(
        self,
        record: ClassifierRecord,
        head: Head,
        backbone: AnyBackbone,
        history: Sequence[dict[str, Any]] = (),
        novelty: Novelty | None = None,
        trained: npt.NDArray[np.uint64] | None = None,
        held_out: Evaluated | None = None,
        neighbours: Neighbours | None = None,
    ) -> None:
        super().__init__(record, backbone, history)
        self.head = head
        self.novelty = novelty
        self.trained = trained
        self.held_out = held_out
        self.neighbours = neighbours

    @classmethod
    def from_parts(cls, parts: Parts, where: str) -> Self:
        """The classifier of a folder's contents, checked that they belong together."""
        record: ClassifierRecord = parts.record
        head = head_of(parts, where)
        novelty, trained = novelty_of(parts, head, where), trained_of(parts, where)
        neighbours = neighbours_in(parts, where, pictures=cls.kind.thing == "image")
        return cls(record, head, parts.backbone, parts.history, novelty, trained, neighbours=neighbours)

    def tensors(self) -> Mapping[str, Tensors]:
        """The head's, those of what tells strange images, and the digests of the training images."""
        found = {"head": self.head.to_tensors()}
        if self.novelty is not None:
            found["novelty"] = self.novelty.to_tensors()
        if self.trained is not None:
            found["training"] = {DIGESTS: self.trained}
        if self.neighbours is not None:
            found["neighbours"] = self.neighbours.to_tensors()
        return found

    def card(self, record: ClassifierRecord, name: str) -> str:
        """Classes, figures, promises and limits, beside what every card tells."""
        return classifier_card(record, name, self.kind, len(self.neighbours or ()))

    def methods(self) -> Methods:
        """Its classes, head, choices and figures too."""
        return classifier_methods(self.record, len(self.history), self.kind)

    def _facts(self) -> list[tuple[str, str]]:
        names = ", ".join(self.classes[:20]) + (", …" if len(self.classes) > 20 else "")
        found = self.metrics
        return [("classes", names), *([("accuracy", found.accuracy.as_percent())] if found else [])]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities."""
        return self.record.task.classes

    @property
    def rule(self) -> Rule | None:
        """How its probabilities become answers (``metrics.decide``); None where it is the most probable class."""
        return self.record.task.rule

    @property
    def figure(self) -> Estimate | None:
        """Its accuracy on held-out images."""
        return self.metrics.accuracy if self.metrics is not None else None

    @property
    def metrics(self) -> Evaluation | None:
        """What held-out images said when the model was made; None where none were held out."""
        return Evaluation.from_dict(self.record.task.metrics) if self.record.task.metrics is not None else None

    def predict(
        self, sources: Iterable[Any], *, coverage: float | None = None, accuracy: float | None = None
    ) -> list[Prediction]:
        """Classify images.

        Args:
            sources: Images, in a list or whatever gives them: paths, bytes, open files, Pillow's images, arrays and
                tensors (see ``topwork.data.as_source``).
            coverage: How often ``labels`` is to hold the true class, such as 0.95.
            accuracy: How many of the answers are to be right on average, such as 0.99; unsure ones have ``answered``
                False. See ``metrics.abstention_thresholds`` for when that holds.

        Returns:
            One prediction a source, in order. One that cannot be used has its reason in ``error``; the others are
            not affected.

        Raises:
            ImageError: ``sources`` is one image rather than several.
            BackboneError: The backbone's weights are not available on this machine.
            DataError: The model cannot promise so much, or its held-out images refute that promise.
        """
        return Predictions(self.predict_each(sources, coverage=coverage, accuracy=accuracy))

    def predict_each(
        self, sources: Iterable[Any], *, coverage: float | None = None, accuracy: float | None = None
    ) -> Iterator[Prediction]:
        """Like ``predict``, a chunk at a time: memory stays flat however many sources there are."""
        images, start = self._several(sources), 0
        asked = self._thresholds(coverage, accuracy)
        while chunk := list(itertools.islice(images, _CHUNK)):
            answers = self._answers(Held(chunk))
            for index, source in enumerate(chunk):
                yield self._prediction(self._name(source) or f"#{start + index}", answers, index, asked)
            start += len(chunk)

    def predict_features(
        self,
        features: npt.NDArray[np.float32],
        names: Sequence[str],
        *,
        coverage: float | None = None,
        accuracy: float | None = None,
    ) -> list[Prediction]:
        """Classify rows of features, as ``features.extract_few`` or an engine gives them for ``record.outputs``.

        Args:
            features: (N, D) float32, in the columns that the head reads.
            names: What each row is called.
            coverage: See ``predict``, also for what is raised.
            accuracy: The same.

        Returns:
            One prediction a row; one whose probabilities are not finite has its reason in ``error``.
        """
        asked, answers = self._thresholds(coverage, accuracy), self._answers_to(features)
        return [self._prediction(name, answers, row, asked) for row, name in enumerate(names)]

    def predict_proba(self, sources: Iterable[Any]) -> npt.NDArray[np.float32]:
        """Probabilities (N, C) in the order of ``classes``.

        Raises:
            ImageError: A source cannot be used; it names the first one. A ``TextError`` of a model of texts.
            DataError: ``sources`` is one image or text.
        """
        held = Held(self._several(sources))
        answers = self._answers(held)
        if answers.errors:
            first = min(answers.errors)
            unusable = TextError if self.thing == "text" else ImageError
            raise unusable(f"{self.thing} {first} of {len(held)} cannot be used: {answers.errors[first]}")
        return answers.probabilities

    def nearest(self, sources: Iterable[Any], k: int = 3) -> list[list[Neighbour]]:
        """The training images that are most like each image, in the features that the head reads.

        Args:
            sources: What ``predict`` takes.
            k: How many of each.

        Returns:
            For each source its neighbours, the most similar first; none for a source that cannot be used.

        Raises:
            ModelError: The model was fitted without thumbnails.
        """
        if self.neighbours is None:
            raise ModelError(
                f"this model keeps no thumbnails, so it cannot show the nearest training {self.thing}s",
                hint="fit it with --thumbnails (in Python fit(…, thumbnails=True))",
            )
        images, found = self._several(sources), list[list[Neighbour]]()
        while chunk := list(itertools.islice(images, _CHUNK)):
            features = self._extracted(Held(chunk))
            near = self.neighbours.nearest(features.values, self.classes, k)
            of_place = dict(zip(features.kept.tolist(), near, strict=True))
            found += [of_place.get(place, []) for place in range(len(chunk))]
        return found

    def shift(self, typicalities: Sequence[float | None]) -> Shift | None:
        """Whether images as a whole are like the training images; None where the model cannot tell.

        Args:
            typicalities: Of predictions; those of images that could not be used are None and do not count.
        """
        if self.novelty is None:
            return None
        known = np.array([each for each in typicalities if each is not None], np.float64)
        return shift(known, len(self.novelty.reference))

    def evaluate(
        self,
        data: str | os.PathLike[str] | LabelledDataset,
        *,
        seed: int = 0,
        cache: bool = True,
        progress: Progress | None = None,
    ) -> Evaluated:
        """Measure the model on labelled images that it was not trained on.

        Args:
            data: A path as ``fit`` takes it, or a data set with this model's classes. Of data in splits, ``test`` is
                measured, or ``val`` where there is no other.
            seed: Of the bootstrap.
            cache: Whether features are kept on disk.
            progress: Called with (images done, images in all).

        Raises:
            DataError: The classes are not the model's, or no image can be read.
        """
        given = data if isinstance(data, LabelledDataset) else self._read(data)
        asked = self.to_measure(given, "read")
        table = extract(
            asked.dataset,
            self.backbone,
            outputs=self.record.outputs,
            choice=self.engine_choice,
            cache=cache,
            progress=progress,
        )
        if len(table) == 0:
            raise asked.unreadable()
        return self.measure(table, split=asked.split, seen_in_training=asked.seen_in_training, seed=seed)

    def measure(
        self, table: FeatureTable, *, split: str = "", seen_in_training: bool = False, seed: int = 0
    ) -> Evaluated:
        """Measure the model on features of labelled images, in the columns that the head reads.

        Args:
            table: One row or more, with this model's classes.
            split: What the images are to be called.
            seen_in_training: Whether the model was made from them.
            seed: Of the bootstrap.

        Raises:
            DataError: The head's probabilities are not finite.
        """
        return measure(
            table,
            self.head,
            novelty=self.novelty,
            trained=self.trained,
            selective=self.record.task.selective,
            decision=self.record.task.decision,
            split=split,
            seen_in_training=seen_in_training,
            seed=seed,
        )

    def _several(self, sources: Iterable[Any]) -> Iterator[Any]:
        """What is to be classified, one after another."""
        return several(sources)

    def _name(self, source: Any) -> str:
        """What a source is called; empty where it has no name."""
        return os.fspath(source) if isinstance(source, str | os.PathLike) else ""

    def _read(self, data: Any) -> LabelledDataset:
        """Labelled data of these classes, from wherever they lie."""
        return read(data, classes=self.classes)

    def _extracted(self, sources: Sequence[Source]) -> Extraction:
        """What the head reads of some sources."""
        return extract_few(
            sources, self.backbone, self.record.outputs, choice=self.engine_choice, open_network=self._engines
        )

    def _answers(self, sources: Sequence[Source]) -> _Answers:
        found = self._extracted(sources)
        said = self._answers_to(found.values)
        probabilities = np.zeros((len(sources), len(self.classes)), np.float32)
        probabilities[found.kept] = said.probabilities
        unlike = None if said.typicalities is None else np.ones(len(sources))
        if unlike is not None:
            unlike[found.kept] = said.typicalities
        errors = {int(found.kept[row]): why for row, why in said.errors.items()}
        return _Answers(probabilities, unlike, dict(found.refused) | errors)

    def _answers_to(self, features: npt.NDArray[np.float32]) -> _Answers:
        """The same of rows of features (N, D)."""
        probabilities, unlike = np.zeros((len(features), len(self.classes)), np.float32), None
        with np.errstate(over="ignore", invalid="ignore"):  # features may be finite and their products not
            if len(features):
                probabilities = self.head.probabilities(features)
            if self.novelty is not None:
                unlike = typicalities(self.novelty, features) if len(features) else np.ones(0)
        refused = np.flatnonzero(~np.isfinite(probabilities).all(axis=1)).tolist()
        return _Answers(probabilities, unlike, dict.fromkeys(refused, NOT_FINITE.format(self.thing)))

    def _prediction(self, name: str, answers: _Answers, row: int, asked: _Thresholds) -> Prediction:
        if row in answers.errors:
            return Prediction(name, "", 0.0, {}, answers.errors[row])
        probabilities = answers.probabilities[row]
        order = np.argsort(-probabilities, kind="stable")
        ranked = {self.classes[index]: float(probabilities[index]) for index in order}
        answer = decide(probabilities[None], self.rule)
        label = self.classes[answer[0]]
        labels = None
        if asked.set_from is not None:
            inside = prediction_sets(probabilities[None], asked.set_from, answer)[0]
            others = (self.classes[index] for index in order if inside[index] and index != answer[0])
            labels = (label, *others)
        return Prediction(
            source=name,
            label=label,
            probability=ranked[label],
            probabilities=ranked,
            typicality=None if answers.typicalities is None else float(answers.typicalities[row]),
            answered=None if asked.answer_from is None else ranked[label] >= asked.answer_from,
            labels=labels,
        )

    def _thresholds(self, coverage: float | None, accuracy: float | None) -> _Thresholds:
        selective = self.record.task.selective
        if selective is None and (coverage, accuracy) != (None, None):
            raise DataError(
                f"this model has no thresholds: it was made without {self.thing}s to set them on, or by an older "
                "version of topwork",
                hint=f"fit it again with at least a few training {self.thing}s per class",
            )
        if selective is None:
            return _Thresholds(None, None)
        return _Thresholds(
            None if coverage is None else selective.set_from(coverage, self.thing),
            None if accuracy is None else selective.answer_from(accuracy, self.thing),
        )
