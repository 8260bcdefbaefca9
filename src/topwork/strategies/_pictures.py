"""Training images: decoded and brought into the square once, kept on disk, augmented anew each time they are read."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from topwork.backbones import Preprocessing
from topwork.data import ImageDataset, printable
from topwork.errors import DataError
from topwork.features import Progress, read_ahead
from topwork.strategies._augment import Augmentation

if TYPE_CHECKING:
    from topwork.train import Batch

UInt8Array = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]


@contextlib.contextmanager
def squares(dataset: ImageDataset, preprocessing: Preprocessing, progress: Progress | None) -> Iterator[UInt8Array]:
    """All images as uint8 (N, size, size, 3), memory-mapped for as long as the context lasts.

    Raises:
        DataError: An image cannot be read any more; extraction has read all of them before.
    """
    size = preprocessing.size
    with tempfile.TemporaryDirectory(prefix="topwork-") as folder:
        pixels = np.memmap(Path(folder) / "pixels", np.uint8, "w+", shape=(len(dataset), size, size, 3))
        for item in read_ahead(dataset.sources(), preprocessing, lambda key: False):
            if item.pixels is None:
                raise DataError(f"{printable(dataset.paths[item.index])}: {item.reason}", hint="run it again")
            pixels[item.index] = item.pixels
            if progress is not None:
                progress(item.index + 1, len(dataset))
        yield pixels
        del pixels


class ImageSamples:
    """Labelled images as ``topwork.train`` takes them, augmented in a thread of their own while the network trains.

    Args:
        pixels: uint8 (M, size, size, 3).
        rows: (N,), which of them these samples are.
        labels: (N,), from 0.
        n_classes: C.
        fingerprint: Names the images and how they were prepared.
        augmentation: None shows them as they are.
        seed: Of the augmentation.
    """

    def __init__(
        self,
        pixels: UInt8Array,
        rows: npt.NDArray[np.integer],
        labels: npt.NDArray[np.integer],
        n_classes: int,
        *,
        fingerprint: str,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        self.labels: Rows = np.asarray(labels, np.int64)
        self.n_classes = n_classes
        self.fingerprint = f"{fingerprint} {augmentation} {seed}"
        self._pixels = pixels
        self._rows = rows
        self._augmentation = augmentation
        self._seed = seed

    def batches(self, epoch: int, rows: Sequence[Rows]) -> Iterator[Batch]:
        """Pairs of images uint8 (n, 3, size, size) and classes (n,); the next one is made ready meanwhile."""
        with ThreadPoolExecutor(1, "topwork-augment") as pool:
            following = pool.submit(self._batch, epoch, rows[0]) if rows else None
            for place in range(len(rows)):
                assert following is not None
                ready = following.result()
                following = pool.submit(self._batch, epoch, rows[place + 1]) if place + 1 < len(rows) else None
                yield ready

    def _batch(self, epoch: int, rows: Rows) -> Batch:
        import torch

        from topwork.train import sample_seed

        images = torch.from_numpy(self._pixels[self._rows[rows]]).permute(0, 3, 1, 2)
        if self._augmentation is not None and len(rows):
            seeds = [sample_seed(self._seed, epoch, int(row)) for row in rows]
            images = torch.stack([self._augmentation(each, seed) for each, seed in zip(images, seeds, strict=True)])
        return images, torch.from_numpy(self.labels[rows])
