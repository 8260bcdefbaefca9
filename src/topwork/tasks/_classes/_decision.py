"""How a classifier is to decide: a class that must be found or be right when named, or what mistakes cost."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from topwork._options import Option, pairs
from topwork._text import first_of
from topwork.data import LabelledDataset
from topwork.errors import DataError
from topwork.metrics import precision_threshold, recall_threshold
from topwork.model import CostsRecord, CriticalRecord, decided

if TYPE_CHECKING:
    from topwork.tasks._classes._fitted import Fitted

_NAMED = 10  # classes
_TARGET = "a class and a share, such as defect=0.99"


@dataclass(frozen=True)
class DecisionOptions:
    """How the probabilities become an answer: by default it is the most probable class. One of the three may be given.

    ``min_recall`` and ``min_precision`` have one class: thresholds of several could not all keep what they are set for,
    since an image gets one class. A cost's key is ``"true:predicted"`` or a tuple of the two; every other mistake
    costs 1.
    """

    min_recall: Annotated[
        Mapping[str, float],
        Option(
            "Find at least this share of a class's images: predict the class from a lower confidence on, set on "
            "out-of-fold predictions.",
            takes=_TARGET,
            metavar="CLASS=SHARE",
            parse=pairs,
            many=True,
        ),
    ] = field(default_factory=dict)
    min_precision: Annotated[
        Mapping[str, float],
        Option(
            "Be right in at least this share of the images that are called this class: predict it only from a higher "
            "confidence on, set on out-of-fold predictions.",
            takes=_TARGET,
            metavar="CLASS=SHARE",
            parse=pairs,
            many=True,
        ),
    ] = field(default_factory=dict)
    cost: Annotated[
        Mapping[str | tuple[str, str], float],
        Option(
            "What a mistake costs, where that is not 1: predict the class of least expected cost. May be repeated.",
            takes="two classes and a number, such as defect:ok=10",
            metavar="TRUE:PREDICTED=COST",
            parse=pairs,
            many=True,
        ),
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("min_recall", "min_precision", "cost"):
            if not isinstance(getattr(self, name), Mapping):
                raise DataError(f"{name} must be a dict, not {getattr(self, name)!r}", hint='such as {"defect": 0.99}')
        keys = {":".join(key) if isinstance(key, tuple) else key: value for key, value in self.cost.items()}
        object.__setattr__(self, "cost", keys)
        given = [name for name in ("min_recall", "min_precision", "cost") if getattr(self, name)]
        if len(given) > 1:
            raise DataError(
                f"{' and '.join(given)} cannot be used together: each sets the rule by which the model decides",
                hint="choose one; costs weigh several classes against each other",
            )
        for metric, targets in (("recall", self.min_recall), ("precision", self.min_precision)):
            _require_target(metric, targets)
        for key, cost in self.cost.items():
            if not _is_number(cost) or not 0 <= cost < math.inf:
                raise DataError(f"the cost of {key} must be a finite number of 0 or more, not {cost!r}")

    @property
    def critical(self) -> tuple[str, Literal["recall", "precision"], float] | None:
        """The critical class, what its target is of, and the target."""
        for name, target in self.min_recall.items():
            return name, "recall", target
        for name, target in self.min_precision.items():
            return name, "precision", target
        return None

    def require(self, dataset: LabelledDataset) -> None:
        """Refuse, before any work, what these data cannot give.

        Raises:
            DataError: A class is unknown, or too few images are of it to set a threshold on, or none to measure it.
        """
        self.costs(dataset.classes)
        if self.critical is None:
            return
        name, thing = self.critical[0], dataset.thing
        place = _place(name, dataset.classes)
        training = int(dataset.split("train").counts()[place])
        if training < 2:
            told = f"no training {thing} is" if training == 0 else f"only 1 training {thing} is"
            raise DataError(
                f"{told} of class {name!r}, so no threshold can be set for it",
                hint=f"give more {thing}s of that class; at least 2 are needed, and many more to rely on",
            )
        split = dataset.held_out_split
        if split and dataset.split(split).counts()[place] == 0:
            raise DataError(
                f"none of the held-out {thing}s ({split}) is of class {name!r}, so nothing would measure the threshold",
                hint=f"give held-out {thing}s of that class, or hold out a larger share with --test",
            )

    def costs(self, classes: Sequence[str]) -> tuple[tuple[str, str, float], ...]:
        """(true class, predicted class, cost) of each mistake whose cost was given.

        Raises:
            DataError: A class is unknown, or the two are the same.
        """
        return tuple((*_pair(str(key), classes), float(cost)) for key, cost in self.cost.items())


def _require_target(metric: str, targets: Mapping[str, float]) -> None:
    if len(targets) > 1:
        raise DataError(
            f"min_{metric} takes one class, not {len(targets)}: an image gets one class, so several thresholds could "
            "not all keep what they are set for",
            hint="weigh several classes by costs instead: --cost TRUE:PREDICTED=COST",
        )
    for name, target in targets.items():
        if not _is_number(target) or not 0 < target < 1:
            raise DataError(
                f"the {metric} of {name!r} must be above 0 and below 1, not {target!r}", hint="such as 0.99"
            )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _place(name: str, classes: Sequence[str]) -> int:
    if name not in classes:
        near = difflib.get_close_matches(str(name), classes, 1)
        known = ", ".join(first_of([*classes], _NAMED, "… and {} more"))
        raise DataError(
            f"there is no class {name!r}", hint=f"did you mean {near[0]!r}?" if near else f"the classes are {known}"
        )
    return classes.index(name)


def _pair(key: str, classes: Sequence[str]) -> tuple[str, str]:
    """The two classes of ``true:predicted``, whose names may hold colons too."""
    splits = [(key[:place], key[place + 1 :]) for place, mark in enumerate(key) if mark == ":"]
    if not splits:
        raise DataError(f"a cost is of two classes, not of {key!r}", hint="such as defect:ok=10, TRUE:PREDICTED=COST")
    known = [pair for pair in splits if set(pair) <= set(classes)]
    if len(known) > 1:
        raise DataError(f"{key!r} can be read as several pairs of classes", hint="rename a class that has a colon")
    true, said = known[0] if known else splits[0]
    _place(true, classes)
    _place(said, classes)
    if true == said:
        raise DataError(f"{key}: an answer that is right costs nothing", hint="give a mistake, such as defect:ok=10")
    return true, said


def decision_record(fitted: Fitted, options: DecisionOptions, seed: int) -> CriticalRecord | CostsRecord | None:
    """The rule that is asked for, and what it gives out of fold; None where none is.

    Raises:
        DataError: There are no out-of-fold predictions, or they cannot reach the target.
    """
    found, dataset = fitted.out_of_fold, fitted.table.dataset
    labels = dataset.labels[found.rows] if found else None
    costs = options.costs(dataset.classes)
    if costs:
        record = CostsRecord(costs=costs, calibrated=bool(fitted.head.calibration))
        if found is None or labels is None:
            return record
        report = decided(record, found.probabilities, labels, dataset.classes, seed)
        return record.model_copy(update={"source": found.source, "out_of_fold": report.to_dict()})
    if options.critical is None:
        return None
    name, metric, target = options.critical
    if found is None or labels is None:
        raise DataError(
            f"no threshold can be set for {name!r}: strategy {fitted.strategy} gave no out-of-fold predictions",
            hint="use another strategy, such as probe; where that gives none either, add training "
            f"{dataset.thing}s of each class",
        )
    place = _place(name, dataset.classes)
    set_at = recall_threshold if metric == "recall" else precision_threshold
    threshold, enough = set_at(found.probabilities, labels, place, target, name, dataset.thing)
    fields: dict[str, Any] = {"name": name, "metric": metric, "target": target, "threshold": threshold}
    fields |= {"enough": enough, "source": found.source}
    draft = CriticalRecord.model_construct(**fields)
    report = decided(draft, found.probabilities, labels, dataset.classes, seed)
    return CriticalRecord(**fields, out_of_fold=report.to_dict())
