"""The feature table: what a backbone makes of every image or text of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork._system import release_pages
from topwork.engines import EngineChoice
from topwork.errors import BackboneError

Float32Array = npt.NDArray[np.float32]

_SCATTERED = 32  # rows at a time that do not lie side by side: each may bring in 2 MB of the file around it


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features of a data set's images or texts, row by row.

    Attributes:
        dataset: The rows, without those that could not be read; row i of ``values`` is its row i.
        backbone: What made the features, preprocessing included.
        choice: Engine and precision that made them.
        outputs: Names of the blocks of columns, see ``Backbone.outputs``.
        values: float32 (N, D), read-only, memory-mapped where it is large.
        digests: uint64 (N,), equal for images of equal content; None where the features are not from images.
    """

    dataset: Any
    backbone: Any
    choice: EngineChoice
    outputs: tuple[str, ...]
    values: Float32Array
    digests: npt.NDArray[np.uint64] | None = None

    def __post_init__(self) -> None:
        """Check that rows and columns are as many as they must be."""
        expected = (len(self.dataset), sum(self.widths))
        if self.values.shape != expected:
            raise BackboneError(f"a feature table must be {expected}, not {self.values.shape}")
        if self.digests is not None and self.digests.shape != expected[:1]:
            raise BackboneError(f"a feature table of {expected[0]} images has digests of shape {self.digests.shape}")

    def __len__(self) -> int:
        """Number of images."""
        return len(self.dataset)

    @property
    def widths(self) -> tuple[int, ...]:
        """Columns of each output, in order."""
        return tuple(map(self.backbone.width, self.outputs))

    def split(self, name: str) -> FeatureTable:
        """The rows of one split of the data set (``train``, ``val``, ``test``)."""
        return self.select(np.flatnonzero(np.asarray(self.dataset.splits) == name))

    def select(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> FeatureTable:
        """Some rows by position or mask, as ``Dataset.select``; neighbouring ones stay memory-mapped."""
        rows = np.arange(len(self))[rows]
        neighbours = len(rows) > 0 and bool((np.diff(rows) == 1).all())
        chosen = slice(rows[0], rows[-1] + 1) if neighbours else rows
        digests = None if self.digests is None else self.digests[rows]
        return replace(self, dataset=self.dataset.select(rows), values=self.values[chosen], digests=digests)

    def keep(self, outputs: tuple[str, ...]) -> FeatureTable:
        """The same images with fewer columns."""
        return replace(self, outputs=outputs, values=self.columns(outputs))

    def columns(self, outputs: Sequence[str]) -> Float32Array:
        """The columns of some outputs, in the given order: float32 (N, their widths together).

        Raises:
            BackboneError: An output was not extracted.
        """
        if tuple(outputs) == self.outputs:
            return self.values
        starts = dict(zip(self.outputs, np.cumsum([0, *self.widths]), strict=False))
        missing = [name for name in outputs if name not in starts]
        if missing:
            raise BackboneError(f"{missing[0]} was not extracted; there are {', '.join(self.outputs)}")
        chosen = [np.arange(starts[name], starts[name] + self.backbone.width(name)) for name in outputs]
        return np.take(self.values, np.concatenate(chosen), axis=1)


def scattered_rows(values: Float32Array, rows: npt.NDArray[np.integer[Any]], first: int = 0) -> Float32Array:
    """Rows (M, D - first) of an array that may be memory-mapped, from a column on, as a copy.

    A few at a time, since the system brings in what lies around each: 2,000 rows of 100,000, 32 MB, would map 1.6 GB
    of the file, and all of that counts as this process's memory until it is released.
    """
    found = np.empty((len(rows), values.shape[1] - first), np.float32)
    for start in range(0, len(rows), _SCATTERED):
        part = slice(start, start + _SCATTERED)
        found[part] = values[rows[part], first:]
        release_pages(values)
    return found
