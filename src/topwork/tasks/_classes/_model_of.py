"""From what a strategy gave to a measured classifier: one record, one model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from topwork.advising import novelty_of, training_rows
from topwork.data import printable
from topwork.errors import DataError
from topwork.metrics import LEVELS, Rule, abstention_thresholds, conformal_thresholds, decide
from topwork.model import ClassesRecord, Classifier, Evaluated, SelectiveRecord, measure
from topwork.tasks._classes._decision import DecisionOptions, decision_record
from topwork.tasks._classes._fitted import Fitted
from topwork.tasks._task import RecordOf


def model_of(
    fitted: Fitted,
    record_of: RecordOf,
    split: str,
    seed: int,
    decision: DecisionOptions | None = None,
    *,
    task: str,
    kind: type[Classifier] = Classifier,
) -> Classifier:
    """A classifier with what its held-out rows say of it; ``Task.model_of`` tells the first arguments.

    Args:
        fitted: What a strategy gave.
        record_of: Puts the block into the model's record.
        split: What to measure on; empty: nothing.
        seed: Of folds and bootstrap.
        decision: How the model decides, where that is not by the most probable class.
        task: Its name.
        kind: The class of its models.

    Raises:
        DataError: None of the rows that are to measure the model can be read, or no decision rule reaches what is
            asked for.
    """
    dataset = fitted.table.dataset
    decided = decision_record(fitted, decision or DecisionOptions(), seed)
    novelty, trained = novelty_of(fitted.table, fitted.out_of_fold, seed), _trained(fitted)
    selective = _selective(fitted, decided.rule(dataset.classes) if decided else None)
    found: Evaluated | None = None
    if split:
        table = fitted.table.split(split)
        if len(table) == 0:
            raise _unmeasured(fitted, split)
        found = measure(
            table,
            fitted.head,
            novelty=novelty,
            trained=trained,
            selective=selective,
            decision=decided,
            split=split,
            seed=seed,
        )
        if selective is not None:
            selective = selective.model_copy(update={"measured": tuple(each.to_dict() for each in found.selective)})
        decided = found.decision
    block = ClassesRecord(
        name=task,
        classes=dataset.classes,
        training=tuple(dataset.split("train").counts().tolist()),
        calibration=fitted.head.calibration,
        selective=selective,
        decision=decided,
        metrics=found.evaluation.to_dict() if found else None,
        **fitted.facts,
    )
    history = [epoch.model_dump() for epoch in fitted.history]
    return kind(record_of(block), fitted.head, fitted.table.backbone, history, novelty, trained, found)


def _trained(fitted: Fitted) -> npt.NDArray[np.uint64] | None:
    """Digests of the images that the model has learnt from, validation images that chose its epoch included."""
    rows = training_rows(fitted.table)
    if fitted.out_of_fold is not None and fitted.out_of_fold.source == "validation":
        rows = np.union1d(rows, fitted.out_of_fold.rows)
    digests = fitted.table.digests
    return None if digests is None else np.unique(digests[rows])


def _selective(fitted: Fitted, rule: Rule | None) -> SelectiveRecord | None:
    """From which probability on to answer; None where no images are there to tell."""
    found = fitted.out_of_fold
    if found is None:
        return None
    labels = fitted.table.dataset.labels[found.rows]
    return SelectiveRecord(
        source=found.source,
        images=len(labels),
        levels=LEVELS,
        sets=conformal_thresholds(found.probabilities, labels),
        answers=abstention_thresholds(found.probabilities, labels, decided=decide(found.probabilities, rule)),
    )


def _unmeasured(fitted: Fitted, split: str) -> DataError:
    lost = fitted.table.dataset.left_out
    return DataError(
        f"none of the test {fitted.table.dataset.thing}s ({split}) can be read",
        hint=f"left out: {printable(lost[0].path)}: {lost[0].reason}" if lost else "",
    )
