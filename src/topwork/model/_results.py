"""What a model gives: predictions, and what labelled images said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.data import ImageDataset, LeftOut
from topwork.features import FeatureTable
from topwork.metrics import FALSE_ALARMS, Evaluation, SelectiveReport, Shift


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image.

    Attributes:
        source: The file's name, or ``#3`` for the fourth array.
        label: The most probable class; empty where the image could not be used.
        probability: Of that class, 0 to 1.
        probabilities: Of every class, most probable first.
        error: Why the image could not be used; empty where it could.
        typicality: How many of the training images are as far out as this one, 0 to 1; None where the model cannot
            tell.
        answered: Whether the label is sure enough for the accuracy that was asked for; None where none was.
        labels: The classes that hold the true one with the coverage that was asked for, most probable first; None where
            none was.
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


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What an evaluation gave.

    Attributes:
        evaluation: The metrics with their intervals.
        split: The split of the data that was measured; empty where the data has none.
        seen_in_training: Whether the model was made from these data, or from some of these images, so that the figures
            are better than it is.
        dataset: The images that were measured, row by row; under ``left_out`` those that could not be read and count in
            no metric.
        probabilities: (N, C) float32, what the model said of them.
        shift: Whether they are like the training images; None where the model cannot tell.
        selective: What its thresholds gave, level by level; empty where it has none.
        features: What the head read of them, of very many of some; None where that was not kept.
        trained: How many of them the model was made from, byte for byte; None where it cannot tell.
    """

    evaluation: Evaluation
    split: str
    seen_in_training: bool
    dataset: ImageDataset
    probabilities: npt.NDArray[np.float32]
    shift: Shift | None = None
    selective: tuple[SelectiveReport, ...] = ()
    features: FeatureTable | None = None
    trained: int | None = None

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Images that could not be read."""
        return self.dataset.left_out
