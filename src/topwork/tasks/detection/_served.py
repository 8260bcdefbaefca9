"""A detector as the server has it."""

from __future__ import annotations

import base64
import functools
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from topwork import explain
from topwork.tasks._serving import Row, Wanted
from topwork.tasks.detection._found import FoundObjects
from topwork.tasks.detection._model import Detector
from topwork.tasks.detection.explain import Explain, occlusion
from topwork.tasks.detection.network import Decoding

_STEPS = 6  # evidence in a page is a quarter as fine as what `topwork explain` draws, and takes a quarter of its time


class DetectorServing:
    """Objects with their boxes in pixels of the image that was sent; ``Serving`` tells the rest."""

    slow = False
    collects = False  # a box is no folder's name: a corrected one is drawn in another program
    looking = enrolling = None
    formats: Mapping[str, Any] = {}
    tensors: Mapping[str, tuple[str, tuple[int, ...]]] = {
        "boxes": ("FP32", (-1, 4)),
        "scores": ("FP32", (-1,)),
        "labels": ("BYTES", (-1,)),
        "counts": ("INT64", (-1,)),
    }
    """The objects of all images, one after another: corners in pixels; and how many of them are of each image."""

    def __init__(self, model: Detector) -> None:
        self._model = model
        self._evidence_lock = threading.Lock()  # it takes all cores for a second or more: one picture at a time

    def facts(self, name: str) -> dict[str, Any]:
        """Its classes, thresholds and figures."""
        model = self._model
        ap50 = model.metrics.ap50 if model.metrics is not None else None
        return {
            "name": name,
            "task": model.record.task.name,
            "kind": model.thing,
            "answer": "objects",
            "classes": list(model.classes),
            "strategy": model.record.strategy,
            "ap50": ap50 and {"value": ap50.value, "low": ap50.low, "high": ap50.high},
            "size": model.backbone.preprocessing.size,
            "thresholds": dict(zip(model.classes, model.record.task.thresholds, strict=True)),
            "lowest": Decoding().threshold,
            "maps": True,
        }

    def require(self, wanted: Wanted) -> None:
        """Refuse what is asked of models with classes."""
        wanted.require_only(("threshold", "map"), "it finds objects")

    def warm(self) -> None:
        """Nothing: what draws evidence is compiled for the first that asks for it."""

    def answers(self, rows: Sequence[Row]) -> list[FoundObjects]:
        """Each computed by itself."""
        predict = self._model.predict_features
        return [predict(row.features[None], [row.size], [row.name], threshold=row.wanted.threshold)[0] for row in rows]

    def told(self, prediction: FoundObjects, row: Row) -> dict[str, Any]:
        """Its fields; where it is wanted, with the evidence for its surest object."""
        return prediction.to_dict() | (self._evidence(prediction, row) if row.wanted.map else {})

    def arrays(self, predictions: Sequence[FoundObjects]) -> Mapping[str, Any]:
        """Objects of all images; edges of boxes as ``xmin, ymin, xmax, ymax``."""
        found = [each.detections for each in predictions]
        return {
            "boxes": np.concatenate([each.corners for each in found]),
            "scores": np.concatenate([each.scores for each in found]),
            "labels": [one.label for each in predictions for one in each],
            "counts": np.array([len(each) for each in found], np.int64),
        }

    @functools.cached_property
    def _explain(self) -> Explain:
        return Explain(self._model)

    def _evidence(self, prediction: FoundObjects, row: Row) -> dict[str, Any]:
        """What the score of the surest object rests on; nothing where none reaches its class's threshold."""
        found = prediction.detections
        sure = np.flatnonzero(found.scores >= self._model.thresholds[found.labels])
        surest = found.select(sure[:1])
        if row.square is None or not len(surest):
            return {}
        with self._evidence_lock:
            values = occlusion(self._explain.target(row.square, row.size, surest), _STEPS)
        label = self._model.classes[int(surest.labels[0])]
        drawn = explain.laid_over(values, self._model.backbone.preprocessing, row.size, label)
        png = base64.b64encode(drawn.png).decode()
        return {"label": label, "map": f"data:image/png;base64,{png}", "view": list(drawn.view)}
