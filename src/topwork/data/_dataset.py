"""The data set as a value: which images or texts, which class, which split, and what was left out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar, overload

import numpy as np
import numpy.typing as npt

from topwork.data._names import nearest, printable, quoted
from topwork.data._source import ImageStore, Source, content_key
from topwork.data._text_store import TextStore
from topwork.errors import DataError

SPLITS = ("", "train", "val", "test")
"""What ``ImageDataset.splits`` may hold; the empty one says that no splits were given."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file or folder that was found and is not used.

    Args:
        path: Relative to the data set's root, with forward slashes; where the images are not files, the row's
            name.
        reason: Why, in plain words.
    """

    path: str
    reason: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images or texts by name, whatever is to be learnt of them; pixels and texts stay on disk. N rows.

    A task's data set adds its targets: it says how they are selected (:meth:`_targets_at`), what of a row's target its
    fingerprint holds (:meth:`_target_bytes`), and what a split keeps the shares of (:meth:`strata`).

    Args:
        root: The folder that ``paths`` start from.
        paths: N names, each once, with forward slashes: files relative to ``root``, or what ``store`` calls
            its images; a name that is not UTF-8 is carried the way ``os.fsdecode`` does it.
        splits: Shape ``(N,)``, text: ``"train"``, ``"val"``, ``"test"``, or ``""`` where no splits were given.
        left_out: Files and folders that were found and are not used.
        ignored: How many hidden and system entries (``.DS_Store``, ``Thumbs.db``, ``__MACOSX``) were passed
            over.
        notes: What the user should know about the set, in plain words.
        groups: N group names (a patient, a production lot), or empty; ``""`` is a row that is in no group.
        store: Where the images lie when they are not files below ``root``: tar shards, a Hugging Face data
            set, an array, texts.
        keys: Shape ``(N,)``, int64, each row's place in ``store``; empty without one.

    Raises:
        DataError: Lengths differ, or a split is unknown.
    """

    root: Path
    paths: tuple[str, ...]
    splits: npt.NDArray[np.str_]
    left_out: tuple[LeftOut, ...] = ()
    ignored: int = 0
    notes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    store: ImageStore | None = None
    keys: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    thing: ClassVar[str] = "image"
    """What a row is called."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "splits", _frozen(self.splits, "<U5"))
        object.__setattr__(self, "keys", _frozen(self.keys, np.int64))
        rows = len(self.paths)
        if self.splits.shape != (rows,) or len(self.groups) not in (0, rows):
            raise DataError(f"{rows} paths, but splits of shape {self.splits.shape} and {len(self.groups)} groups")
        if self.keys.shape != (rows if self.store is not None else 0,):
            raise DataError(f"{rows} paths, but keys of shape {self.keys.shape} into the store {self.store}")
        known = np.isin(self.splits, SPLITS)
        if not known.all():
            wrong = printable(str(self.splits[int(np.argmin(known))]))
            raise DataError(f"split '{wrong}' is not one of {quoted(SPLITS[1:])}")

    def _targets_at(self, rows: npt.NDArray[np.intp]) -> dict[str, Any]:
        """The fields that hold targets, at these rows; none here."""
        return {}

    def _target_bytes(self) -> Iterable[bytes]:
        """What a fingerprint holds of each row's target; nothing here."""
        return [b""] * len(self)

    def strata(self) -> npt.NDArray[np.int32]:
        """Shape ``(N,)``, whole numbers from 0: of each of them a split holds out the same share; one for all here."""
        return np.zeros(len(self), np.int32)

    @property
    def n_strata(self) -> int:
        """How many strata there can be, empty ones included."""
        return 1

    def rows_of_class(self, label: int) -> npt.NDArray[np.intp]:
        """The rows that show a class, in order; none here, where there are no classes."""
        return np.zeros(0, np.intp)

    def __len__(self) -> int:
        return len(self.paths)

    def full_path(self, index: int) -> Path:
        """Where row ``index`` lies on disk; :meth:`source` is right for every data set.

        Raises:
            DataError: The images of this data set are not files of their own.
        """
        if self.store is not None:
            raise DataError(f"the images of {printable(str(self.root))} are not files", hint="use dataset.source(row)")
        return self.root / self.paths[index]

    def source(self, index: int) -> Source:
        """Give the image of row ``index`` as :func:`decode` takes it: a path, a slice of a file, bytes or pixels.

        Raises:
            ImageError: The image cannot be had.
        """
        return self.full_path(index) if self.store is None else self.store.source(int(self.keys[index]))

    def sources(self) -> Sequence[Source]:
        """Give the images of all rows, each fetched only when it is asked for."""
        return _Sources(self)

    def split(self, name: str) -> Self:
        """Take the rows of one split: ``"train"``, ``"val"`` or ``"test"``; there may be none.

        Raises:
            DataError: There is no such split's name.
        """
        if name not in SPLITS[1:]:
            raise DataError(f"no split '{printable(name)}'; nearest: {nearest(name, SPLITS[1:])}")
        return self.select(np.flatnonzero(self.splits == name))

    @property
    def held_out_split(self) -> str:
        """The split that measures a model: ``test``, or ``val`` where there is no other; empty where there is none."""
        return next((name for name in ("test", "val") if (self.splits == name).any()), "")

    def select(self, indices: npt.ArrayLike) -> Self:
        """Take rows by position, in the order given; classes, notes and what was left out stay.

        Args:
            indices: Shape ``(K,)``, integers, or a boolean mask of shape ``(N,)``.

        Raises:
            IndexError: A position is out of range.
        """
        wanted = np.asarray(indices)
        rows = np.arange(len(self))[wanted if wanted.size else wanted.astype(np.intp)]  # [] is of type float
        return replace(
            self,
            paths=tuple(self.paths[row] for row in rows.tolist()),
            splits=self.splits[rows],
            groups=tuple(self.groups[row] for row in rows.tolist()) if self.groups else (),
            keys=self.keys if self.store is None else self.keys[rows],
            **self._targets_at(rows),
        )

    def without(self, left_out: Sequence[LeftOut]) -> Self:
        """Drop the rows that a later pass could not use, and keep them on the list of what was left out.

        Raises:
            DataError: A path is not in the data set.
        """
        gone = {item.path for item in left_out}
        unknown = gone.difference(self.paths)
        if unknown:
            raise DataError(f"not in the data set: {quoted(sorted(unknown)[:3])}")
        kept = self.select([row for row, path in enumerate(self.paths) if path not in gone])
        return replace(kept, left_out=self.left_out + tuple(left_out))

    def fingerprint(self) -> str:
        """SHA-256 over every row's path, target and split, whatever their order; not over pixels."""
        rows = zip(self.paths, self._target_bytes(), self.splits.tolist(), strict=True)
        digest = hashlib.sha256()
        for row in sorted(_counted(path) + target + _counted(split) for path, target, split in rows):
            digest.update(row)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class LabelledDataset(Dataset):
    """Rows of one class each, whatever they are. N rows, C classes.

    Args:
        labels: Shape ``(N,)``, int32, an index into ``classes``.
        classes: C class names, each once. Order is meaning: a label is a position in this tuple.

    Raises:
        DataError: Lengths differ, a label is out of range, a class name comes twice, a split is unknown.
    """

    labels: npt.NDArray[np.int32] = field(kw_only=True)
    classes: tuple[str, ...] = field(kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", _frozen(self.labels, np.int32))
        super().__post_init__()
        if self.labels.shape != (len(self),):
            raise DataError(f"{len(self)} paths, but labels of shape {self.labels.shape}")
        if len(set(self.classes)) != len(self.classes):
            twice = sorted({name for name in self.classes if self.classes.count(name) > 1})
            raise DataError(f"a class name comes twice: {quoted(twice)}")
        if len(self) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            raise DataError(
                f"labels run from {self.labels.min()} to {self.labels.max()}, but there are {len(self.classes)} classes"
            )

    def _targets_at(self, rows: npt.NDArray[np.intp]) -> dict[str, Any]:
        return {"labels": self.labels[rows]}

    def _target_bytes(self) -> Iterable[bytes]:
        names = [_counted(name) for name in self.classes]
        return (names[label] for label in self.labels.tolist())

    def strata(self) -> npt.NDArray[np.int32]:
        """The labels: each class gives its share."""
        return self.labels

    @property
    def n_strata(self) -> int:
        """As many as there are classes."""
        return len(self.classes)

    def rows_of_class(self, label: int) -> npt.NDArray[np.intp]:
        """The rows of a class, in order."""
        return np.flatnonzero(self.labels == label)

    def relabelled(self, classes: Sequence[str]) -> Self:
        """The same rows with the same class names in another order.

        Raises:
            DataError: These are other names.
        """
        if sorted(classes) != sorted(self.classes):
            raise DataError(f"classes {quoted(classes)} are not {quoted(self.classes)} in another order")
        places = np.array([list(classes).index(name) for name in self.classes], np.int32)
        return replace(self, classes=tuple(classes), labels=places[self.labels])

    def counts(self) -> npt.NDArray[np.int64]:
        """Count the rows of each class; shape ``(C,)``."""
        return np.bincount(self.labels, minlength=len(self.classes)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class ImageDataset(LabelledDataset):
    """Labelled images by name, one class each. N rows, C classes.

    A row costs about 150 bytes, most of it its name, so a million images fit in some 150 MB.
    """


@dataclass(frozen=True, eq=False)
class TextDataset(LabelledDataset):
    """Labelled texts, one class each. N rows, C classes; the texts lie in ``store``, which every text set has.

    A row's name says where its text came from, such as ``reviews.csv:17``, and nothing of the text. So the fingerprint
    is over the texts too.
    """

    thing: ClassVar[str] = "text"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.store, TextStore):
            raise DataError("a set of texts needs a store that holds them")

    def text(self, index: int) -> str:
        """The text of row ``index``."""
        assert isinstance(self.store, TextStore)
        return self.store.source(int(self.keys[index]))

    def _target_bytes(self) -> Iterable[bytes]:
        texts = (content_key(name_bytes(self.text(row))) for row in range(len(self)))
        return (label + text for label, text in zip(super()._target_bytes(), texts, strict=True))


AnyDataset = TypeVar("AnyDataset", bound=Dataset)
"""The kind of data set that goes in comes out."""


class _Sources(Sequence[Source]):
    """The images of a data set, one after another; holds none of them."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    @overload
    def __getitem__(self, index: int) -> Source: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Source]: ...
    def __getitem__(self, index: int | slice) -> Source | Sequence[Source]:
        if isinstance(index, slice):
            return _Sources(self._dataset.select(range(*index.indices(len(self)))))
        return self._dataset.source(index)


def name_bytes(name: str) -> bytes:
    """Encode a name the same on every machine; two names never give the same bytes."""
    return name.encode("utf-8", "surrogatepass")


def _counted(name: str) -> bytes:
    """Put the length first, so that no two rows run together into the same bytes."""
    text = name_bytes(name)
    return b"%d:%b" % (len(text), text)


def _frozen(values: Any, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Take a read-only view; the caller's own array stays writeable.

    What a cast would bend is refused: fractions as labels, and a split's name cut to five letters.
    """
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iuU":
        raise DataError(f"labels must be integers and splits text, not {array.dtype}")
    if array.dtype.kind == "U" and array.dtype.itemsize > np.dtype("<U5").itemsize:
        longest = max(array.tolist(), key=len, default="")
        if len(longest) > 5:
            raise DataError(f"split '{printable(longest)}' is not one of {quoted(SPLITS[1:])}")
    view = np.asarray(array, dtype=dtype).view()
    view.flags.writeable = False
    return view


def as_splits(names: Iterable[str]) -> npt.NDArray[np.str_]:
    """Make the ``splits`` array from names, right for no names at all too."""
    return np.array(list(names), dtype="<U5")
