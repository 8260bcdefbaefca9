"""A detector as the server has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from topwork.tasks._serving import Row, Wanted
from topwork.tasks.detection._found import FoundObjects
from topwork.tasks.detection._model import Detector
from topwork.tasks.detection.network import Decoding


class DetectorServing:
    """Objects with their boxes in pixels of the image that was sent; ``Serving`` tells the rest."""

    collects = False  # a box is no folder's name: a corrected one is drawn in another program
    looking = enrolling = None
    tensors: Mapping[str, tuple[str, tuple[int, ...]]] = {
        "boxes": ("FP32", (-1, 4)),
        "scores": ("FP32", (-1,)),
        "labels": ("BYTES", (-1,)),
        "counts": ("INT64", (-1,)),
    }
    """The objects of all images, one after another: corners in pixels; and how many of them are of each image."""

    def __init__(self, model: Detector) -> None:
        self._model = model

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
        }

    def require(self, wanted: Wanted) -> None:
        """Refuse what is asked of models with classes."""
        wanted.require_only(("threshold",), "it finds objects")

    def warm(self) -> None:
        """Nothing: there is nothing behind its answers."""

    def answers(self, rows: Sequence[Row]) -> list[FoundObjects]:
        """Each computed by itself."""
        predict = self._model.predict_features
        return [predict(row.features[None], [row.size], [row.name], threshold=row.wanted.threshold)[0] for row in rows]

    def told(self, prediction: FoundObjects, row: Row) -> dict[str, Any]:
        """Its fields."""
        return prediction.to_dict()

    def arrays(self, predictions: Sequence[FoundObjects]) -> Mapping[str, Any]:
        """Objects of all images; edges of boxes as ``xmin, ymin, xmax, ymax``."""
        found = [each.detections for each in predictions]
        return {
            "boxes": np.concatenate([each.corners for each in found]),
            "scores": np.concatenate([each.scores for each in found]),
            "labels": [one.label for each in predictions for one in each],
            "counts": np.array([len(each) for each in found], np.int64),
        }
