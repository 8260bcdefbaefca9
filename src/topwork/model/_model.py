"""A model: a backbone, what is read of it, and a head. It predicts, evaluates itself, and goes to and from a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.backbones import Backbone, EngineChoice, Engines, nearest_choice
from topwork.data import ImageDataset, LeftOut, read
from topwork.errors import DataError, ImageError
from topwork.evaluate import Evaluation, evaluate
from topwork.features import Progress, Source, extract, extract_few
from topwork.heads import Head
from topwork.model import _folder
from topwork.model._record import ModelRecord

_CHUNK = 512  # images predicted at a time, so that a long list needs no more memory than a short one


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image.

    Attributes:
        source: The file's name, or ``#3`` for the fourth array.
        label: The most probable class; empty where the image could not be used.
        probability: Of that class, 0 to 1.
        probabilities: Of every class, most probable first.
        error: Why the image could not be used; empty where it could.
    """

    source: str
    label: str
    probability: float
    probabilities: dict[str, float]
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        if self.error:
            return {"source": self.source, "error": self.error}
        return {
            "source": self.source,
            "label": self.label,
            "probability": self.probability,
            "probabilities": self.probabilities,
        }


class Model:
    """A trained classifier. ``fit`` makes one, ``load`` reads one.

    Attributes:
        record: What ``model.json`` holds.
        head: Features to probabilities.
        backbone: What makes the features, preprocessing included.
        history: What each epoch of a training gave, a line of ``history.jsonl`` each; empty where nothing was trained
            by epochs.
    """

    def __init__(
        self, record: ModelRecord, head: Head, backbone: Backbone, history: Sequence[dict[str, Any]] = ()
    ) -> None:
        self.record = record
        self.head = head
        self.backbone = backbone
        self.history = tuple(history)
        self._engines = Engines(backbone, record.outputs)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities."""
        return self.record.classes

    @property
    def metrics(self) -> Evaluation | None:
        """What held-out images said when the model was made; None where none were held out."""
        return Evaluation.from_dict(self.record.metrics) if self.record.metrics is not None else None

    def predict(self, sources: Sequence[Source]) -> list[Prediction]:
        """Classify images.

        Args:
            sources: Files, encoded images as bytes, or pixels as uint8 (height, width, 3).

        Returns:
            One prediction a source, in order. One that cannot be used has its reason in ``error``; the others are
            not affected.

        Raises:
            ImageError: ``sources`` is one image rather than several.
            BackboneError: The backbone's weights are not to be had on this machine.
        """
        return list(self.predict_each(sources))

    def predict_each(self, sources: Sequence[Source]) -> Iterator[Prediction]:
        """Like ``predict``, a chunk at a time: memory stays flat however many sources there are."""
        _require_several(sources)
        for start in range(0, len(sources), _CHUNK):
            chunk = sources[start : start + _CHUNK]
            probabilities, errors = self._probabilities(chunk)
            for index, source in enumerate(chunk):
                name = os.fspath(source) if isinstance(source, str | os.PathLike) else f"#{start + index}"
                if index in errors:
                    yield Prediction(name, "", 0.0, {}, errors[index])
                else:
                    yield self._prediction(name, probabilities[index])

    def predict_proba(self, sources: Sequence[Source]) -> npt.NDArray[np.float32]:
        """Probabilities (N, C) in the order of ``classes``.

        Raises:
            ImageError: A source cannot be used; it names the first one. Or ``sources`` is one image.
        """
        _require_several(sources)
        probabilities, errors = self._probabilities(sources)
        if errors:
            first = min(errors)
            raise ImageError(f"image {first} of {len(sources)} cannot be used: {errors[first]}")
        return probabilities

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
            data: A path as ``fit`` takes it, or a data set with this model's classes. Of data in parts, ``test`` is
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
        part = given.held_out_part
        dataset = given.part(part) if part else given
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
        probabilities = self.head.probabilities(table.values)
        found = evaluate(probabilities, table.dataset.labels, self.classes, seed=seed)
        seen = not part and given.fingerprint() == self.record.data.fingerprint
        return Evaluated(found, part, seen, table.dataset.left_out)

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
        _folder.write(folder, self.record, self.head, self.backbone, self.history, self_contained=whole)
        return folder

    def _probabilities(self, sources: Sequence[Source]) -> tuple[npt.NDArray[np.float32], dict[int, str]]:
        """Probabilities (N, C), rows of zeros where a source cannot be used, and the reasons."""
        found = extract_few(
            sources, self.backbone, self.record.outputs, choice=self._choice(), open_network=self._engines
        )
        probabilities = np.zeros((len(sources), len(self.classes)), np.float32)
        if len(found.kept):
            probabilities[found.kept] = self.head.probabilities(found.values)
        return probabilities, dict(found.refused)

    def _prediction(self, name: str, probabilities: npt.NDArray[np.float32]) -> Prediction:
        order = np.argsort(-probabilities, kind="stable")
        ranked = {self.classes[index]: float(probabilities[index]) for index in order}
        label = self.classes[order[0]]
        return Prediction(name, label, ranked[label], ranked)

    def _choice(self) -> EngineChoice:
        recorded = self.record.engine
        return nearest_choice(EngineChoice(recorded.name, recorded.precision, recorded.deviation))


def _require_several(sources: object) -> None:
    """Refuse one name, or one array, which is a sequence too: of letters, or of rows."""
    single = isinstance(sources, str | bytes | os.PathLike)
    if single or (isinstance(sources, np.ndarray) and sources.ndim not in (1, 4)):
        raise ImageError("images come as a list, not as one image", hint="model.predict([image])")


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation gave.

    Attributes:
        evaluation: The metrics with their intervals.
        part: The part of the data that was measured; empty where the data has none.
        seen_in_training: Whether the model was made from these data, so that the figures are better than it is.
        left_out: Images that could not be read; they count in no metric.
    """

    evaluation: Evaluation
    part: str
    seen_in_training: bool
    left_out: tuple[LeftOut, ...]


def load(path: str | os.PathLike[str]) -> Model:
    """Read a model folder.

    Raises:
        ModelError: It is not there, damaged, of another format, or its parts do not fit together.
    """
    return Model(*_folder.read(Path(path)))
