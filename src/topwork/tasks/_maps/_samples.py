"""Training images in the square, as ``topwork.train`` takes them: each view shows an image and its target alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from topwork._arrays import Int64Array, IntpArray
from topwork._system import Executor
from topwork.backbones import Preprocessing
from topwork.data import Dataset
from topwork.features import Squares

if TYPE_CHECKING:
    import torch

    from topwork.train import Batch


class SquareSamples:
    """Images, augmented in a thread of their own while the network trains; a room adds the targets.

    Args:
        images: Of a data set, in the square.
        dataset: The same, with its targets and ``classes``.
        preprocessing: How the images came into the square.
        rows: (N,) which of the images these samples are.
        shown: Side in pixels of what is shown: a part of each image, another one in each epoch, where that is less than
            the square's.
        augmentation: None shows them as they are; else what has ``varies``.
        seed: Of all that is drawn.
    """

    def __init__(
        self,
        images: Squares,
        dataset: Dataset,
        preprocessing: Preprocessing,
        rows: IntpArray,
        *,
        shown: int | None = None,
        augmentation: Any = None,
        seed: int = 0,
    ) -> None:
        self.labels = np.asarray(rows, np.int64)
        self.n_classes = len(dataset.classes)  # type: ignore[attr-defined]  # of boxes and of masks
        self._pixels = images.pixels
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
        return self._augmentation is not None and (bool(self._augmentation.varies) or self.shown < self._side)

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
        """What is to be learnt of these images as they are seen in this epoch."""
        raise NotImplementedError

    def _view(self, epoch: int, row: int) -> Any:
        """How an image is shown in an epoch, where that varies."""
        raise NotImplementedError

    @property
    def _moved(self) -> bool:
        """Whether images are not simply as they are in the square."""
        return self.varied or self.shown < self._side

    def _seed_of(self, epoch: int, row: int) -> int:
        from topwork.train import sample_seed

        return sample_seed(self._seed, epoch, row)
