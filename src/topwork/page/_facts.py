"""What a page is told of a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from topwork.errors import DataError
from topwork.metrics import FALSE_ALARMS, Costs, Rule
from topwork.model import Classifier, CriticalRecord

OFFERED = (0.9, 0.95, 0.99)
"""Levels of accuracy and of coverage among which the page lets one choose."""


def model_facts(model: Classifier, name: str) -> dict[str, Any]:
    """Facts of a model as the page reads them, JSON-ready.

    Args:
        model: The model.
        name: What it is called.

    Returns:
        ``name, task, kind, answer, classes, strategy, accuracy, size, selective, levels, critical``; ``levels`` are
        those of accuracy and of coverage that it can promise. What only a server can do (``maps, nearest, collect``)
        is False.
    """
    record, kept = model.record, promises(model)
    accuracy = model.metrics.accuracy if model.metrics is not None else None
    return {
        "name": name,
        "task": record.task.name,
        "kind": model.thing,
        "answer": "classes",
        "classes": list(model.classes),
        "strategy": record.strategy,
        "accuracy": accuracy and {"value": accuracy.value, "low": accuracy.low, "high": accuracy.high},
        "size": model.backbone.preprocessing.size if model.thing == "image" else None,
        "selective": any(kept.values()),
        "levels": {kind: list(levels) for kind, levels in kept.items()},
        "critical": critical_facts(model),
        "maps": False,
        "nearest": False,
        "collect": False,
    }


def critical_facts(model: Classifier) -> dict[str, Any] | None:
    """The class whose recall or precision has a target, and its threshold; None where there is none."""
    decision = model.record.task.decision
    return {"class": decision.name, "threshold": decision.threshold} if isinstance(decision, CriticalRecord) else None


def promises(model: Classifier) -> dict[str, dict[float, float]]:
    """By the levels that the page offers, the probability from which the model answers, or lets a class into a set."""
    selective = model.record.task.selective
    if selective is None:
        return {"accuracy": {}, "coverage": {}}
    return {"accuracy": _kept(selective.answer_from), "coverage": _kept(selective.set_from)}


def _kept(threshold: Callable[[float], float]) -> dict[float, float]:
    found = {}
    for level in OFFERED:
        try:
            found[level] = threshold(level)
        except DataError:  # the model cannot promise so much
            continue
    return found


def web_facts(model: Classifier, name: str, *, file: str, size: int) -> dict[str, Any]:
    """Facts with which a browser answers by itself, beside ``model_facts``.

    Args:
        model: The model.
        name: What it is called.
        file: Of the network, beside the page.
        size: Its bytes.
    """
    return {
        **model_facts(model, name),
        "file": file,
        "bytes": size,
        "rule": _rule(model.rule),
        "promises": {
            kind: {f"{level:g}": each for level, each in kept.items()} for kind, kept in promises(model).items()
        },
        "unfamiliar_to": FALSE_ALARMS,
    }


def _rule(rule: Rule | None) -> dict[str, Any] | None:
    if rule is None:
        return None
    if isinstance(rule, Costs):
        return {"costs": rule.matrix.tolist()}
    return {"place": rule.place, "probability": rule.probability}
