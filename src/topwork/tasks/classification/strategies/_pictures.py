"""Training images of one class each, augmented anew each time they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from topwork._system import Executor
from topwork.features import Squares
from topwork.tasks.classification.strategies._augment import Augmentation

if TYPE_CHECKING:
    import torch

    from topwork.train import Batch


Rows = npt.NDArray[np.int64]


class ImageSamples:
    """Labelled images as ``topwork.train`` takes them, augmented in a thread of their own while the network trains.

    ``rows`` (N,) says which of the images these samples are. Without an augmentation they are shown as they are.
    """

    def __init__(
        self,
        images: Squares,
        rows: npt.NDArray[np.integer],
        labels: npt.NDArray[np.integer],
        n_classes: int,
        *,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        self.labels: Rows = np.asarray(labels, np.int64)
        self.n_classes = n_classes
        self._pixels = images.pixels
        self._rows = np.asarray(rows, np.int64)
        place = hashlib.sha256(self._rows.tobytes() + self.labels.tobytes()).hexdigest()
        self.fingerprint = f"{images.digest} {place} {augmentation} {seed}"
        self._augmentation = augmentation
        self._seed = seed

    @property
    def varied(self) -> bool:
        """Whether an image looks different in another epoch."""
        return self._augmentation is not None and self._augmentation.varies

    def batches(self, epoch: int, rows: Sequence[Rows]) -> Iterator[Batch]:
        """One ``batch`` for each entry of ``rows``; the next one is made ready meanwhile."""
        with Executor("augment", 1) as pool:
            yield from pool.map_ordered(lambda each: self.batch(epoch, each), rows, in_flight=2)

    def batch(self, epoch: int, rows: Rows) -> Batch:
        """Images uint8 (n, 3, size, size) as they are seen in this epoch, and classes (n,)."""
        import torch

        from topwork.train import sample_seed

        images = torch.from_numpy(self._pixels[self._rows[rows]]).permute(0, 3, 1, 2)
        if self._augmentation is not None and len(rows):
            seeds = [sample_seed(self._seed, epoch, int(row)) for row in rows]
            images = torch.stack([self._augmentation(each, seed) for each, seed in zip(images, seeds, strict=True)])
        return images, self.targets(epoch, rows)

    def targets(self, epoch: int, rows: Rows) -> torch.Tensor:
        """Classes (n,), the same in every epoch."""
        import torch

        return torch.from_numpy(self.labels[rows])
