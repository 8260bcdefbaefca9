"""Training images with their masks in the square, as ``topwork.train`` takes them: each view shows both alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from topwork._arrays import Int64Array, IntpArray, UInt8Array
from topwork.backbones import Preprocessing
from topwork.data import MaskDataset
from topwork.features import Squares
from topwork.tasks._maps._samples import SquareSamples
from topwork.tasks.segmentation.decoder._augment import Augmentation, View, plain

if TYPE_CHECKING:
    import torch


class MaskSamples(SquareSamples):
    """Images with masks, augmented in a thread of their own while the network trains.

    ``masks``, uint8 (N, planes, size, size), hold ``targets_of`` each image; SquareSamples tells the other arguments.
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
        super().__init__(images, dataset, preprocessing, rows, shown=shown, augmentation=augmentation, seed=seed)
        self._masks = masks

    def targets(self, epoch: int, rows: Int64Array) -> torch.Tensor:
        """uint8 (n, planes, shown, shown), see ``targets_of``."""
        import torch

        masks = torch.from_numpy(self._masks[self.labels[rows]])
        if not self._moved or not len(rows):
            return masks
        return torch.stack([self._view(epoch, row).mask(each) for row, each in zip(rows.tolist(), masks, strict=True)])

    def _view(self, epoch: int, row: int) -> View:
        if self._augmentation is None:
            return plain(self._side, self.shown, self._seed_of(0, row))
        view: View = self._augmentation.view(self._side, self._seed_of(epoch, row), self.shown)
        return view
