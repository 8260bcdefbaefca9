"""A model with classes as the server has it."""

from __future__ import annotations

import base64
import contextlib
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from topwork import explain
from topwork.errors import DataError, ExplainError, TopworkError
from topwork.model import Classifier, Neighbour, Prediction
from topwork.page import critical_facts, model_facts
from topwork.tasks._serving import Row, Wanted


class ClassServing:
    """Labels with probabilities; ``Serving`` tells the rest."""

    collects = True
    slow = False
    looking = enrolling = None
    formats: Mapping[str, Any] = {}

    def __init__(self, model: Classifier) -> None:
        self._model = model

    @property
    def tensors(self) -> Mapping[str, tuple[str, tuple[int, ...]]]:
        """One row an input."""
        found: dict[str, tuple[str, tuple[int, ...]]] = {
            "probabilities": ("FP32", (-1, len(self._model.classes))),
            "label": ("BYTES", (-1,)),
        }
        return found if self._model.novelty is None else {**found, "typicality": ("FP32", (-1,))}

    def facts(self, name: str) -> dict[str, Any]:
        """Its classes and figures, and what it can show."""
        shown = {"nearest": self._model.neighbours is not None, "maps": explain.can_overlay(self._model)}
        return model_facts(self._model, name) | shown

    def require(self, wanted: Wanted) -> None:
        """Refuse promises that it cannot make, and what it cannot show."""
        wanted.require_only(("top", "coverage", "accuracy", "map", "nearest"), "it answers with classes")
        if wanted.nearest and self._model.neighbours is None:
            raise DataError(
                f"this model keeps no pictures of its training {self._model.thing}s",
                hint="fit it again with --thumbnails, or ask without nearest",
            )
        if wanted.map and not explain.can_overlay(self._model):
            raise DataError("this model gives no evidence as a picture here", hint="ask without map")
        none = np.zeros((0, sum(map(self._model.backbone.width, self._model.record.outputs))), np.float32)
        self._model.predict_features(none, [], coverage=wanted.coverage, accuracy=wanted.accuracy)

    def warm(self) -> None:
        """Compile what draws evidence; not where that needs torch's seconds."""
        if explain.can_overlay(self._model) and not explain.overlay_needs_torch(self._model):
            with contextlib.suppress(TopworkError):
                size = self._model.backbone.preprocessing.size
                square = np.zeros((size, size, 3), np.uint8)
                explain.overlay_of_square(self._model, square, (size, size), self._model.classes[0])

    def answers(self, rows: Sequence[Row]) -> list[Prediction]:
        """Each computed by itself."""
        predict = self._model.predict_features
        return [
            predict(row.features[None], [row.name], coverage=row.wanted.coverage, accuracy=row.wanted.accuracy)[0]
            for row in rows
        ]

    def told(self, prediction: Prediction, row: Row) -> dict[str, Any]:
        """Its fields, with as many classes as are wanted."""
        fields = prediction.to_dict()
        fields["probabilities"] = dict(itertools.islice(fields["probabilities"].items(), row.wanted.top))
        critical = critical_facts(self._model)
        if critical is not None:
            name = critical["class"]
            seen = {"probability": prediction.probabilities[name], "flagged": prediction.label == name}
            fields["critical"] = {**critical, **seen}
        if row.wanted.nearest:
            fields["nearest"] = self._nearest(row)
        return fields | (self._evidence(prediction.label, row) if row.wanted.map else {})

    def arrays(self, predictions: Sequence[Prediction]) -> Mapping[str, Any]:
        """Probabilities in the order of the classes, labels, and how typical each is."""
        names = self._model.classes
        table = [[each.probabilities[name] for name in names] for each in predictions]
        found = {
            "probabilities": np.array(table, np.float32),
            "label": [each.label for each in predictions],
            "typicality": np.array([each.typicality for each in predictions], np.float32),
        }
        return {name: found[name] for name in self.tensors}

    def _evidence(self, label: str, row: Row) -> dict[str, Any]:
        """Where the model sees its answer; nothing where there is no evidence to be shown."""
        if row.square is None:
            return {}
        try:
            found = explain.overlay_of_square(self._model, row.square, row.size, label)
        except ExplainError:
            return {}
        return {"map": f"data:image/png;base64,{base64.b64encode(found.png).decode()}", "view": list(found.view)}

    def _nearest(self, row: Row) -> list[dict[str, Any]]:
        """The training images that are most like what was answered; of texts their beginnings."""
        if self._model.neighbours is None:
            return []
        (near,) = self._model.neighbours.nearest(row.features[None], self._model.classes, row.wanted.nearest)
        return [
            {"label": each.label, "name": each.name, "similarity": each.similarity, **self._shown(each)}
            for each in near
        ]

    def _shown(self, near: Neighbour) -> dict[str, str]:
        if self._model.thing == "text":
            return {"text": near.thumbnail.decode("utf-8", "replace")}
        return {"thumbnail": f"data:image/jpeg;base64,{base64.b64encode(near.thumbnail).decode()}"}
