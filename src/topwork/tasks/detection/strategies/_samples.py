"""Training images with their boxes in the square, as ``topwork.train`` takes them: each view shows both alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from topwork._arrays import Int64Array, IntpArray
from topwork.backbones import Preprocessing
from topwork.data import BoxDataset, Boxes
from topwork.features import Squares
from topwork.tasks._maps._samples import SquareSamples
from topwork.tasks.detection.network import in_square
from topwork.tasks.detection.strategies._augment import Augmentation, View

if TYPE_CHECKING:
    import torch

NO_BOX, CROWD = -1.0, -2.0
"""Labels of a row of targets that holds no box, and of one that holds a crowd."""


class BoxSamples(SquareSamples):
    """Images with boxes, augmented in a thread of their own while the network trains.

    ``boxes`` are those of each image in the square; SquareSamples tells the arguments.
    """

    def __init__(
        self,
        images: Squares,
        dataset: BoxDataset,
        preprocessing: Preprocessing,
        rows: IntpArray,
        *,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(images, dataset, preprocessing, rows, augmentation=augmentation, seed=seed)
        self.boxes = [
            in_square(dataset.boxes(row), preprocessing, *dataset.sizes[row].tolist()) for row in self.labels.tolist()
        ]
        self._most = max([1, *map(len, self.boxes)])

    def targets(self, epoch: int, rows: Int64Array) -> torch.Tensor:
        """Boxes, float32 (n, K, 5): corners in pixels of the square, and the label, or ``NO_BOX`` or ``CROWD``.

        K is the same for all batches: the most boxes that an image has, and at least 1.
        """
        import torch

        found = np.full((len(rows), self._most, 5), NO_BOX, np.float32)
        for place, row in zip(found, rows.tolist(), strict=True):
            boxes = self._seen(epoch, row)
            place[: len(boxes), :4] = boxes.corners
            place[: len(boxes), 4] = np.where(boxes.crowd, CROWD, boxes.labels)
        return torch.from_numpy(found)

    def _view(self, epoch: int, row: int) -> View:
        boxes = self.boxes[row]
        view: View = self._augmentation.view(self._side, boxes.corners[~boxes.crowd], self._seed_of(epoch, row))
        return view

    def _seen(self, epoch: int, row: int) -> Boxes:
        """The boxes that a view shows enough of; a crowd is kept where any of it is seen."""
        boxes = self.boxes[row]
        if not self.varied:
            return boxes
        corners, enough = self._view(epoch, row).boxes(boxes.corners)
        seen = np.where(boxes.crowd, (corners[:, 2:] > corners[:, :2]).all(axis=1), enough)
        return Boxes(corners[seen], boxes.labels[seen], boxes.crowd[seen])
