"""A model: a backbone, what is read of it, and a head. It predicts, evaluates itself, and goes to and from a folder."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.backbones import Backbone
from topwork.data import ImageDataset, read
from topwork.engines import EngineChoice, Engines, nearest_choice
from topwork.errors import DataError, ImageError
from topwork.features import NOT_FINITE, FeatureTable, Progress, Source, extract, extract_few
from topwork.heads import Head, Novelty
from topwork.metrics import Evaluation, Kept, Shift, evaluate, kept, prediction_sets, promised, shift, typicality
from topwork.model import _folder
from topwork.model._record import CautionRecord, ModelRecord
from topwork.model._results import Evaluated, Prediction

_MAPPED = 1_000  # images whose features an evaluation keeps
_CHUNK = 512  # images predicted at a time, so that a long list needs no more memory than a short one


@dataclass(frozen=True)
class _Asked:
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


class Model:
    """A trained classifier. ``fit`` makes one, ``load`` reads one.

    Attributes:
        record: What ``model.json`` holds.
        head: Features to probabilities.
        backbone: What makes the features, preprocessing included.
        history: What each epoch of a training gave, a line of ``history.jsonl`` each; empty where nothing was trained
            by epochs.
        novelty: What tells images that are unlike the training images; None where these were too few, or an older
            topwork made the model.
        trained: uint64, ascending: 8 bytes of a hash of each image that it has learnt from, so that these are known
            again; None where an older topwork made the model, or words alone.
        held_out: What the held-out images said, image by image; it is not saved, so a loaded model has none.
    """

    def __init__(
        self,
        record: ModelRecord,
        head: Head,
        backbone: Backbone,
        history: Sequence[dict[str, Any]] = (),
        novelty: Novelty | None = None,
        trained: npt.NDArray[np.uint64] | None = None,
        held_out: Evaluated | None = None,
    ) -> None:
        self.record = record
        self.head = head
        self.backbone = backbone
        self.history = tuple(history)
        self.novelty = novelty
        self.trained = trained
        self.held_out = held_out
        self._engines = Engines(backbone, record.outputs)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities."""
        return self.record.classes

    @property
    def metrics(self) -> Evaluation | None:
        """What held-out images said when the model was made; None where none were held out."""
        return Evaluation.from_dict(self.record.metrics) if self.record.metrics is not None else None

    def predict(
        self, sources: Sequence[Source], *, coverage: float | None = None, accuracy: float | None = None
    ) -> list[Prediction]:
        """Classify images.

        Args:
            sources: Files, encoded images as bytes, or pixels as uint8 (height, width, 3).
            coverage: How often ``labels`` is to hold the true class, such as 0.95.
            accuracy: How many of the answers are to be right on average, such as 0.99; unsure ones have ``answered``
                False. See ``metrics.answer_thresholds`` for when that holds.

        Returns:
            One prediction a source, in order. One that cannot be used has its reason in ``error``; the others are
            not affected.

        Raises:
            ImageError: ``sources`` is one image rather than several.
            BackboneError: The backbone's weights are not to be had on this machine.
            DataError: The model cannot promise so much.
        """
        return list(self.predict_each(sources, coverage=coverage, accuracy=accuracy))

    def predict_each(
        self, sources: Sequence[Source], *, coverage: float | None = None, accuracy: float | None = None
    ) -> Iterator[Prediction]:
        """Like ``predict``, a chunk at a time: memory stays flat however many sources there are."""
        _require_several(sources)
        asked = self._asked(coverage, accuracy)
        for start in range(0, len(sources), _CHUNK):
            chunk = sources[start : start + _CHUNK]
            answers = self._answers(chunk)
            for index, source in enumerate(chunk):
                name = os.fspath(source) if isinstance(source, str | os.PathLike) else f"#{start + index}"
                if index in answers.errors:
                    yield Prediction(name, "", 0.0, {}, answers.errors[index])
                else:
                    yield self._prediction(name, answers, index, asked)

    def predict_proba(self, sources: Sequence[Source]) -> npt.NDArray[np.float32]:
        """Probabilities (N, C) in the order of ``classes``.

        Raises:
            ImageError: A source cannot be used; it names the first one. Or ``sources`` is one image.
        """
        _require_several(sources)
        answers = self._answers(sources)
        if answers.errors:
            first = min(answers.errors)
            raise ImageError(f"image {first} of {len(sources)} cannot be used: {answers.errors[first]}")
        return answers.probabilities

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
        data: str | os.PathLike[str] | ImageDataset,
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
        given = data if isinstance(data, ImageDataset) else read(data, classes=self.classes)
        if given.classes != self.classes:
            raise DataError(
                f"the data set's classes {given.classes} are not the model's {self.classes}",
                hint="read it with read(path, classes=model.classes)",
            )
        split = given.held_out_split
        dataset = given.split(split) if split else given
        table = extract(
            dataset,
            self.backbone,
            outputs=self.record.outputs,
            choice=self._choice(),
            cache=cache,
            progress=progress,
        )
        if len(table) == 0:
            raise DataError(f"{dataset.root}: none of the {len(dataset)} images can be read")
        seen = not split and given.fingerprint() == self.record.data.fingerprint
        return self.measure(table, split=split, seen_in_training=seen, seed=seed)

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
        labels, probabilities = table.dataset.labels, self.head.probabilities(table.values)
        before = self._before_scaling(table)
        found = evaluate(probabilities, labels, self.classes, before_scaling=before, seed=seed)
        typicalities, trained = self._typicalities(table.values), self._trained(table)
        return Evaluated(
            evaluation=found,
            split=split,
            seen_in_training=seen_in_training or bool(trained),
            dataset=table.dataset,
            probabilities=probabilities,
            shift=None if typicalities is None else self.shift(typicalities.tolist()),
            kept=_kept(self.record.caution, probabilities, labels),
            features=_some(table, seed),
            trained=trained,
        )

    def save(self, path: str | os.PathLike[str], *, self_contained: bool = False) -> Path:
        """Write the model folder, whole or not at all; an older model at that place is replaced.

        Args:
            path: The folder.
            self_contained: Whether the backbone's weights go with it, so that they need not be installed or fetched.
                Weights from a file of the user's always do: no other machine has that file.

        Raises:
            ModelError: Something that is no model stands there, or the disk cannot be written.
        """
        folder = Path(path)
        whole = self_contained or self.backbone.weights.source == "file"
        parts = self.record, self.head, self.backbone, self.history, self.novelty, self.trained
        _folder.write(folder, *parts, self_contained=whole)
        return folder

    def _answers(self, sources: Sequence[Source]) -> _Answers:
        found = extract_few(
            sources, self.backbone, self.record.outputs, choice=self._choice(), open_network=self._engines
        )
        probabilities = np.zeros((len(sources), len(self.classes)), np.float32)
        typicalities = None if self.novelty is None else np.ones(len(sources))
        errors = dict(found.refused)
        if len(found.kept):
            with np.errstate(over="ignore", invalid="ignore"):  # features may be finite and their products not
                said = self.head.probabilities(found.values)
                if typicalities is not None:
                    typicalities[found.kept] = self._typicalities(found.values)
            probabilities[found.kept] = said
            errors |= dict.fromkeys(found.kept[~np.isfinite(said).all(axis=1)].tolist(), NOT_FINITE)
        return _Answers(probabilities, typicalities, errors)

    def _prediction(self, name: str, answers: _Answers, row: int, asked: _Asked) -> Prediction:
        probabilities = answers.probabilities[row]
        order = np.argsort(-probabilities, kind="stable")
        ranked = {self.classes[index]: float(probabilities[index]) for index in order}
        label = self.classes[order[0]]
        labels = None
        if asked.set_from is not None:
            inside = prediction_sets(probabilities[None], asked.set_from)[0]
            labels = tuple(self.classes[index] for index in order if inside[index])
        return Prediction(
            source=name,
            label=label,
            probability=ranked[label],
            probabilities=ranked,
            typicality=None if answers.typicalities is None else float(answers.typicalities[row]),
            answered=None if asked.answer_from is None else ranked[label] >= asked.answer_from,
            labels=labels,
        )

    def _asked(self, coverage: float | None, accuracy: float | None) -> _Asked:
        caution = self.record.caution
        if caution is None and (coverage, accuracy) != (None, None):
            raise DataError(
                "this model holds no thresholds: it was made without images to read them off, or by an older topwork",
                hint="fit it again, with a few training images of each class",
            )
        if caution is None:
            return _Asked(None, None)
        levels = caution.levels
        return _Asked(
            None if coverage is None else promised(coverage, levels, caution.sets, "coverage"),
            None if accuracy is None else promised(accuracy, levels, caution.answers, "accuracy"),
        )

    def _typicalities(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
        """Typicality (N,) of features (N, D)."""
        return None if self.novelty is None else typicality(self.novelty.distances(values), self.novelty.reference)

    def _trained(self, table: FeatureTable) -> int | None:
        """How many of the images the model has learnt from; None where that cannot be told."""
        if self.trained is None or table.digests is None:
            return None
        return int(np.isin(table.digests, self.trained).sum())

    def _before_scaling(self, table: FeatureTable) -> npt.NDArray[np.float32] | None:
        """The probabilities without the temperature; None for a head that has none."""
        if not hasattr(self.head, "temperature"):
            return None
        plain: Any = dataclasses.replace(self.head, temperature=1.0)  # type: ignore[type-var]
        found: npt.NDArray[np.float32] = plain.probabilities(table.values)
        return found

    def _choice(self) -> EngineChoice:
        recorded = self.record.engine
        return nearest_choice(EngineChoice(recorded.name, recorded.precision, recorded.deviation))


def _some(table: FeatureTable, seed: int) -> FeatureTable:
    """A table, of very many rows some: what holds it lives long, and a map of them needs no more."""
    return table.select(np.sort(np.random.default_rng(seed).permutation(len(table))[:_MAPPED]))


def _kept(caution: CautionRecord | None, probabilities: npt.NDArray[Any], labels: npt.NDArray[Any]) -> tuple[Kept, ...]:
    if caution is None:
        return ()
    return kept(probabilities, labels, levels=caution.levels, sets=caution.sets, answers=caution.answers)


def _require_several(sources: object) -> None:
    """Refuse one name, or one array, which is a sequence too: of letters, or of rows."""
    single = isinstance(sources, str | bytes | os.PathLike)
    if single or (isinstance(sources, np.ndarray) and sources.ndim not in (1, 4)):
        raise ImageError("images come as a list, not as one image", hint="model.predict([image])")


def load(path: str | os.PathLike[str]) -> Model:
    """Read a model folder.

    Raises:
        ModelError: It is not there, damaged, of another format, or its parts do not fit together.
    """
    return Model(*_folder.read(Path(path)))
