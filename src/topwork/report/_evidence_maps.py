"""Where in an image a model saw a class: Grad-CAM as small pictures. The one module of this room that needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from topwork.data import Source
from topwork.drawing import overlay
from topwork.errors import ExplainError, ImageError
from topwork.explain import Evidence, TorchClassifier, grad_cam
from topwork.model import Model
from topwork.report._pictures import thumbnail


@dataclass(frozen=True, slots=True)
class MapPicture:
    """What speaks for a class, and where, as a page shows it: the class, and the map as a ``data:`` URI."""

    label: str
    uri: str


class MapAlbum:
    """Makes the maps of a model's answers.

    Args:
        model: It is opened in torch, which takes some seconds.
    """

    def __init__(self, model: Model) -> None:
        self._classifier = TorchClassifier.of_model(model)

    def pictures(self, source: Source, classes: Sequence[int]) -> tuple[MapPicture, ...]:
        """One image's maps for some classes; none of a class that has no evidence, nor of an image that cannot be read.

        Args:
            source: The image.
            classes: Their places in the model's list.
        """
        try:
            square = self._classifier.squares([source])
        except ImageError:
            return ()
        found = []
        for place in classes:
            try:
                (evidence,) = grad_cam(self._classifier, square, place)
            except ExplainError:  # such as of a nearest-neighbour head where no neighbour has the class
                continue
            found.append(MapPicture(self._classifier.classes[place], thumbnail(_drawn(evidence))))
        return tuple(found)


def _drawn(evidence: Evidence) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The image in grey with what speaks for the class as heat upon it."""
    values = evidence.map / (float(np.abs(evidence.map).max()) or 1.0)
    return overlay(evidence.image, values.clip(0))
