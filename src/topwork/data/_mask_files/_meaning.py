"""What the numbers and colours of masks mean: classes, or objects."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from topwork.data._mask_files._look import Look
from topwork.data._mask_files._raw import Raw, packed, unpacked
from topwork.data._masks import UNLABELLED, Mask

NEAR = 64.0
"""A colour farther than this from every colour of the legend (of 442) is none of them."""
_SURE = 3.0  # how many times nearer it must be to one than to any other
_TABLE = 2**16  # numbers that are looked up once for all pixels that have them
_FEW = 8  # so many colours that are none of the legend are colours of their own, more are mixtures


@dataclass(frozen=True, eq=False)
class Meaning:
    """What the values of a set's masks mean.

    Attributes:
        kind: ``indices``, ``colours``, ``greys`` (colours that are numbers) or ``objects``: each number above 0 is one.
        keys: int64 (K,), numbers or colours, sorted; empty for objects.
        places: int32 (K,), the class of each, or ``UNLABELLED``.
        classes: The classes' names.
        has_background: Whether the first is what belongs to none of the others.
        object_class: The class of all objects, where the values are objects.
    """

    kind: str
    keys: npt.NDArray[np.int64]
    places: npt.NDArray[np.int32]
    classes: tuple[str, ...]
    has_background: bool
    object_class: int = 1
    notes: tuple[str, ...] = field(default=())

    @cached_property
    def stamp(self) -> bytes:
        """Bytes that tell this meaning from another of the same numbers."""
        parts = (self.kind.encode(), self.keys.tobytes(), self.places.tobytes(), b"%d" % self.object_class)
        return hashlib.blake2b(b"|".join(parts), digest_size=16).digest()

    def labels_of(self, values: npt.NDArray[np.integer]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
        """The class of each value, and whether the legend has it; numbers below 0 are unlabelled for everybody."""
        if self.kind == "objects":
            labels = np.where(values > 0, np.int32(self.object_class), np.int32(0))
            return np.where(values < 0, np.int32(UNLABELLED), labels), np.ones(values.shape, np.bool_)
        most = int(values.max(initial=0))
        if values.min(initial=0) >= 0 and most < min(_TABLE, values.size - 1):  # a number is looked up, not each pixel
            labels, known = self.labels_of(np.arange(most + 1))
            return labels[values], known[values]
        at = np.minimum(np.searchsorted(self.keys, values), len(self.keys) - 1)
        exact = self.keys[at] == values
        labels = np.where(exact, self.places[at], np.int32(UNLABELLED))
        return labels, exact | (values < 0)

    def nearest(self, values: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
        """(V,), of values that are not in the legend the class of the nearest colour, ``UNLABELLED`` in doubt."""
        if self.kind not in ("colours", "greys") or not len(values):
            return np.full(len(values), UNLABELLED, np.int32)
        keys, given = (each.astype(np.float64)[:, None] for each in (self.keys, values))
        if self.kind == "colours":
            keys, given = (unpacked(each).astype(np.float64) for each in (self.keys, values))
        found = np.full(len(values), UNLABELLED, np.int32)
        for start in range(0, len(values), 4096):
            part = slice(start, start + 4096)
            away = np.sqrt(((given[part, None] - keys[None]) ** 2).sum(axis=2))
            order = np.sort(away, axis=1)
            sure = order[:, 0] <= NEAR
            if len(keys) > 1:
                sure &= order[:, 0] * _SURE < order[:, 1]
            found[part] = np.where(sure, self.places[away.argmin(axis=1)], UNLABELLED)
        return found

    def values_in(self, raw: Raw) -> npt.NDArray[np.int32]:
        """A mask's values as the legend has them: through its palette, or as grey, where they are colours."""
        return as_keys(self.kind, raw.values, raw.colours, raw.palette)

    def mask(self, raw: Raw) -> Mask:
        """A mask as classes and objects."""
        values = self.values_in(raw)
        labels, known = self.labels_of(values)
        if not known.all() and self.kind in ("colours", "greys"):
            strange, back = np.unique(values[~known], return_inverse=True)
            labels[~known] = self.nearest(strange)[back]
        objects = raw.objects
        if objects is None and self.kind == "objects":
            objects = np.maximum(raw.values, 0)
        if objects is not None and raw.objects is not None:
            objects = np.where(labels >= int(self.has_background), objects, np.int32(0))
        return Mask(np.ascontiguousarray(labels, np.int32), objects)


