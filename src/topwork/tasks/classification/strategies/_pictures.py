"""Training images: decoded and brought into the square once, kept on disk, augmented anew each time they are read."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from topwork._system import Executor
from topwork.backbones import Preprocessing
from topwork.data import ImageDataset, printable
from topwork.errors import DataError
from topwork.features import Progress, read_ahead
from topwork.tasks.classification.strategies._augment import Augmentation

if TYPE_CHECKING:
    from topwork.train import Batch


UInt8Array = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]


class Squares(NamedTuple):
    """Images in the network's square: uint8 (N, size, size, 3), memory-mapped; the digest names all that made them."""

    pixels: UInt8Array
    digest: str


@contextlib.contextmanager
def squares(dataset: ImageDataset, preprocessing: Preprocessing, progress: Progress | None) -> Iterator[Squares]:
    """All images of a data set in the square, on disk for as long as the context lasts.

    Raises:
        DataError: An image cannot be read any more, or there is no room for so many.
    """
    shape = (len(dataset), preprocessing.size, preprocessing.size, 3)
    digest = hashlib.sha256(repr(preprocessing).encode())
    items = read_ahead(dataset.sources(), preprocessing, lambda key: False)
    with scratch(shape, np.uint8) as pixels, contextlib.closing(items):
        for item in items:
            if item.pixels is None:
                raise DataError(f"{printable(dataset.paths[item.index])}: {item.reason}", hint="run it again")
            pixels[item.index] = item.pixels
            digest.update(item.key)
            if progress is not None:
                progress(item.index + 1, len(dataset))
        yield Squares(pixels, digest.hexdigest())


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
        return images, torch.from_numpy(self.labels[rows])


@contextlib.contextmanager
def scratch(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Iterator[np.memmap[Any, Any]]:
    """An array in a file of its own that is gone in the end.

    Its room is taken at once: writing into a hole on a full disk would kill the process.

    Raises:
        DataError: There is no room for it.
    """
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="topwork-", ignore_cleanup_errors=True))
        file, size = Path(folder) / "array", math.prod(shape) * np.dtype(dtype).itemsize
        try:
            with file.open("wb") as made:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(made.fileno(), 0, size)
            array = np.memmap(file, dtype, "r+" if file.stat().st_size else "w+", shape=shape)
        except OSError as error:
            raise DataError(
                f"{folder}: not enough space for {size / 2**20:.0f} MB: {error.strerror}",
                hint="set TMPDIR to a folder on a larger disk, or train at a smaller --size",
            ) from error
        stack.callback(array._mmap.close)  # type: ignore[attr-defined]  # before the folder goes: Windows wants it so
        yield array
