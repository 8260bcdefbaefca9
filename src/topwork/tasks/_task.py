"""What a task is to the rest of the house: one frozen value. Generic rooms receive it and never import one."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Protocol

from topwork.checking import BLOCKING
from topwork.errors import DataError

if TYPE_CHECKING:
    from topwork.advising import Advice, Trial
    from topwork.backbones import Backbone
    from topwork.checking import Check
    from topwork.data import ImageDataset
    from topwork.features import FeatureTable, Progress, Source
    from topwork.model import Model, ModelRecord, TaskRecord
    from topwork.report import PrintFigure, Section

Announce = Callable[[str], "Progress | None"]
"""Called with the name of a step that begins; may give a progress callback for it."""

RecordOf = Callable[["TaskRecord"], "ModelRecord[Any]"]
"""Puts a task's block into the record of the model that is being made."""


@dataclass(frozen=True)
class Run:
    """One run of a strategy.

    Attributes:
        announce: Called with what begins.
        began: When the run began, on ``time.perf_counter``'s clock: reading and checking count in a budget too.
    """

    announce: Announce | None = None
    began: float = field(default_factory=time.perf_counter)


class Fitted(Protocol):
    """What a strategy gives, as far as every task has it; a task's own strategies give more.

    Attributes:
        strategy: The rung that is stood on in the end: fine-tuning may keep the probe.
        head_kind: What is written down as ``head``.
        table: Features of every row of the data set, made by the backbone that is kept.
        trials: What was compared on the way, the winners marked.
        notes: What the user should know.
        advice: Of the climb that chose the strategy; None where it was named.
    """

    @property
    def strategy(self) -> str: ...
    @property
    def head_kind(self) -> str: ...
    @property
    def table(self) -> FeatureTable: ...
    @property
    def trials(self) -> tuple[Trial, ...]: ...
    @property
    def cross_validation(self) -> Mapping[str, float]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def advice(self) -> Advice | None: ...


@dataclass(frozen=True)
class Strategy:
    """One way to a model.

    Attributes:
        name: For ``fit(strategy=…)`` and ``--strategy``.
        help: One sentence for the command line.
        options: A dataclass whose fields carry their help (``topwork.options``), with a ``seed``.
        fit: Data set, backbones, options and run to what it gives.
        unused: Fields of the options, nested ones included, that it does not read.
        advise: The same without a model: what the data say of all strategies; None where it compares nothing.
        dataless: A model of backbones and options with ``labels``, without any data; None where it needs some.
        distributed: Whether several processes of ``torchrun`` may run it together.
        broken_off: How the note begins that it leaves where Ctrl-C broke it off: its checkpoints are kept then.
    """

    name: str
    help: str
    options: type[Any]
    fit: Callable[[ImageDataset, Sequence[Backbone], Any, Run], Any]
    unused: tuple[str, ...] = ()
    advise: Callable[[ImageDataset, Sequence[Backbone], Any, Run], Advice] | None = None
    dataless: Callable[[Sequence[Backbone], Any], Model] | None = None
    distributed: bool = False
    broken_off: str = ""

    def checked(self, options: Any) -> Any:
        """These options, or the defaults.

        Raises:
            DataError: They are another strategy's.
        """
        if not isinstance(options, self.options | None):
            raise DataError(f"strategy {self.name} takes {self.options.__name__}, not {type(options).__name__}")
        return options if options is not None else self.options()

    def was_broken_off(self, record: ModelRecord[Any]) -> bool:
        """Whether Ctrl-C broke off the training that made a model."""
        return bool(self.broken_off) and any(self.broken_off in note for note in record.data.notes)


