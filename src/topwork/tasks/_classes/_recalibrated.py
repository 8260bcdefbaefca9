"""A classifier whose network gives other numbers, such as one in eight bits: what depends on them is set again."""

from __future__ import annotations

import dataclasses

import numpy as np

from topwork._arrays import AnyArray, Float32Array
from topwork.heads import TemperatureScaled, fit_temperature
from topwork.metrics import (
    abstention_thresholds,
    conformal_thresholds,
    decide,
    precision_threshold,
    recall_threshold,
)
from topwork.model import Classifier, CostsRecord, CriticalRecord


def recalibrated(model: Classifier, values: Float32Array, labels: AnyArray) -> Classifier:
    """The model for other features of the same images: temperature, thresholds and what is typical are set again.

    Args:
        model: As it was fitted.
        values: float32 (N, D), features of held-out images.
        labels: (N,) their classes.

    Raises:
        DataError: The target of a critical class is not reached on them.
    """
    head, novelty, block = model.head, model.novelty, model.record.task
    if isinstance(head, TemperatureScaled):
        head = dataclasses.replace(head, temperature=fit_temperature(head.logits(values), labels))
    if novelty is not None:
        novelty = dataclasses.replace(novelty, reference=np.sort(novelty.distances(values)))
    probabilities = head.probabilities(values)
    decision = _decision(model, probabilities, labels)
    rule = None if decision is None else decision.rule(model.classes)
    selective = block.selective and block.selective.model_copy(
        update={
            "source": "validation",
            "images": len(labels),
            "sets": conformal_thresholds(probabilities, labels, block.selective.levels),
            "answers": abstention_thresholds(
                probabilities, labels, block.selective.levels, decide(probabilities, rule)
            ),
            "measured": (),
        }
    )
    changed = {"calibration": head.calibration, "selective": selective, "decision": decision}
    record = model.record.model_copy(update={"task": block.model_copy(update=changed)})
    return type(model)(record, head, model.backbone, model.history, novelty, model.trained)


def _decision(model: Classifier, probabilities: AnyArray, labels: AnyArray) -> CriticalRecord | CostsRecord | None:
    """The decision with its threshold set again; costs stay what they are."""
    decision = model.record.task.decision
    if not isinstance(decision, CriticalRecord):
        return decision
    set_at = recall_threshold if decision.metric == "recall" else precision_threshold
    place = model.classes.index(decision.name)
    threshold, enough = set_at(probabilities, labels, place, decision.target, decision.name, model.thing)
    return decision.model_copy(update={"threshold": threshold, "enough": enough, "measured": None})
