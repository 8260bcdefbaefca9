"""A segmenter as the server has it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from topwork.drawing import class_colours
from topwork.explain import picture_bytes
from topwork.tasks._serving import Row, Wanted
from topwork.tasks.segmentation._drawn import masks
from topwork.tasks.segmentation._found import FoundMask
from topwork.tasks.segmentation._model import Segmenter
from topwork.tasks.segmentation.outlines import outlines_lines

MOST_PIXELS = 2**24
"""Of an image that is answered: beyond it telling objects apart takes longer than a request may."""


class SegmenterServing:
    """Masks of the image that was sent, in its own pixels; ``Serving`` tells the rest."""

    collects = False  # a mask is no folder's name: a corrected one is drawn in another program
    slow = True
    looking = enrolling = None

    def __init__(self, model: Segmenter) -> None:
        self._model = model
        told: dict[str, tuple[str, tuple[int, ...]]] = {
            "masks": ("BYTES", (-1,)),
            "shares": ("FP32", (-1, len(model.classes))),
        }
        if model.record.task.splitting is not None:
            told["counts"] = ("INT64", (-1,))
        self.tensors: Mapping[str, tuple[str, tuple[int, ...]]] = told
        """A PNG of each image in base64, which share of it each class has, and how many objects there are."""
        self.formats: Mapping[str, Callable[[FoundMask, Row], bytes]] = {
            "image/png": lambda found, row: _certainty(found) if row.wanted.certainty else _mask(found),
            "application/geo+json": lambda found, row: b"".join(outlines_lines(found.features())),
        }
        """As ``predict --masks`` (or ``--certainty``) and ``--geojson`` write them."""

    def facts(self, name: str) -> dict[str, Any]:
        """Its classes, its threshold and figures."""
        model, block = self._model, self._model.record.task
        iou = model.figure
        return {
            "name": name,
            "task": block.name,
            "kind": model.thing,
            "answer": "masks",
            "classes": list(model.classes),
            "colours": _colours(model),
            "background": block.has_background,
            "objects": block.splitting is not None,
            "strategy": model.record.strategy,
            "iou": iou and {"value": iou.value, "low": iou.low, "high": iou.high},
            "size": model.backbone.preprocessing.size,
            "threshold": block.threshold,
            "most_pixels": MOST_PIXELS,
            "formats": [*self.formats],
            "certainty_is_calibrated": model.certainty_is_calibrated,
        }

    def require(self, wanted: Wanted) -> None:
        """Refuse what is asked of models with classes, and a threshold where there are more than two classes."""
        wanted.require_only(("threshold", "mask", "certainty"), "it tells the class of each pixel")
        self._told([], wanted)

    def warm(self) -> None:
        """Nothing: the first answer has compiled the head."""

    def answers(self, rows: Sequence[Row]) -> list[FoundMask]:
        """Each computed by itself."""
        return [self._answer(row) for row in rows]

    def told(self, prediction: FoundMask, row: Row) -> dict[str, Any]:
        """Its fields; where they are wanted, with the files that ``predict --masks`` and ``--certainty`` write."""
        pictures = {}
        if row.wanted.mask:
            pictures["mask"] = _mask(prediction)
        if row.wanted.certainty:
            pictures["certainty_map"] = _certainty(prediction)
        told = {name: f"data:image/png;base64,{_base64(each)}" for name, each in pictures.items()}
        return prediction.to_dict() | told

    def arrays(self, predictions: Sequence[FoundMask]) -> Mapping[str, Any]:
        """Masks, shares and counts of all images."""
        return {
            "masks": [_base64(_mask(each)) for each in predictions],
            "shares": np.array([[*each.shares().values()] for each in predictions], np.float32),
            "counts": np.array([each.count or 0 for each in predictions], np.int64),
        }

    def _answer(self, row: Row) -> FoundMask:
        height, width = row.size
        if height * width <= MOST_PIXELS:
            return self._told([row], row.wanted)[0]
        why = f"the image has {height * width} pixels, and at most {MOST_PIXELS} are answered with a mask at once"
        block = self._model.record.task
        return FoundMask(row.name, classes=block.classes, has_background=block.has_background, error=why)

    def _told(self, rows: Sequence[Row], wanted: Wanted) -> list[FoundMask]:
        sizes, names = [row.size for row in rows], [row.name for row in rows]
        features: Any = [row.features for row in rows]
        how: Any = {"threshold": wanted.threshold, "certainty": wanted.certainty}
        return self._model.predict_features(features, sizes, names, **how)


def _colours(model: Segmenter) -> list[str]:
    """Of each class, as ``predict --draw`` paints it; the background, which is not painted, has black."""
    behind = int(model.record.task.has_background)
    painted = class_colours(len(model.classes) - behind)
    return ["#000000"] * behind + ["#" + bytes(each).hex() for each in painted]


def _mask(found: FoundMask) -> bytes:
    """The first of the files that ``predict --masks`` writes; of more than 65,535 objects their classes."""
    first = next(iter(masks(found).values()))
    return picture_bytes(first if first.itemsize < 4 else found.labels)


def _certainty(found: FoundMask) -> bytes:
    """The file that ``predict --certainty`` writes."""
    assert found.certainty is not None  # it was asked for
    return picture_bytes(found.certainty)


def _base64(file: bytes) -> str:
    return base64.b64encode(file).decode()
