"""What a classifier says of an image, and predictions as a list that a notebook shows as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from topwork._html import html_table
from topwork.metrics import FALSE_ALARMS


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image.

    Attributes:
        source: The file's name, or ``#3`` for the fourth array.
        label: The answer: the most probable class, or what the model's decision rule gives (``Classifier.rule``); empty
            where the image could not be used.
        probability: Of that class, 0 to 1.
        probabilities: Of every class, most probable first.
        error: Why the image could not be used; empty where it could.
        typicality: How many of the training images are as far out as this one, 0 to 1; None where the model cannot
            tell.
        answered: Whether the label is sure enough for the accuracy that was asked for; None where none was.
        labels: The classes that hold the true one with the coverage that was asked for: the answer, then the others,
            most probable first; None where none was.
    """

    source: str
    label: str
    probability: float
    probabilities: dict[str, float]
    error: str = ""
    typicality: float | None = None
    answered: bool | None = None
    labels: tuple[str, ...] | None = None

    @property
    def unfamiliar(self) -> bool:
        """Whether the image is farther out than 95 % of the training images are."""
        return self.typicality is not None and self.typicality <= FALSE_ALARMS

    def _repr_html_(self) -> str:
        return predictions_html([self])

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        if self.error:
            return {"source": self.source, "error": self.error}
        fields: dict[str, Any] = {
            "source": self.source,
            "label": self.label,
            "probability": self.probability,
            "probabilities": self.probabilities,
        }
        unfamiliar = None if self.typicality is None else self.unfamiliar
        asked = {
            "typicality": self.typicality,
            "unfamiliar": unfamiliar,
            "answered": self.answered,
            "labels": self.labels,
        }
        return fields | {name: value for name, value in asked.items() if value is not None}


class Predictions(list[Any]):
    """What ``Model.predict`` gives: a list, one prediction a source."""

    def _repr_html_(self) -> str:
        return predictions_html(self)


def predictions_html(found: Sequence[Any]) -> str:
    """Predictions as a table of their fields, whatever a task's predictions have; long ones are left out."""
    rows = [each.to_dict() for each in found]
    plain = (str, int, float, bool)
    columns = list(dict.fromkeys(name for row in rows for name, value in row.items() if isinstance(value, plain)))
    cells = [[_cell(row.get(name)) for name in columns] for row in rows]
    return html_table("1 prediction" if len(rows) == 1 else f"{len(rows)} predictions", columns, cells)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)
