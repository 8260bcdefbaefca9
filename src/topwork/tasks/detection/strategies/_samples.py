"""Training images with their boxes in the square, as ``topwork.train`` takes them: each view shows both alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from topwork._arrays import Int64Array, IntpArray
from topwork._system import Executor
from topwork.backbones import Preprocessing
from topwork.data import BoxDataset, Boxes
from topwork.features import Squares
from topwork.tasks.detection.network import in_square
from topwork.tasks.detection.strategies._augment import Augmentation, View

if TYPE_CHECKING:
    import torch

    from topwork.train import Batch

NO_BOX, CROWD = -1.0, -2.0
"""Labels of a row of targets that holds no box, and of one that holds a crowd."""


class BoxSamples:
    """Images with boxes, augmented in a thread of their own while the network trains.

    Args:
        images: Of a data set, in the square.
        dataset: The same, with its boxes.
        preprocessing: How the images came into the square.
        rows: (N,) which of the images these samples are.
        augmentation: None shows them as they are.
        seed: Of all that is drawn.
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
        self.labels = np.asarray(rows, np.int64)
        self.n_classes = len(dataset.classes)
        self.boxes = [
            in_square(dataset.boxes(row), preprocessing, *dataset.sizes[row].tolist()) for row in self.labels.tolist()
        ]
        self._pixels = images.pixels
        self._side = preprocessing.size
        self._fill: tuple[int, int, int] = tuple(round(255 * each) for each in preprocessing.mean)  # type: ignore[assignment]
        self._most = max([1, *map(len, self.boxes)])
        chosen = dataset.select(np.asarray(rows, np.intp))
        place = hashlib.sha256(self.labels.tobytes() + chosen.fingerprint().encode()).hexdigest()
        self.fingerprint = f"{images.digest} {place} {augmentation} {seed}"
        self._augmentation = augmentation
        self._seed = seed

    @property
    def varied(self) -> bool:
        """Whether an image looks different in another epoch."""
        return self._augmentation is not None and self._augmentation.varies

    def batches(self, epoch: int, rows: Sequence[Int64Array]) -> Iterator[Batch]:
        """One ``batch`` for each entry of ``rows``; the next one is made ready meanwhile."""
        with Executor("augment", 1) as pool:
            yield from pool.map_ordered(lambda each: self.batch(epoch, each), rows, in_flight=2)

    def batch(self, epoch: int, rows: Int64Array) -> Batch:
        """Images uint8 (n, 3, size, size) as they are seen in this epoch, and their ``targets``."""
        import torch

        images = torch.from_numpy(self._pixels[self.labels[rows]]).permute(0, 3, 1, 2)
        if self.varied and len(rows):
            views = [self._view(epoch, row) for row in rows.tolist()]
            images = torch.stack([view.image(each, self._fill) for view, each in zip(views, images, strict=True)])
        return images, self.targets(epoch, rows)

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
        from topwork.train import sample_seed

        assert self._augmentation is not None
        boxes = self.boxes[row]
        seed = sample_seed(self._seed, epoch, row)
        return self._augmentation.view(self._side, boxes.corners[~boxes.crowd], seed)

    def _seen(self, epoch: int, row: int) -> Boxes:
        """The boxes that a view shows enough of; a crowd is kept where any of it is seen."""
        boxes = self.boxes[row]
        if not self.varied:
            return boxes
        corners, enough = self._view(epoch, row).boxes(boxes.corners)
        seen = np.where(boxes.crowd, (corners[:, 2:] > corners[:, :2]).all(axis=1), enough)
        return Boxes(corners[seen], boxes.labels[seen], boxes.crowd[seen])
