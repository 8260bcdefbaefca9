"""The pixel head as it is saved and used: its numbers, checked, and run without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from topwork._arrays import AnyArray, Float32Array, Float64Array
from topwork.errors import ModelError
from topwork.tasks.segmentation.network._grid import enlarging
from topwork.tasks.segmentation.network._spec import PixelSpec


@dataclass(frozen=True, eq=False)
class PixelHead:
    """What maps of several stages say together of each pixel.

    Attributes:
        spec: What it is.
        arrays: float32, named and shaped as ``shapes_of(spec)`` says: for each stage ``maps.0``, ``maps.1``, …,
            (channels out, width), then ``bias``; with hidden units also ``out`` (K, hidden) and ``out_bias``.

    Raises:
        ModelError: An array is missing, extra, misshapen or not finite.
    """

    spec: PixelSpec
    arrays: Mapping[str, Float32Array]

    def __post_init__(self) -> None:
        shapes = shapes_of(self.spec)
        missing, extra = sorted(shapes.keys() - self.arrays.keys()), sorted(self.arrays.keys() - shapes.keys())
        if missing or extra:
            raise ModelError(
                f"a pixel head: missing {', '.join(missing[:3]) or 'none'}, not expected "
                f"{', '.join(extra[:3]) or 'none'}"
            )
        for name, shape in shapes.items():
            array = self.arrays[name]
            if array.shape != shape or array.dtype != np.float32:
                raise ModelError(f"{name}: expected float32 {shape}, got {array.dtype} {array.shape}")
            if not np.isfinite(array).all():
                raise ModelError(f"{name}: {int((~np.isfinite(array)).sum())} of {array.size} numbers are NaN or Inf")

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, AnyArray], spec: PixelSpec) -> PixelHead:
        """The head of a saved model.

        Raises:
            ModelError: The tensors are not the spec's.
        """
        return cls(spec, {name: np.asarray(tensor) for name, tensor in tensors.items()})

    def to_tensors(self) -> Mapping[str, AnyArray]:
        """What is saved."""
        return dict(self.arrays)

    def logits(self, features: Float32Array) -> Float32Array:
        """What it says of each place of the grid: (N, K, side, side) of features (N, D)."""
        found = np.empty((len(features), self.spec.channels, self.spec.side, self.spec.side), np.float32)
        for image, row in enumerate(features):
            found[image] = self._of_one(np.asarray(row, np.float32))
        return found

    def shares(self, row: Float32Array, place: tuple[int, int]) -> Float64Array:
        """What each stage adds to what is said of one place of the grid: (stages + 1, K), the last is the bias'.

        Their sum is the place's logits. Hidden units are taken as they are at this place: what is at work there is
        linear in the maps.

        Args:
            row: (D,), the maps of one image.
            place: Row and column of the grid.
        """
        spec, added = self.spec, []
        for at, maps in enumerate(self._maps(np.asarray(row, np.float32))):
            down, across = (enlarging(spec.grids[at], spec.grid)[each] for each in place)
            added.append(self.arrays[f"maps.{at}"] @ np.einsum("chw,h,w->c", maps, down, across))
        parts = np.array([*added, self.arrays["bias"]], np.float64)
        if not spec.hidden:
            return parts
        at_work = parts.sum(axis=0) > 0
        found: Float64Array = (parts * at_work) @ self.arrays["out"].T.astype(np.float64)
        found[-1] += self.arrays["out_bias"]
        return found

    def _of_one(self, row: Float32Array) -> Float32Array:
        spec, summed = self.spec, self.arrays["bias"][:, None, None]
        for place, maps in enumerate(self._maps(row)):
            told = (self.arrays[f"maps.{place}"] @ maps.reshape(len(maps), -1)).reshape(-1, *maps.shape[1:])
            if spec.strides[place] != spec.strides[0]:
                rows = enlarging(spec.grids[place], spec.grid)
                told = rows @ told @ rows.T
            summed = summed + told
        if not spec.hidden:
            return summed
        hidden = np.maximum(summed, 0).reshape(spec.hidden, -1)
        out = self.arrays["out"] @ hidden + self.arrays["out_bias"][:, None]
        return out.reshape(spec.channels, spec.side, spec.side)

    def _maps(self, row: Float32Array) -> Iterator[Float32Array]:
        start = 0
        for width, side in zip(self.spec.widths, self.spec.sides, strict=True):
            end = start + width * side**2
            yield row[start:end].reshape(width, side, side)
            start = end


def shapes_of(spec: PixelSpec) -> dict[str, tuple[int, ...]]:
    """Name and shape of each array of a head."""
    channels = spec.hidden or spec.channels
    shapes: dict[str, tuple[int, ...]] = {f"maps.{i}": (channels, width) for i, width in enumerate(spec.widths)}
    shapes["bias"] = (channels,)
    if spec.hidden:
        shapes |= {"out": (spec.channels, spec.hidden), "out_bias": (spec.channels,)}
    return shapes
