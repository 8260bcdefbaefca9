"""The one way in: a detector, which object is asked about, and an image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from topwork._arrays import Float32Array, UInt8Array
from topwork.data import Boxes, as_source, decode, image_size
from topwork.engines import Engine, open_engine
from topwork.errors import ExplainError
from topwork.explain.places import Shown, checked, named, occlusion
from topwork.metrics import Detections
from topwork.tasks._maps._explained import require_asked
from topwork.tasks.detection._evaluated import detected
from topwork.tasks.detection._found import FoundObjects
from topwork.tasks.detection._model import Detector
from topwork.tasks.detection.explain._found import BoxEvidence
from topwork.tasks.detection.explain._target import Target
from topwork.tasks.detection.network import in_square


@dataclass(frozen=True, eq=False)
class Explain:
    """Tells what the score of one object in an image rests on; the network is opened once for all images.

    Attributes:
        model: A detector.
        label: Ask about objects of this class, also about those below its threshold; about those that ``predict``
            tells of when None.
        number: Which of them, the surest being 1.
        seed: Of the random places that the check compares with.

    Raises:
        ExplainError: There is no such class, or the number is none.
    """

    model: Detector
    label: str | None = None
    number: int = 1
    seed: int = 0
    _features: Engine = field(init=False, repr=False)

    def __post_init__(self) -> None:
        require_asked(self.model.classes, self.label, self.number, one="box", many="boxes", first="surest")
        model = self.model
        features = open_engine(model.backbone, model.record.outputs, model.engine_choice)
        object.__setattr__(self, "_features", features)

    def __call__(self, image: Any) -> BoxEvidence:
        """Explain one object.

        Args:
            image: As ``predict`` takes it: a path, bytes, an array, Pillow's image.

        Raises:
            ImageError: It cannot be used.
            ExplainError: Nothing is found in it, or not so many objects.
        """
        source, preprocessing = as_source(image), self.model.backbone.preprocessing
        size, pixels = image_size(source), decode(source, min_side=preprocessing.min_side)
        square = preprocessing(pixels)
        (seen,) = detected(self._features(square[None]), self.model.head, preprocessing, np.array([size]))
        found = self._chosen(seen)
        own = found.select(np.array([self.number - 1]))
        target = self.target(square, size, own)
        values = occlusion(target)
        mask, shown = named(values), Shown(pixels, preprocessing, size)
        return BoxEvidence(
            next(iter(FoundObjects("", own, self.model.classes))),
            target.label,
            self.number,
            len(found),
            shown.image,
            shown.map(values),
            shown.pixels(target.without(mask)) if mask.any() else None,
            shown.corners(own.corners[0]),
            _inside(values, target.corners),
            checked(target, mask, seed=self.seed) if mask.any() else None,
        )

    def target(self, square: UInt8Array, size: tuple[int, int], own: Detections) -> Target:
        """One object in the square, uint8 (size, size, 3), that the network sees of an image of this height and width.

        Args:
            square: What the network sees.
            size: Of the image.
            own: The object alone, in pixels of the image.
        """
        preprocessing = self.model.backbone.preprocessing
        box = in_square(Boxes(own.corners, own.labels, np.zeros(1, np.bool_)), preprocessing, *size).corners[0]
        return Target(self.model.head, self._features, square, box, int(own.labels[0]), preprocessing.view(*size)[1])

    def _chosen(self, found: Detections) -> Detections:
        """What there is to choose from, the surest first."""
        if self.label is None:
            found = found.select(found.scores >= self.model.thresholds[found.labels])
        else:
            found = found.select(found.labels == self.model.classes.index(self.label))
        if not len(found) and self.label is None:
            raise ExplainError("no object was found", hint="with --class, boxes below the threshold are explained too")
        if not len(found):
            raise ExplainError(f"no box of class {self.label!r} was found")
        if self.number > len(found):
            raise ExplainError(f"there is no box {self.number}", hint=f"the last one is box {len(found)}")
        return found


def _inside(values: Float32Array, corners: Float32Array) -> float | None:
    """The share of the evidence in a box; None where there is none."""
    weights = np.clip(values, 0, None)
    left, top, right, bottom = np.round(corners).astype(int)
    total = float(weights.sum())
    return float(weights[top:bottom, left:right].sum()) / total if total > 0 else None
