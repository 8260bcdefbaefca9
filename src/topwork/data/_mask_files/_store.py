"""Masks on disk, decoded when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from topwork.data._mask_files._meaning import Meaning
from topwork.data._mask_files._places import MaskPlace
from topwork.data._masks import UNLABELLED, Mask, MaskStore
from topwork.data._names import printable
from topwork.errors import DataError, ImageError


@dataclass(frozen=True, eq=False)
class MaskFiles:
    """The masks of a data set where they lie. N of them.

    Attributes:
        places: Where.
        paths: The names of their images.
        turns: uint8 (N,), EXIF's orientation along which each is turned; 1 where it is not.
        sizes: int32 (N, 2), height and width of their images as they are shown.
        keys: uint8 (N, 16), what ``Raw.key`` was when they were read.
        meaning: What their values mean.
    """

    places: tuple[MaskPlace, ...]
    paths: tuple[str, ...]
    turns: npt.NDArray[np.uint8]
    sizes: npt.NDArray[np.int32]
    keys: npt.NDArray[np.uint8]
    meaning: Meaning

    def mask(self, key: int) -> Mask:
        """The mask at a place.

        Raises:
            DataError: It cannot be read any more, or is not what it was.
        """
        name = printable(self.paths[key])
        try:
            raw = self.places[key].load()
        except ImageError as error:
            raise DataError(f"the mask of {name}: {error.message}", hint=error.hint) from error
        if raw.key.ljust(16, b"\0") != self.keys[key].tobytes():
            raise DataError(f"the mask of {name} has changed since it was read", hint="read the data set again")
        return self.meaning.mask(raw.turned(int(self.turns[key])))


@dataclass(frozen=True, eq=False)
class Reordered:
    """Masks whose classes have other places; int32 (C,), the new place of each."""

    masks: MaskStore
    places: npt.NDArray[np.int32]

    def mask(self, key: int) -> Mask:
        """See ``MaskStore``."""
        found = self.masks.mask(key)
        places = np.append(self.places, np.int32(UNLABELLED))  # UNLABELLED is the last from behind
        return Mask(places[found.labels], found.objects)
