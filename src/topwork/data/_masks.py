"""Images with masks: what every pixel belongs to. The targets of a segmentation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from topwork.data._dataset import Dataset, name_bytes
from topwork.data._names import quoted
from topwork.errors import DataError

UNLABELLED = -1
"""The label of a pixel of which nothing is told: it neither trains nor measures."""


@dataclass(frozen=True)
class Mask:
    """What the pixels of one image belong to, as the image is shown (turned by its EXIF tag). H × W pixels.

    Attributes:
        labels: int32 (H, W), places among the classes, or ``UNLABELLED``.
        objects: int32 (H, W), 0 where no object is, or the number of the object there, 1 and up; None where objects of
            a class are not told apart.
    """

    labels: npt.NDArray[np.int32]
    objects: npt.NDArray[np.int32] | None = None


class MaskStore(Protocol):
    """Where the masks of a data set lie, each decoded only when it is asked for."""

    def mask(self, key: int) -> Mask:
        """The mask at a place of the store.

        Raises:
            DataError: It cannot be read any more, or is not what it was.
        """
        ...


@dataclass(frozen=True, slots=True)
class MaskFlaw:
    """A mask, or part of one, that was corrected when it was read, or excluded.

    Attributes:
        path: The name of its image.
        kind: What is wrong with it, one word; ``data/_mask_files`` says which there are.
        detail: The same in plain words, and what was done.
        used: Whether it is in the data set, corrected.
    """

    path: str
    kind: str
    detail: str
    used: bool = False


@dataclass(frozen=True, eq=False)
class MaskDataset(Dataset):
    """Images with a mask each. N rows, C classes. Masks stay on disk, as images do.

    Attributes:
        masks: Where they lie.
        mask_keys: int64 (N,), the place of each row's mask in ``masks``.
        pixels: int64 (N, C + 1), how many pixels of each row belong to each class; last, how many to none (unlabelled).
        objects: int32 (N,), how many objects each row shows; -1 where they are not told apart.
        digests: uint8 (N, 16), a hash of what each mask says.
        sizes: int32 (N, 2), height and width of each image as it is shown.
        classes: C class names, each once. Order is meaning: a label is a position in this tuple.
        has_background: Whether ``classes[0]`` is what belongs to none of the others; it is no object then, and no
            headline figure counts it.
        flaws: Masks of these rows that were corrected or excluded when they were read.

    Raises:
        DataError: Lengths differ, a class name comes twice, a split is unknown.
    """

    masks: MaskStore = field(kw_only=True)
    mask_keys: npt.NDArray[np.int64] = field(kw_only=True)
    pixels: npt.NDArray[np.int64] = field(kw_only=True)
    objects: npt.NDArray[np.int32] = field(kw_only=True)
    digests: npt.NDArray[np.uint8] = field(kw_only=True)
    sizes: npt.NDArray[np.int32] = field(kw_only=True)
    classes: tuple[str, ...] = field(kw_only=True)
    has_background: bool = field(kw_only=True)
    flaws: tuple[MaskFlaw, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        rows = len(self)
        shapes = {
            "mask_keys": (np.int64, (rows,)),
            "pixels": (np.int64, (rows, len(self.classes) + 1)),
            "objects": (np.int32, (rows,)),
            "digests": (np.uint8, (rows, 16)),
            "sizes": (np.int32, (rows, 2)),
        }
        for name, (kind, shape) in shapes.items():
            view: npt.NDArray[Any] = np.asarray(getattr(self, name), kind).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)
            if view.shape != shape:
                raise DataError(
                    f"{rows} images with {len(self.classes)} classes: {name} has shape {view.shape}, not {shape}"
                )
        if len(set(self.classes)) != len(self.classes):
            twice = sorted({name for name in self.classes if self.classes.count(name) > 1})
            raise DataError(f"a class name comes twice: {quoted(twice)}")

    def mask(self, row: int) -> Mask:
        """The mask of one row, decoded.

        Raises:
            DataError: It cannot be read any more, or is not what it was.
        """
        return self.masks.mask(int(self.mask_keys[row]))

    @property
    def foreground(self) -> range:
        """Places of the classes that are not background."""
        return range(int(self.has_background), len(self.classes))

    @property
    def tells_objects(self) -> bool:
        """Whether objects of a class are told apart in every row."""
        return len(self) > 0 and bool((self.objects >= 0).all())

    def class_counts(self) -> npt.NDArray[np.int64]:
        """(C,), in how many images each class is seen."""
        return np.asarray((self.pixels[:, :-1] > 0).sum(axis=0), np.int64)

    def strata(self) -> npt.NDArray[np.int32]:
        """Of each row the class that fewest images show, C where it shows none but background."""
        n = len(self.classes)
        seen = self.pixels[:, :-1] > 0
        rarity = np.argsort(np.argsort(seen.sum(axis=0), kind="stable"), kind="stable")  # 0: the rarest
        ranks = np.where(seen, rarity, n)
        ranks[:, : int(self.has_background)] = n
        return np.asarray(np.append(np.argsort(rarity), n)[ranks.min(axis=1, initial=n)], np.int32)

    @property
    def n_strata(self) -> int:
        """As many as there are classes, and one of images that show none."""
        return len(self.classes) + 1

    def rows_of_class(self, label: int) -> npt.NDArray[np.intp]:
        """The rows with a pixel of a class, in order."""
        return np.flatnonzero(self.pixels[:, label])

    def _targets_at(self, rows: npt.NDArray[np.intp]) -> dict[str, Any]:
        of_rows = {name: getattr(self, name)[rows] for name in ("mask_keys", "pixels", "objects", "digests", "sizes")}
        names = {self.paths[row] for row in rows.tolist()} if self.flaws else set()
        return {**of_rows, "flaws": tuple(flaw for flaw in self.flaws if flaw.path in names)}

    def _target_bytes(self) -> Iterable[bytes]:
        classes = b"".join(name_bytes(name) for name in self.classes)
        for digest in self.digests:
            yield digest.tobytes() + classes
