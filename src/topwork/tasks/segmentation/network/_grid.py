"""Where the numbers of a map lie in the square that the network sees, and the square in the image."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from topwork._arrays import AnyArray, Float32Array, Float64Array, IntpArray
from topwork.backbones import Preprocessing

_HALF = 0.5


class Grid(NamedTuple):
    """Places in a square: side x side, evenly spaced.

    Attributes:
        side: Rows, and columns.
        stride: Pixels of the square from one place to the next.
    """

    side: int
    stride: float

    @property
    def pixels(self) -> Float64Array:
        """(side,) where its rows, and columns, lie, in pixels of the square; edges are whole numbers."""
        found: Float64Array = (np.arange(self.side, dtype=np.float64) + 0.5) * self.stride
        return found

    def steps(self, pixels: Float64Array) -> Float64Array:
        """The rows, or columns, at some pixels; between two of them a fraction."""
        found: Float64Array = pixels / self.stride - 0.5
        return found


class Between(NamedTuple):
    """Steps of a row of numbers, each between two neighbours; beyond the ends the last one stays.

    Attributes:
        low: (P,) the lower neighbour.
        high: (P,) the other.
        share: float32 (P,), how much the other counts.
    """

    low: IntpArray
    high: IntpArray
    share: Float32Array

    @classmethod
    def of(cls, steps: Float64Array, count: int) -> Between:
        """Of some steps among ``count`` numbers."""
        clipped: Float64Array = np.clip(steps, 0, count - 1)
        low = np.minimum(clipped.astype(np.intp), max(count - 2, 0))
        return cls(low, np.minimum(low + 1, count - 1), (clipped - low).astype(np.float32))

    def matrix(self, count: int) -> Float32Array:
        """(P, count): what each of the numbers counts at each step."""
        found, rows = np.zeros((len(self.low), count), np.float32), np.arange(len(self.low))
        found[rows, self.low] = 1 - self.share
        found[rows, self.high] += self.share
        return found

    def rows_of(self, maps: Float32Array) -> Float32Array:
        """(K, P, width): the rows at each step, of maps (K, count, width).

        Rows are copied whole, since that is many times faster than gathering along them.
        """
        maps = np.ascontiguousarray(maps)
        found: Float32Array = maps[:, self.high]
        low = maps[:, self.low]
        found -= low
        found *= self.share[:, None]
        found += low
        return found

    def nearer(self, place: int) -> int:
        """The nearer neighbour of one step."""
        return int(self.low[place] if self.share[place] <= _HALF else self.high[place])


@functools.lru_cache(maxsize=64)
def enlarging(coarse: Grid, fine: Grid) -> Float32Array:
    """(fine side, coarse side): rows of a coarse map to rows at the places of a finer one, bilinearly."""
    return Between.of(coarse.steps(fine.pixels), coarse.side).matrix(coarse.side)


class Placed(NamedTuple):
    """An image in the square: what brings a grid's rows and columns to its pixels, bilinearly.

    Attributes:
        rows: Of the image's rows among the grid's.
        columns: The same of columns.
    """

    rows: Between
    columns: Between

    @classmethod
    def of(cls, grid: Grid, preprocessing: Preprocessing, height: int, width: int) -> Placed:
        """Of an image of that size, seen through a preprocessing; what was not seen takes what is nearest."""
        seen, placed = preprocessing.view(height, width)
        down = _moved(np.arange(height, dtype=np.float64) + 0.5, (seen[1], seen[3]), (placed[1], placed[3]))
        across = _moved(np.arange(width, dtype=np.float64) + 0.5, (seen[0], seen[2]), (placed[0], placed[2]))
        return cls(Between.of(grid.steps(down), grid.side), Between.of(grid.steps(across), grid.side))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image."""
        return len(self.rows.low), len(self.columns.low)

    def __call__(self, maps: Float32Array, rows: slice = slice(None)) -> Float32Array:
        """Maps (K, side, side) at the image's pixels: (K, rows, width)."""
        down = Between(self.rows.low[rows], self.rows.high[rows], self.rows.share[rows])
        first, last = int(down.low.min()), int(down.high.max()) + 1
        wide = self.columns.rows_of(maps[:, first:last].swapaxes(1, 2)).swapaxes(1, 2)
        return Between(down.low - first, down.high - first, down.share).rows_of(wide)


def nearest(grid: Grid, preprocessing: Preprocessing, height: int, width: int) -> tuple[IntpArray, IntpArray]:
    """Which row of the image, and which column, each of the grid's takes; -1 where it lies outside of the image."""
    seen, placed = preprocessing.view(height, width)
    found = []
    for first, last, length in ((1, 3, height), (0, 2, width)):
        at = _moved(grid.pixels, (placed[first], placed[last]), (seen[first], seen[last]))
        inside = (at >= 0) & (at <= length) & (grid.pixels >= placed[first]) & (grid.pixels <= placed[last])
        found.append(np.where(inside, np.minimum(at.astype(np.intp), length - 1), -1))
    return found[0], found[1]


def on_grid(mask: AnyArray, rows: IntpArray, columns: IntpArray, outside: int) -> AnyArray:
    """A mask (H, W) at the places of a grid, as ``nearest`` has them; ``outside`` where there is no image."""
    found: AnyArray = mask[np.maximum(rows, 0)[:, None], np.maximum(columns, 0)]
    found[(rows < 0)[:, None] | (columns < 0)] = outside
    return found


def _moved(places: Float64Array, here: tuple[float, float], there: tuple[float, float]) -> Float64Array:
    scale = (there[1] - there[0]) / (here[1] - here[0])
    return (places - here[0]) * scale + there[0]
