"""Training images with their masks in the square, as ``topwork.train`` takes them: each view shows both alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from topwork._arrays import Int64Array, IntpArray, UInt8Array
from topwork._system import Executor
from topwork.backbones import Preprocessing
from topwork.data import MaskDataset
from topwork.features import Squares
from topwork.tasks.segmentation.decoder._augment import Augmentation, View, plain

if TYPE_CHECKING:
    import torch

    from topwork.train import Batch


class MaskSamples:
    """Images with masks, augmented in a thread of their own while the network trains.

    Args:
        images: Of a data set, in the square.
        masks: uint8 (N, size, size), of each image its ``targets_of``.
        dataset: The same, with its masks.
        preprocessing: How the images came into the square.
        rows: (n,) which of the images these samples are.
        shown: Side in pixels of what is shown: a part of each image, another one in each epoch, where that is less than
            the square's.
        augmentation: None shows them as they are.
        seed: Of all that is drawn.
    """

    def __init__(
        self,
        images: Squares,
        masks: UInt8Array,
        dataset: MaskDataset,
        preprocessing: Preprocessing,
        rows: IntpArray,
        *,
        shown: int | None = None,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        self.labels = np.asarray(rows, np.int64)
        self.n_classes = len(dataset.classes)
        self._pixels, self._masks = images.pixels, masks
        self._side = preprocessing.size
        self.shown = min(shown or self._side, self._side)
        self._fill: tuple[int, int, int] = tuple(round(255 * each) for each in preprocessing.mean)  # type: ignore[assignment]
        chosen = dataset.select(np.asarray(rows, np.intp))
        place = hashlib.sha256(self.labels.tobytes() + chosen.fingerprint().encode()).hexdigest()
        self.fingerprint = f"{images.digest} {place} {self.shown} {augmentation} {seed}"
        self._augmentation = augmentation
        self._seed = seed

    @property
    def varied(self) -> bool:
        """Whether an image looks different in another epoch."""
        return self._augmentation is not None and (self._augmentation.varies or self.shown < self._side)

    def batches(self, epoch: int, rows: Sequence[Int64Array]) -> Iterator[Batch]:
        """One ``batch`` for each entry of ``rows``; the next one is made ready meanwhile."""
        with Executor("augment", 1) as pool:
            yield from pool.map_ordered(lambda each: self.batch(epoch, each), rows, in_flight=2)

    def batch(self, epoch: int, rows: Int64Array) -> Batch:
        """Images uint8 (n, 3, shown, shown) as they are seen in this epoch, and their ``targets``."""
        import torch

        images = torch.from_numpy(self._pixels[self.labels[rows]]).permute(0, 3, 1, 2)
        if self._moved and len(rows):
            views = [self._view(epoch, row) for row in rows.tolist()]
            images = torch.stack([view.image(each, self._fill) for view, each in zip(views, images, strict=True)])
        return images, self.targets(epoch, rows)

    def targets(self, epoch: int, rows: Int64Array) -> torch.Tensor:
        """uint8 (n, shown, shown), see ``targets_of``."""
        import torch

        masks = torch.from_numpy(self._masks[self.labels[rows]])
        if not self._moved or not len(rows):
            return masks
        return torch.stack([self._view(epoch, row).mask(each) for row, each in zip(rows.tolist(), masks, strict=True)])

    def _view(self, epoch: int, row: int) -> View:
        from topwork.train import sample_seed

        if self._augmentation is None:
            return plain(self._side, self.shown, sample_seed(self._seed, 0, row))
        return self._augmentation.view(self._side, sample_seed(self._seed, epoch, row), self.shown)

    @property
    def _moved(self) -> bool:
        """Whether images are not simply as they are in the square."""
        return self.varied or self.shown < self._side