def as_keys(
    kind: str, values: npt.NDArray[np.int32], colours: bool, palette: npt.NDArray[np.int32] | None
) -> npt.NDArray[np.int32]:
    """Values as a legend of this kind has them."""
    if kind == "colours" and not colours:
        if palette is not None and len(palette):
            return np.asarray(palette[np.clip(values, 0, len(palette) - 1)], np.int32)
        grey = np.clip(values, 0, 255)
        return packed(np.stack([grey] * 3, axis=-1))
    if kind != "colours" and colours:  # a mask of colours in a set of numbers: its brightness
        return np.asarray(unpacked(values).sum(axis=-1, dtype=np.int32) // 3, np.int32)
    return values


@dataclass(frozen=True)
class Counted:
    """What a mask says, by a meaning.

    Attributes:
        pixels: int64 (C + 1,), last the unlabelled ones.
        objects: How many objects; -1 where they are not told apart.
        flaws: Kind, detail and whether the mask is used.
    """

    pixels: npt.NDArray[np.int64]
    objects: int
    flaws: tuple[tuple[str, str, bool], ...]


def counted(meaning: Meaning, look: Look) -> Counted:
    """Count a mask's classes and objects by the values that it holds, and list what is wrong with them."""
    values = as_keys(meaning.kind, look.values, look.colours, look.palette)
    labels, known = meaning.labels_of(values)
    flaws = [(kind, detail, True) for kind, detail in look.flaws]
    if not known.all():
        labels = labels.copy()
        labels[~known] = meaning.nearest(values[~known])
        flaws.append(_strange(meaning, values[~known], look.counts[~known], labels[~known]))
    classes = len(meaning.classes)
    places = np.where(labels == UNLABELLED, classes, labels)
    pixels = np.bincount(places, look.counts, minlength=classes + 1).astype(np.int64)
    height, width = look.shown
    pixels[classes] += height * width - int(pixels.sum())  # values that were too many to be kept
    objects, split = -1, 0
    if look.parts is not None:
        objects, split = _objects_in(meaning, look, look.parts)
    elif meaning.kind == "objects":
        objects = int((look.values > 0).sum())
        split = int((look.pieces[look.values > 0] > 1).sum()) if len(look.pieces) else 0
    if split:
        some = "1 of its objects lies" if split == 1 else f"{split:,} of its objects lie"
        flaws.append(("pieces", f"{some} in several pieces", True))
    if look.turn > 1:
        flaws.append(("turned", "it lies as its image is stored; turned along with it, as EXIF says", True))
    return Counted(pixels, objects, tuple(flaws))


def _objects_in(meaning: Meaning, look: Look, parts: npt.NDArray[np.int64]) -> tuple[int, int]:
    """How many objects a mask tells, and how many of them lie in several pieces; what has no class is none."""
    values = as_keys(meaning.kind, parts[:, 1].astype(np.int32), look.colours, look.palette)
    labels, known = meaning.labels_of(values)
    labels[~known] = meaning.nearest(values[~known])
    own = parts[labels >= int(meaning.has_background), 0]
    numbers, of = np.unique(own, return_counts=True)
    return len(numbers), int((of > 1).sum())


def _strange(
    meaning: Meaning,
    values: npt.NDArray[np.integer],
    counts: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int32],
) -> tuple[str, str, bool]:
    doubtful = int(counts[labels == UNLABELLED].sum())
    pixels = "1 pixel" if int(counts.sum()) == 1 else f"{int(counts.sum()):,} pixels"
    if meaning.kind in ("colours", "greys") and len(values) > _FEW:
        return (
            "blurred",
            f"{pixels} have colours between those of the classes, as JPEG or smoothing makes them: "
            f"read as the nearest; {doubtful:,} in doubt are unlabelled",
            True,
        )
    shown = ", ".join(shown_value(meaning.kind, value) for value in values[:3].tolist())
    more = f" and {len(values) - 3:,} more" if len(values) > 3 else ""
    told = "read as the nearest, or unlabelled" if doubtful < counts.sum() else "unlabelled"
    return "index", f"{pixels} have a value that no class has ({shown}{more}): {told}", True


def shown_value(kind: str, value: int) -> str:
    """A number, or a colour as the web writes it."""
    return f"#{value:06x}" if kind == "colours" else str(value)
