"""What a task is to the rest of the house: one frozen value. Generic rooms receive it and never import one."""

from __future__ import annotations

import difflib
import importlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from topwork.backbones import load as load_backbone
from topwork.data import split as split_rows
from topwork.errors import DataError

if TYPE_CHECKING:
    from topwork._arrays import UInt8Array
    from topwork.advising import Advice, Rung, Trial
    from topwork.backbones import Backbone
    from topwork.checking import Check, Examination
    from topwork.exporting import Answers
    from topwork.features import FeatureTable, Progress, Source
    from topwork.model import Model, ModelRecord, TaskRecord
    from topwork.report import PrintFigure, Section
    from topwork.tasks._serving import Serving

Announce = Callable[[str], "Progress | None"]
"""Called with the name of a step that begins; may give a progress callback for it."""

Climb = Callable[["Rung"], None]
"""Called with a rung of the ladder that is known now."""

RecordOf = Callable[["TaskRecord"], "ModelRecord[Any]"]
"""Puts a task's block into the record of the model that is being made."""


@dataclass(frozen=True)
class Run:
    """One run of a strategy.

    Attributes:
        announce: Called with what begins.
        began: When the run began, on ``time.perf_counter``'s clock: reading and checking count in a budget too.
        climbed: Called with each rung of the ladder, measured or not, as soon as it is known; again where more is.
    """

    announce: Announce | None = None
    began: float = field(default_factory=time.perf_counter)
    climbed: Climb | None = None


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
    fit: Callable[[Any, Sequence[Any], Any, Run], Any]
    unused: tuple[str, ...] = ()
    advise: Callable[[Any, Sequence[Any], Any, Run], Advice] | None = None
    dataless: Callable[[Sequence[Any], Any], Model] | None = None
    distributed: bool = False
    broken_off: str = ""

    @property
    def takes_budget(self) -> bool:
        """Whether it can be told how long it may take."""
        return any(each.name == "budget_seconds" for each in fields(self.options))

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
        compared: Of two models' names and what the task's ``compare`` gave; None where it has none.
        rows: Of a prediction and the classes whose probabilities are wanted: rows of a table, the columns of all.
        brief: Of a prediction: its answer without the source's name.
    """

    fitted: Callable[[Any], Sequence[str]]
    predicted: Callable[[Any], str]
    evaluated: Callable[[Any], Sequence[str]]
    fields: Callable[[Any], Mapping[str, Any]]
    caveats: Callable[[Any], Sequence[str]] = lambda found: ()
    advised: Callable[[Advice], Sequence[str]] = lambda advice: ()
    compared: Callable[[Sequence[str], Any], Sequence[str]] | None = None
    rows: Callable[[Any, Sequence[str]], Sequence[Mapping[str, Any]]] = lambda prediction, classes: [
        prediction.to_dict()
    ]
    brief: Callable[[Any], str] = lambda prediction: ""


@dataclass(frozen=True)
class Written:
    """What can be written on a command line, or be a line of one: texts, where images are files with names.

    Attributes:
        field: What a source itself is called in results, which have it beside its name.
        rows: A file or a folder, and the names of a table's columns, to names of rows and what they hold.
        suffixes: Of the files of a folder that are one source each.
        of_file: Such a file's bytes to the source; raises a ``DataError`` where it is none.
    """

    field: str
    rows: Callable[[str, Mapping[str, str] | None], Iterator[tuple[str, Any]]]
    suffixes: tuple[str, ...]
    of_file: Callable[[bytes], Any]


@dataclass(frozen=True)
class Sample:
    """Data on which a task shows all of its steps in a short time.

    Attributes:
        dataset: What is checked, advised on, fitted and measured: rows in the splits train and test.
        unseen: Some more sources, each behind its name, for the saved model to predict.
        told: What they are, in sentences.
        budget: Seconds for the ladder.
        yours: How one's own data are given, for the last line.
    """

    dataset: Any
    unseen: Mapping[str, Any]
    told: Sequence[str]
    budget: float
    yours: str


def later(place: str) -> Callable[[], Any]:
    """Gives what stands at ``package.module:NAME``; the module is imported when that is asked for."""

    def found() -> Any:
        module, _, name = place.partition(":")
        return getattr(importlib.import_module(module), name)

    return found


def caches(options: Any) -> bool:
    """Whether a strategy with these options may keep on disk what is computed."""
    return bool(getattr(getattr(options, "probe", options), "cache", True))


_AS_IMAGES = later("topwork.checking:IMAGES")


def only(strategy: str, backbones: Sequence[Any]) -> Any:
    """The one backbone of a strategy that compares none.

    Raises:
        DataError: There are several, or there is none.
    """
    if len(backbones) != 1:
        raise DataError(
            f"{strategy} takes one backbone, not {len(backbones)}",
            hint="give one backbone; nothing here compares several",
        )
    return backbones[0]


@dataclass(frozen=True)
class Task:
    """A kind of answer, and all that is special to it.

    What neither loading nor using a model needs is a function that gives it, so that it is imported when it is asked
    for.

    Attributes:
        name: For ``fit(task=…)``, and in every model's record.
        read: A path to a data set with its targets, checked; takes a model's ``classes`` where its models have any.
        split: Data set, share and seed to the same rows, some of them held out; keeps the strata that the task has.
        checks: Gives the data doctor's questions, in the order of asking.
        quick_checks: Those among them that need no network: what ``fit`` asks first.
        strategies: Gives the ways to a model; the first is the default.
        model: The class of its models: what they predict, and the type of its block in their record.
        model_of: What a strategy gave, the record, the split to measure on (empty: none) and the seed, to a model;
            where there is a ``decision``, an instance of it comes last.
        sections: Gives those of a model's page, in order.
        words: What the command line says.
        folds_of: Models of k folds, each measured on what it was not fitted on, what was dealt into the folds (``all``
            or ``train``) and the seed, to fields of the block; None where the task has no such figures.
        figures: Gives those of a model for print, in order.
        blocking: Names of its checks' findings that may block: what ``fit(allow=…)`` takes. None stands for
            ``checking.BLOCKING``.
        decision: A dataclass of options, whatever the strategy, for how its models decide on an answer; its fields are
            arguments of ``fit``, and ``require(dataset)`` refuses what cannot be. None where nothing is to be decided.
        untrained: What a backbone answers without a model, sources to predictions; None where it has no such answer.
        examination: How its rows are looked at before a check asks of them; as images where nothing else is said.
        backbone: The name of its default backbone.
        load: A backbone of its kind by name; takes what ``backbones.load`` does, as far as it makes sense.
        told_by: Whether data are of this task's kind, by a look that is quick; the default task's are what is left.
        alike: The task whose data look the same, so that a person has to say which of the two is meant; empty where the
            data tell.
        written: How its sources are given on a command line; None where they are files, named there.
        sample: Gives the data of its demo; None where it has none.
        compare: Two of its models and a data set to what both say of it and the comparison (``first``, ``second``,
            ``comparison``); takes ``seed``, ``cache`` and ``progress``. None where its models cannot be compared.
        tiled: Whether its models' ``evaluate``, and ``compare``, take a ``tile`` as ``predict_each`` does.
        drawn: A prediction and its source to a picture of what was found where; None where there is no such thing.
        masks: A prediction to arrays of whole numbers (H, W), by what stands behind the image's name in a file's; None
            where a prediction is no mask.
        write_outlines: A prediction and a path to a GeoJSON file of what was found; None where it has no outlines.
        transfer: What transfer buys: data set, backbone, ``budget``, ``seed``, ``cache`` and ``announce`` to a result
            of ``topwork.explain``'s kind that has ``lines`` too; None where it cannot be told.
        explain: What a model's answers rest on, where rows are no images: model, what is asked, ``texts``, or rows of
            which the worst mistakes are explained (``held``), the rows that it learnt from (``learnt``), ``label``,
            ``most``, ``seed``, ``cache`` and ``announce`` to results with ``headline``, ``lines``, ``to_dict()`` and
            ``marked``. None where ``topwork.explain`` draws it.
        evidence: Where an answer about an image is more than a class: model, ``label``, ``number`` and ``seed`` to a
            function of an image that gives a result of ``topwork.explain``'s kind that has ``lines`` too. None where
            ``topwork.explain`` draws it.
        tells_certainty: Whether its models' ``predict_each`` takes ``certainty``, and tells with
            ``certainty_is_calibrated`` how it is meant.
        explains_points: Whether ``evidence`` takes a ``point`` too, x and y of a pixel.
        exported: Gives what its exported models answer with; None where they cannot be exported.
        served: Gives what makes of a model what the server has; None where its models cannot be served.
    """

    name: str
    read: Callable[..., Any]
    checks: Callable[[], tuple[Check, ...]]
    quick_checks: Callable[[], tuple[Check, ...]]
    strategies: Callable[[], tuple[Strategy, ...]]
    model: type[Model]
    model_of: Callable[..., Model]
    sections: Callable[[], tuple[Section, ...]]
    words: Words
    folds_of: Callable[[Sequence[Any], Any, int], Mapping[str, Any]] | None = None
    figures: Callable[[], tuple[PrintFigure, ...]] = tuple
    blocking: tuple[str, ...] | None = None
    decision: type[Any] | None = None
    untrained: Callable[[Backbone], Callable[[Sequence[Source]], Iterator[Any]]] | None = None
    transfer: Callable[..., Any] | None = None
    explain: Callable[..., Iterator[Any]] | None = None
    evidence: Callable[..., Callable[[Any], Any]] | None = None
    examination: Callable[[], Examination] = _AS_IMAGES
    backbone: str = "lite0"
    load: Callable[..., Any] = load_backbone
    told_by: Callable[[Any], bool] = lambda data: False
    alike: str = ""
    split: Callable[[Any, float, int], Any] = lambda dataset, share, seed: split_rows(dataset, test=share, seed=seed)
    written: Written | None = None
    sample: Callable[[], Sample] | None = None
    compare: Callable[..., Any] | None = None
    tiled: bool = False
    drawn: Callable[[Any, Source], UInt8Array] | None = None
    masks: Callable[[Any], Mapping[str, Any]] | None = None
    write_outlines: Callable[[Any, Path], int] | None = None
    tells_certainty: bool = False
    explains_points: bool = False
    exported: Callable[[], Answers] | None = None
    served: Callable[[], Callable[[Any], Serving]] | None = None

    def read_for(self, model: Model, data: Any, **how: Any) -> Any:
        """What ``read`` gives, held to the classes of a model that has any."""
        classes = getattr(model, "classes", None)
        return self.read(data, **how) if classes is None else self.read(data, classes=classes, **how)

    def beside(self, row: Mapping[str, Any], source: Any) -> dict[str, Any]:
        """A row with what its source holds right behind its name, where sources are no files.

        A class that is called like that is told as one.
        """
        if self.written is None:
            return dict(row)
        own = self.written.field
        (name, value), *rest = row.items()
        return {name: value, own: source, **{f"{key} (class)" if key == own else key: cell for key, cell in rest}}

    def decided(self, given: Mapping[str, Any]) -> tuple[Any, ...]:
        """The task's ``decision`` with these values, alone in a tuple; nothing where the task has none.

        Raises:
            TypeError: A name is none of its fields.
            DataError: A value cannot be used.
        """
        for name in given:
            if not self.decides_on(name):
                raise TypeError(f"fit() got an unexpected keyword argument {name!r}")
        return () if self.decision is None else (self.decision(**given),)

    def decides_on(self, name: str) -> bool:
        """Whether the task's ``decision`` has a field of that name."""
        return self.decision is not None and name in [each.name for each in fields(self.decision)]

    def strategy(self, name: str) -> Strategy:
        """The strategy of that name.

        Raises:
            DataError: There is none.
        """
        known = {each.name: each for each in self.strategies()}
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1)
            hint = f"did you mean {near[0]}?" if near else ""
            raise DataError(f"strategy must be one of {', '.join(known)}, not {name!r}", hint=hint)
        return known[name]
