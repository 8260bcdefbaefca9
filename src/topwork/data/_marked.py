"""Images with marks on them, boxes or masks: how they are told from other data, and what their readers list alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from topwork.data._dataset import Dataset, LeftOut, as_splits
from topwork.data._names import printable, quoted
from topwork.data._source import ImageStore, why
from topwork.errors import DataError, TopworkError

Found = TypeVar("Found", bound="MarkedListing")
Columns = Mapping[str, str] | None


@dataclass
class MarkedListing:
    """The images that a reader found.

    ``store`` knows the image of the first row as 0, and so on; without one they are files below ``root``.
    """

    root: Path
    name: str
    store: ImageStore | None = field(default=None, kw_only=True)
    paths: list[str] = field(default_factory=list, kw_only=True)
    splits: list[str] = field(default_factory=list, kw_only=True)
    groups: list[str] = field(default_factory=list, kw_only=True)
    left_out: list[LeftOut] = field(default_factory=list, kw_only=True)
    ignored: int = field(default=0, kw_only=True)
    notes: list[str] = field(default_factory=list, kw_only=True)
    row_of: dict[str, int] = field(default_factory=dict, kw_only=True)

    def leave_out(self, path: str, reason: str) -> None:
        """List a file that is not used."""
        self.left_out.append(LeftOut(path, reason))

    def sources(self) -> Dataset:
        """The images alone."""
        keys = np.arange(0 if self.store is None else len(self.paths))
        return Dataset(self.root, tuple(self.paths), as_splits(self.splits), store=self.store, keys=keys)


@dataclass(frozen=True)
class Form(Generic[Found]):
    """What lists marks that are kept in one way; ``is_doubtful`` where the data may be meant otherwise."""

    listed: Callable[[], Found]
    is_doubtful: bool = False


@dataclass(frozen=True)
class Forms(Generic[Found]):
    """The ways in which one kind of marks is kept, as an object, in a file and in a folder.

    ``marks`` and ``understood`` are what they are called, and the ways, for messages.
    """

    marks: str
    understood: str
    of_object: Callable[[Any, Columns], Form[Found] | None]
    of_file: Callable[[Path, Columns], Form[Found] | None]
    of_folder: Callable[[Path, Columns], Form[Found] | None]

    def form_of(self, data: Any, columns: Columns = None) -> Form[Found] | None:
        """The way in which the data keep marks; None where they keep none.

        Raises:
            DataError: There is no such file or folder, or it cannot be looked into.
        """
        if not isinstance(data, str | os.PathLike):
            return self.of_object(data, columns)
        path = Path(data)
        try:
            is_folder = path.is_dir()
            if not is_folder:
                os.stat(path)
        except (OSError, ValueError) as error:
            raise DataError(f"{printable(str(path))}: {why(error)}", hint="check the path") from error
        return self.of_folder(path, columns) if is_folder else self.of_file(path, columns)

    def listed(self, data: object, columns: Columns) -> Found:
        """What a reader lists of the data.

        Raises:
            DataError: They keep no such marks, or cannot be read.
        """
        form = self.form_of(data, columns)
        if form is None:
            shown = printable(str(data)) if isinstance(data, str | os.PathLike) else f"a {type(data).__name__}"
            raise DataError(f"no {self.marks} in {shown}", hint=f"topwork reads {self.understood}")
        return form.listed()

    def tell(self, data: object) -> bool:
        """Whether the data beyond doubt keep such marks; what cannot be read keeps none."""
        try:
            form = self.form_of(data)
            return form is not None and not form.is_doubtful
        except (OSError, ValueError, TopworkError):  # the reader that is chosen will tell
            return False


def places_of(classes: Sequence[str], own: Sequence[str]) -> np.ndarray[Any, np.dtype[np.int32]]:
    """(C,), where each of a data set's own classes stands among a saved model's.

    Raises:
        DataError: They are not the same classes.
    """
    if sorted(classes) != sorted(own):
        raise DataError(f"classes {quoted(classes)} are not {quoted(own)} in another order")
    return np.array([list(classes).index(name) for name in own], np.int32)
