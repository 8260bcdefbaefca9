"""Images with boxes: which objects lie where. The targets of a detection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from topwork._arrays import Float32Array
from topwork.data._dataset import Dataset, name_bytes
from topwork.data._names import quoted
from topwork.errors import DataError


@dataclass(frozen=True, eq=False)
class Boxes:
    """Objects in one image, K of them.

    Attributes:
        corners: float32 (K, 4), each ``xmin, ymin, xmax, ymax`` in pixels of the image as it is shown (turned by its
            EXIF tag). Edges, not pixels: the whole of an image is ``0, 0, width, height``.
        labels: int32 (K,), places among the classes.
        crowd: bool (K,), regions in which objects are not told apart, or too hard to be asked for: neither a miss nor
            an invention there counts (COCO's ``iscrowd``, VOC's ``difficult``).
    """

    corners: Float32Array
    labels: npt.NDArray[np.int32]
    crowd: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class BoxFlaw:
    """A box that was corrected when it was read, or excluded.

    Attributes:
        path: The name of its image.
        kind: What is wrong with it: ``outside``, ``empty``, ``swapped``, ``doubled``, ``unit`` (shares of the image
            where others are pixels, or the other way round), ``number``, ``class``, ``mask`` (an encoded mask alone),
            ``none`` (an annotation without a box).
        detail: The same in plain words, and what was done.
        box: As it was given: ``xmin, ymin, xmax, ymax``, in pixels of the image as shown where they can be told; None
            where they are no numbers.
        used: Whether it is in the data set, corrected.
    """

    path: str
    kind: str
    detail: str
    box: tuple[float, float, float, float] | None = None
    used: bool = False


@dataclass(frozen=True, eq=False)
class BoxDataset(Dataset):
    """Images with any number of boxes each, none included. N rows, B boxes, C classes.

    The boxes of a row lie one after another, those of row 0 first.

    Attributes:
        corners: float32 (B, 4), see ``Boxes``.
        labels: int32 (B,), places in ``classes``.
        crowd: bool (B,), see ``Boxes``.
        counts: int32 (N,), boxes of each row.
        sizes: int32 (N, 2), height and width of each image as it is shown.
        classes: C class names, each once. Order is meaning: a label is a position in this tuple.
        flaws: Boxes of these rows that were corrected or excluded when they were read.

    Raises:
        DataError: Lengths differ, a label is out of range, a box is no box, a class name comes twice, a split is
            unknown.
    """

    corners: Float32Array = field(kw_only=True)
    labels: npt.NDArray[np.int32] = field(kw_only=True)
    crowd: npt.NDArray[np.bool_] = field(kw_only=True)
    counts: npt.NDArray[np.int32] = field(kw_only=True)
    sizes: npt.NDArray[np.int32] = field(kw_only=True)
    classes: tuple[str, ...] = field(kw_only=True)
    flaws: tuple[BoxFlaw, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        kinds = {"corners": np.float32, "labels": np.int32, "crowd": np.bool_, "counts": np.int32, "sizes": np.int32}
        for name, kind in kinds.items():
            view: npt.NDArray[Any] = np.asarray(getattr(self, name), kind).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)
        rows, boxes = len(self), int(self.counts.sum())
        shapes = {"corners": (boxes, 4), "labels": (boxes,), "crowd": (boxes,), "counts": (rows,), "sizes": (rows, 2)}
        for name, shape in shapes.items():
            if (given := getattr(self, name).shape) != shape:
                raise DataError(f"{rows} images with {boxes} boxes have {name} of shape {shape}, not {given}")
        if len(set(self.classes)) != len(self.classes):
            twice = sorted({name for name in self.classes if self.classes.count(name) > 1})
            raise DataError(f"a class name comes twice: {quoted(twice)}")
        if boxes and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            raise DataError(
                f"labels run from {self.labels.min()} to {self.labels.max()}, but there are {len(self.classes)} classes"
            )
        sides = self.corners[:, 2:] - self.corners[:, :2]
        if not (np.isfinite(self.corners).all() and (sides > 0).all()):
            raise DataError("a box has no area, or a corner that is no number")

    @property
    def starts(self) -> npt.NDArray[np.intp]:
        """(N + 1,), where the boxes of each row begin, and where the last one's end."""
        return np.concatenate([[0], np.cumsum(self.counts)]).astype(np.intp)

    @property
    def rows_of_boxes(self) -> npt.NDArray[np.intp]:
        """(B,), the row of each box."""
        return np.repeat(np.arange(len(self)), self.counts)

    def boxes(self, row: int) -> Boxes:
        """The boxes of one row."""
        before = int(self.counts[:row].sum())
        part = slice(before, before + int(self.counts[row]))
        return Boxes(self.corners[part], self.labels[part], self.crowd[part])

    def all_boxes(self) -> list[Boxes]:
        """The boxes of every row."""
        cuts = self.starts[1:-1]
        parts = (np.split(each, cuts) for each in (self.corners, self.labels, self.crowd))
        return [Boxes(*each) for each in zip(*parts, strict=True)][: len(self)]

    def with_boxes(self, boxes: Sequence[Boxes]) -> Self:
        """The same images with other boxes, one ``Boxes`` a row."""
        if len(boxes) != len(self):
            raise DataError(f"{len(self)} images, but boxes of {len(boxes)}")
        none = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int32), np.zeros(0, np.bool_))
        return replace(
            self,
            corners=np.concatenate([each.corners for each in (*boxes, none)]),
            labels=np.concatenate([each.labels for each in (*boxes, none)]),
            crowd=np.concatenate([each.crowd for each in (*boxes, none)]),
            counts=np.array([len(each) for each in boxes], np.int32),
        )

    def class_counts(self) -> npt.NDArray[np.int64]:
        """(C,), the boxes of each class, crowds left out."""
        return np.bincount(self.labels[~self.crowd], minlength=len(self.classes)).astype(np.int64)

    def strata(self) -> npt.NDArray[np.int32]:
        """Of each row its rarest class, C where it has no box: so every class gives its share of images."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        rarity = np.argsort(np.argsort(counts, kind="stable"), kind="stable")  # 0: the rarest
        by_rarity = np.argsort(rarity)
        best = np.full(len(self), len(self.classes), np.int64)
        np.minimum.at(best, self.rows_of_boxes, rarity[self.labels])
        return np.append(by_rarity, len(self.classes))[best].astype(np.int32)

    @property
    def n_strata(self) -> int:
        """As many as there are classes, and one of images without a box."""
        return len(self.classes) + 1

    def rows_of_class(self, label: int) -> npt.NDArray[np.intp]:
        """The rows with a box of a class, in order; a crowd is one too."""
        return np.unique(self.rows_of_boxes[self.labels == label])

    def _targets_at(self, rows: npt.NDArray[np.intp]) -> dict[str, Any]:
        starts, counts = self.starts[rows], self.counts[rows]
        first = np.repeat(starts - np.concatenate([[0], np.cumsum(counts)[:-1]])[: len(rows)], counts)
        kept = (first + np.arange(len(first))).astype(np.intp)
        of_boxes = {name: getattr(self, name)[kept] for name in ("corners", "labels", "crowd")}
        names = {self.paths[row] for row in rows.tolist()} if self.flaws else set()
        flaws = tuple(flaw for flaw in self.flaws if flaw.path in names)
        return {**of_boxes, "counts": counts, "sizes": self.sizes[rows], "flaws": flaws}

    def _target_bytes(self) -> Iterable[bytes]:
        names = [name_bytes(name) for name in self.classes]
        for boxes in self.all_boxes():
            told = zip(boxes.corners, boxes.labels.tolist(), boxes.crowd, strict=True)
            rows = [corners.tobytes() + bytes([bool(crowd)]) + names[label] for corners, label, crowd in told]
            yield b"%d:" % len(rows) + b"".join(b"%d:%b" % (len(row), row) for row in sorted(rows))
