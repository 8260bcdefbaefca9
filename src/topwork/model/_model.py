"""A model, whatever the task: a record, a backbone and tensors, which go to and from a folder."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

from topwork._html import html_table
from topwork.backbones import AnyBackbone
from topwork.engines import EngineChoice, Engines, nearest_choice
from topwork.errors import DataError
from topwork.metrics import Estimate
from topwork.model import _folder
from topwork.model._card import as_text
from topwork.model._folder import Parts, Tensors
from topwork.model._kind import IMAGES, Kind
from topwork.model._methods import Methods, methods
from topwork.model._predictions import Predictions
from topwork.model._record import ModelRecord, TaskRecord


class ToMeasure(NamedTuple):
    """Rows that are to measure a model.

    Attributes:
        dataset: The rows.
        split: What they are called; empty where the data have no splits.
        seen_in_training: Whether the model was made from all of the data.
    """

    dataset: Any
    split: str
    seen_in_training: bool

    def unreadable(self) -> DataError:
        """What is raised where none of them can be read."""
        rows = self.dataset
        return DataError(f"{rows.root}: none of the {len(rows)} {rows.thing}s can be read")


class Model(ABC):
    """What ``fit`` makes and ``load`` reads. A task has one final class of it (``Task.model``).

    Attributes:
        block: The type of the task's block in the record.
        kind: What it answers to.
        record: What ``model.json`` holds.
        backbone: What makes the features, preprocessing included.
        history: What each epoch of a training gave, a line of ``history.jsonl`` each; empty where nothing was trained
            by epochs.
        held_out: What the held-out data said, row by row, until the model is saved; a loaded model has none.
    """

    block: ClassVar[type[TaskRecord]]
    kind: ClassVar[Kind] = IMAGES
    record: ModelRecord[Any]
    backbone: Any
    history: tuple[dict[str, Any], ...]
    held_out: Any = None

    def __init__(self, record: ModelRecord[Any], backbone: AnyBackbone, history: Sequence[dict[str, Any]] = ()) -> None:
        self.record = record
        self.backbone = backbone
        self.history = tuple(history)
        self._engines = Engines(backbone, record.outputs)

    @property
    def thing(self) -> str:
        """What it answers to: how one is called."""
        return self.kind.thing

    @classmethod
    @abstractmethod
    def from_parts(cls, parts: Parts, where: str) -> Self:
        """The model of a folder's contents.

        Args:
            parts: The contents.
            where: The folder, for messages.

        Raises:
            ModelError: The parts do not fit together.
        """

    @abstractmethod
    def tensors(self) -> Mapping[str, Tensors]:
        """What to write: the contents of each ``NAME.safetensors`` by its name."""

    @abstractmethod
    def card(self, record: ModelRecord[Any], name: str) -> str:
        """The model card, Markdown after a YAML header.

        Args:
            record: As it is written.
            name: What the model is called: its folder.
        """

    def methods(self) -> Methods:
        """What a paper tells of the model and cites; a task adds what it alone knows."""
        version = as_text(self.record.versions.get("topwork", ""))
        made = f"A model of the task {as_text(self.record.task.name)} was made with topwork {version}."
        return methods(self.record, task=[made], kind=self.kind)

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        record = self.record
        rows = [("strategy", record.strategy), ("network", str(record.backbone["name"])), *self._facts()]
        rows += [("training data", f"{record.data.training}"), ("held out", f"{record.data.held_out}")]
        return html_table(f"topwork model: {record.task.name}", (), [*rows, ("made", record.created)])

    def _facts(self) -> list[tuple[str, str]]:
        """Names and values that a task adds to what a notebook shows."""
        return []

    @property
    def figure(self) -> Estimate | None:
        """The one figure by which its strategies are told apart, on held-out data; None where it has none."""
        return None

    @property
    @abstractmethod
    def metrics(self) -> Any:
        """What held-out data said when the model was made; None where none was held out."""

    def predict(self, sources: Iterable[Any], *args: Any, **options: Any) -> list[Any]:
        """A prediction for each source, in order; one that cannot be used has its reason in ``error``."""
        return Predictions(self.predict_each(sources, *args, **options))

    @abstractmethod
    def predict_each(self, sources: Iterable[Any], *args: Any, **options: Any) -> Iterator[Any]:
        """A prediction for each source, a chunk at a time: memory stays flat however many sources there are."""

    @abstractmethod
    def evaluate(self, data: Any, *args: Any, **options: Any) -> Any:
        """Measure the model on data that it was not trained on."""

    def to_measure(self, given: Any, reader: str) -> ToMeasure:
        """The rows of a data set with classes that measure it: those of ``test``, ``val`` or all.

        Raises:
            DataError: The classes are not the model's; the hint tells to ``reader``.
        """
        classes = self.record.task.classes
        if given.classes != classes:
            raise DataError(
                f"the data set's classes {given.classes} are not the model's {classes}",
                hint=f"read it with {reader}(path, classes=model.classes)",
            )
        split = given.held_out_split
        seen = not split and given.fingerprint() == self.record.data.fingerprint
        return ToMeasure(given.split(split) if split else given, split, seen)

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
        parts = Parts(self.record, self.backbone, self.tensors(), self.history)
        whole = self_contained or self.backbone.weights.source == "file"
        name = folder.resolve().name
        own: Any = {"beside": self.beside(), "keeps": self.keeps(folder)}
        _folder.write(
            folder, parts, lambda record: self.card(record, name), self.methods(), self_contained=whole, **own
        )
        return folder

    def beside(self) -> Mapping[str, Callable[[Path], None]]:
        """Folders of its own in the model's folder, by name, and what writes each; none here."""
        return {}

    def keeps(self, folder: Path) -> Collection[str]:
        """Which of these may be replaced when it is saved over the model that lies there, since they hold the same."""
        return ()

    @property
    def engine_choice(self) -> EngineChoice:
        """What runs the backbone: the engine and precision of the fit, or the nearest that is here."""
        recorded = self.record.engine
        return nearest_choice(EngineChoice(recorded.name, recorded.precision, recorded.deviation))


def load(path: str | os.PathLike[str], model_of: Callable[[str], type[Model]]) -> Model:
    """Read a model folder.

    Args:
        path: The folder.
        model_of: The class of a task's models by the task's name; raises a ``ModelError`` for a name that is none.

    Raises:
        ModelError: It is not there, damaged, of a newer format, or its parts do not fit together.
    """
    parts = _folder.read(Path(path), lambda name: model_of(name).block)
    return model_of(parts.record.task.name).from_parts(parts, str(path))
