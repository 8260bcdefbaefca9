"""A recogniser as the server has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from topwork._arrays import Float32Array, UInt8Array
from topwork.errors import ImageError
from topwork.tasks._serving import Row, Wanted
from topwork.tasks.recognition._answers import Identified, Seen
from topwork.tasks.recognition._finder import Finder, look, require_sound
from topwork.tasks.recognition._model import UNTOLD, Recognizer


class _Looking:
    """``Looking``: the largest find of a picture, as the network takes it."""

    def __init__(self, model: Recognizer, finder: Finder) -> None:
        self.longest = finder.longest
        self._finder, self._preprocessing = finder, model.backbone.preprocessing

    def __call__(self, pixels: UInt8Array, size: tuple[int, int]) -> tuple[UInt8Array, Seen]:
        found, seen = look(self._finder, pixels)
        across, along = size[1] / pixels.shape[1], size[0] / pixels.shape[0]
        corners = tuple((x * across, y * along, to_x * across, to_y * along) for x, y, to_x, to_y in seen.corners)
        return self._preprocessing(found.crop), replace(seen, corners=corners)


class _Enrolling:
    """``Enrolling``: the gallery."""

    def __init__(self, model: Recognizer) -> None:
        self._model = model

    def known(self) -> Mapping[str, int]:
        """Images of everybody."""
        self._model.gallery.refresh()
        return self._model.gallery.counts

    def enroll(self, name: str, rows: Sequence[Row], errors: Mapping[str, str]) -> dict[str, Any]:
        """All that can be relied on, or nothing."""
        values: list[Float32Array] = []
        refused = dict(errors)
        for row in rows:
            (value,) = self._model.projection.embed(row.features[None])
            try:
                if row.seen is not None:
                    require_sound(row.seen)
                if not value.any():
                    raise ImageError(UNTOLD)
                values.append(value)
            except ImageError as error:
                refused[row.name] = error.message
        embeddings = np.array(values, np.float32).reshape(len(values), self._model.projection.width)
        return self._model.enroll_embeddings(name, embeddings, refused).to_dict()

    def forget(self, name: str) -> dict[str, Any]:
        """From every file."""
        images = self._model.forget(name)
        return {"name": name, "images": images, "people": self._model.gallery.people}


class RecognizerServing:
    """Who an image shows, and whom it is like; ``Serving`` tells the rest."""

    slow = False
    formats: Mapping[str, Any] = {}
    collects = False  # a class of the next training is no name in a gallery
    tensors: Mapping[str, tuple[str, tuple[int, ...]]] = {"names": ("BYTES", (-1,)), "similarities": ("FP32", (-1,))}
    """Of each image: who it is, empty for nobody, and how similar to the most similar one; -1 in an empty gallery."""

    def __init__(self, model: Recognizer) -> None:
        self._model = model
        finder = model.finder
        self.looking = None if finder is None else _Looking(model, finder)
        self.enrolling = _Enrolling(model)

    def facts(self, name: str) -> dict[str, Any]:
        """Its threshold and what others cost; nobody's name."""
        model, found = self._model, self._model.metrics
        eer, promise = found.verification.eer if found else None, model.record.task.promise
        return {
            "name": name,
            "task": model.record.task.name,
            "kind": model.thing,
            "answer": "identities",
            "classes": [],
            "strategy": model.record.strategy,
            "eer": eer and {"value": eer.value, "low": eer.low, "high": eer.high},
            "size": model.backbone.preprocessing.size,
            "thing": model.finder.thing if model.finder else "",
            "threshold": model.threshold,
            "promised": promise.false_accept,
            "costs": [] if found is None else [list(each) for each in found.verification.costs],
        }

    def require(self, wanted: Wanted) -> None:
        """Refuse what is asked of models with classes or boxes."""
        wanted.require_only(("top", "threshold"), "it tells who or which one it is")

    def warm(self) -> None:
        """Open the detector: the first one takes seconds."""
        if self._model.finder is not None:
            self._model.finder.find(np.full((64, 64, 3), 128, np.uint8))

    def answers(self, rows: Sequence[Row]) -> list[Identified]:
        """Each computed by itself."""
        return [self._answer(row) for row in rows]

    def _answer(self, row: Row) -> Identified:
        value = self._model.projection.embed(row.features[None])
        if not value.any():
            return Identified(row.name, error=UNTOLD)
        (matches,) = self._model.gallery.search(value, row.wanted.top)
        return self._model.identified(row.name, matches, row.seen, row.wanted.threshold)

    def told(self, prediction: Identified, row: Row) -> dict[str, Any]:
        """Its fields, and the image's height and width."""
        height, width = row.size
        return {**prediction.to_dict(), "width": width, "height": height}

    def arrays(self, predictions: Sequence[Identified]) -> Mapping[str, Any]:
        """One of each image."""
        similarities = [-1.0 if each.similarity is None else each.similarity for each in predictions]
        return {"names": [each.name for each in predictions], "similarities": np.array(similarities, np.float32)}
