"""Where the mask of one image lies: one file, a file for each class or object, or an array."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from topwork.data._mask_files._raw import Raw, Values, raw_of, raw_of_page, unpacked
from topwork.data._source import ImageStore, content_key, source_name
from topwork.errors import ImageError


class MaskPlace(Protocol):
    """Knows where a mask lies, and puts it together."""

    def load(self) -> Raw:
        """The mask as it stands there.

        Raises:
            ImageError: It cannot be read.
        """


@dataclass(frozen=True, slots=True)
class OneFile:
    """A file with the whole mask, or a page of a stack, from 0; -1 where it is none."""

    path: Path
    page: int = -1

    def load(self) -> Raw:
        """See ``MaskPlace``."""
        return raw_of(self.path) if self.page < 0 else raw_of_page(self.path, self.page)


@dataclass(frozen=True, slots=True)
class InStore:
    """A row of a store: of a Hugging Face data set, or of a list of arrays."""

    store: ImageStore
    key: int

    def load(self) -> Raw:
        """See ``MaskPlace``."""
        return raw_of(self.store.source(self.key))


@dataclass(frozen=True, slots=True)
class TwoFiles:
    """A mask of classes, and one that tells objects apart."""

    classes: MaskPlace
    objects: MaskPlace

    def load(self) -> Raw:
        """See ``MaskPlace``."""
        first, second = self.classes.load(), self.objects.load()
        if first.values.shape != second.values.shape:
            high, wide = second.values.shape
            raise ImageError(f"its objects have {wide} × {high} pixels, its classes another size")
        return replace(first, objects=second.values, key=content_key(first.key + second.key))


def place_of(mask: Path | None, objects: Path | None, page: int = -1) -> MaskPlace:
    """The place of a mask in one file or two, of which one may be missing."""
    found = [OneFile(each, page) for each in (mask, objects) if each is not None]
    return TwoFiles(*found) if len(found) == 2 else found[0]


@dataclass(frozen=True, slots=True)
class Layers:
    """A file of one class, or of one object, each; where two say a pixel is theirs, the later one has it.

    Attributes:
        paths: The files.
        numbers: Of each the value of its pixels.
    """

    paths: tuple[Path, ...]
    numbers: tuple[int, ...]

    def load(self) -> Raw:
        """See ``MaskPlace``."""
        values: Values | None = None
        keys, twice = [], 0
        for path, number in zip(self.paths, self.numbers, strict=True):
            raw = raw_of(path)
            name = source_name(path)
            if values is None:
                values = np.zeros(raw.values.shape, np.int32)
            if raw.values.shape != values.shape:
                raise ImageError(f"{name}: not of the size of the others of its image")
            shown = _shown(raw)
            twice += int(np.count_nonzero(values[shown]))
            values[shown] = number
            keys.append(raw.key)
        if values is None:
            raise ImageError("it has no file")
        flaws = (("overlap", f"{twice:,} of its pixels are of two at once; the later has them"),) if twice else ()
        return Raw(values, deep=True, flaws=flaws, key=content_key(b"".join(keys)))


def _shown(raw: Raw) -> npt.NDArray[np.bool_]:
    """(H, W), the pixels that a mask of one thing shows."""
    values = unpacked(raw.values).sum(axis=-1) // 3 if raw.colours else raw.values
    largest = int(values.max())
    least = largest // 2 if raw.colours or raw.lossy or largest in (255, 65535) else 0
    return np.asarray(values > least)