@dataclass(frozen=True)
class Words:
    """What the command line says of a task's results, in lines.

    Attributes:
        fitted: Of a model that was just made: how good it is, how it was chosen.
        predicted: Of a prediction, which has a ``source``, an ``error`` and ``to_dict()``: one line, tabs between.
        evaluated: Of what a model's ``evaluate`` gave.
        fields: The same, JSON-ready.
        caveats: Why its figures are better than the model, where that is known.
        advised: Of advice, where a strategy gives any.
        compared: Of two models' names and a ``model.Compared``; None where the answers are not classes.
        row: Of a prediction and the classes whose probabilities are wanted: a row of a table, the columns of all.
    """

    fitted: Callable[[Any], Sequence[str]]
    predicted: Callable[[Any], str]
    evaluated: Callable[[Any], Sequence[str]]
    fields: Callable[[Any], Mapping[str, Any]]
    caveats: Callable[[Any], Sequence[str]] = lambda found: ()
    advised: Callable[[Advice], Sequence[str]] = lambda advice: ()
    compared: Callable[[Sequence[str], Any], Sequence[str]] | None = None
    row: Callable[[Any, Sequence[str]], Mapping[str, Any]] = lambda prediction, classes: prediction.to_dict()


@dataclass(frozen=True)
class Task:
    """A kind of answer, and all that is special to it.

    Attributes:
        name: For ``fit(task=…)``, and in every model's record.
        read: A path to a data set with its targets, checked; takes a model's ``classes`` where its models have any.
        split: Data set, share and seed to the same rows, some of them held out; keeps the strata that the task has.
        checks: The data doctor's questions, in the order of asking.
        quick_checks: Those among them that need no network: what ``fit`` asks first.
        strategies: The ways to a model; the first is the default.
        model: The class of its models: what they predict, and the type of its block in their record.
        model_of: What a strategy gave, the record, the split to measure on (empty: none) and the seed, to a model;
            where there is a ``decision``, an instance of it comes last.
        sections: Of a model's page, in order.
        words: What the command line says.
        folds_of: Models of k folds, each measured on what it was not fitted on, what was dealt into the folds (``all``
            or ``train``) and the seed, to fields of the block; None where the task has no such figures.
        figures: Of a model, for print, in order.
        blocking: Names of its checks' findings that may block: what ``fit(allow=…)`` takes.
        decision: A dataclass of options, whatever the strategy, for how its models decide on an answer; its fields are
            arguments of ``fit``, and ``require(dataset)`` refuses what cannot be. None where nothing is to be decided.
        untrained: What a backbone answers without a model, sources to predictions; None where it has no such answer.
        transfer: What transfer buys: data set, backbone, ``budget``, ``seed``, ``cache`` and ``announce`` to a result
            of ``topwork.explain``'s kind that has ``lines`` too; None where it cannot be told.
    """

    name: str
    read: Callable[..., Any]
    split: Callable[[Any, float, int], Any]
    checks: tuple[Check, ...]
    quick_checks: tuple[Check, ...]
    strategies: tuple[Strategy, ...]
    model: type[Model]
    model_of: Callable[..., Model]
    sections: tuple[Section, ...]
    words: Words
    folds_of: Callable[[Sequence[Any], Any, int], Mapping[str, Any]] | None = None
    figures: tuple[PrintFigure, ...] = ()
    blocking: tuple[str, ...] = BLOCKING
    decision: type[Any] | None = None
    untrained: Callable[[Backbone], Callable[[Sequence[Source]], Iterator[Any]]] | None = None
    transfer: Callable[..., Any] | None = None

    def read_for(self, model: Model, data: Any, **how: Any) -> Any:
        """What ``read`` gives, held to the classes of a model that has any."""
        classes = getattr(model, "classes", None)
        return self.read(data, **how) if classes is None else self.read(data, classes=classes, **how)

    def decided(self, given: Mapping[str, Any]) -> tuple[Any, ...]:
        """The task's ``decision`` with these values, alone in a tuple; nothing where the task has none.

        Raises:
            TypeError: A name is none of its fields.
            DataError: A value cannot be used.
        """
        known = [] if self.decision is None else [each.name for each in fields(self.decision)]
        for name in given:
            if name not in known:
                raise TypeError(f"fit() got an unexpected keyword argument {name!r}")
        return () if self.decision is None else (self.decision(**given),)

    def strategy(self, name: str) -> Strategy:
        """The strategy of that name.

        Raises:
            DataError: There is none.
        """
        known = {each.name: each for each in self.strategies}
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1)
            hint = f"did you mean {near[0]}?" if near else ""
            raise DataError(f"strategy must be one of {', '.join(known)}, not {name!r}", hint=hint)
        return known[name]
