"""What a frozen part of a network makes of training images: kept on disk for each view, and read in every epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from topwork._arrays import Int64Array, UInt8Array
from topwork._system import Executor
from topwork.engines import Engine

if TYPE_CHECKING:
    import torch

    from topwork.train import Batch

_AT_ONCE = 16  # images whose maps are made together


def on_all_cores(engine: Engine) -> Callable[[UInt8Array], torch.Tensor]:
    """Pixels to what an engine gives, float32 (n, D), the images shared among as many callers as it bears."""

    def run(images: UInt8Array) -> torch.Tensor:
        import torch

        shares = np.array_split(images, min(engine.callers, len(images)))  # an engine takes no empty one
        with Executor("maps", len(shares)) as pool:
            return torch.from_numpy(np.concatenate([*pool.map_ordered(engine, shares, in_flight=len(shares))]))

    return run


class Pictures(Protocol):
    """Images as ``topwork.train`` takes them, that look different in another epoch: another view."""

    @property
    def labels(self) -> Any:
        """What is to be learnt of each of the N images."""

    @property
    def n_classes(self) -> int:
        """Classes that there are."""

    @property
    def fingerprint(self) -> str:
        """Names the images and how they are shown."""

    def batch(self, view: int, rows: Int64Array) -> Batch:
        """Images uint8 (n, 3, size, size) as they are seen in a view, and their targets."""

    def targets(self, view: int, rows: Int64Array) -> torch.Tensor:
        """The targets alone."""


class MapSamples:
    """Maps as ``topwork.train`` takes them; each is made when it is wanted first.

    Args:
        images: What they are maps of.
        engine: Pixels uint8 (n, size, size, 3) to maps float32 (n, ...).
        maps: Room for them, (views, N, ...): bfloat16 as int16, which NumPy knows.
        facts: What they depend on beside the images.
    """

    def __init__(
        self, images: Pictures, engine: Callable[[UInt8Array], torch.Tensor], maps: np.memmap[Any, Any], facts: str
    ) -> None:
        self.labels = images.labels
        self.n_classes = images.n_classes
        self.fingerprint = f"{images.fingerprint} {facts}"
        self._images = images
        self._engine = engine
        self._maps = maps
        self._made = np.zeros(maps.shape[:2], bool)
        self._views = len(maps)

    def make_within(self, seconds: float) -> None:
        """Make the maps of whole views now, at least of one, and use no more views than that.

        Args:
            seconds: No view is begun that would not be done by then, as far as the one before it tells.
        """
        begun = time.monotonic()
        for view in range(len(self._maps)):
            spent = time.monotonic() - begun
            if view and spent * (view + 1) / view > seconds:
                break
            for first in range(0, len(self.labels), _AT_ONCE):
                self._make(view, np.arange(first, min(first + _AT_ONCE, len(self.labels))))
            self._views = view + 1

    def batches(self, epoch: int, rows: Sequence[Int64Array]) -> Iterator[Batch]:
        """Pairs of maps, bfloat16 (n, ...), and the images' targets. The views take turns from epoch to epoch."""
        import torch

        view = epoch % self._views
        for batch in rows:
            self._make(view, batch)
            maps = torch.from_numpy(self._maps[view, batch]).view(torch.bfloat16)
            yield maps, self._images.targets(view, batch)

    def _make(self, view: int, rows: Int64Array) -> None:
        """Those of some images that are not there yet."""
        import torch

        missing = rows[~self._made[view, rows]]
        if len(missing):
            images = self._images.batch(view, missing)[0].permute(0, 2, 3, 1).contiguous().numpy()
            self._maps[view, missing] = self._engine(images).bfloat16().view(torch.int16).numpy()
            self._made[view, missing] = True
