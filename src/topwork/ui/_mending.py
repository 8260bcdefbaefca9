"""Mending: what a person changes in a data set, by the names of its rows, and the manifest that holds it.

In: a data set. Out: the same without what was left out, and with other classes; the data itself is never touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from topwork.data import Dataset, LabelledDataset, TextDataset, write_manifest

Kind = TypeVar("Kind", bound=Dataset)


@dataclass(frozen=True)
class Mending:
    """Changes to a data set.

    Attributes:
        gone: Names of rows that are left out.
        labels: Name of a row -> its class from now on.
    """

    gone: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.gone or self.labels)

    def without(self, *names: str) -> Mending:
        """These rows are left out too."""
        return replace(self, gone=self.gone | set(names))

    def with_again(self, name: str) -> Mending:
        """A row is not left out any more."""
        return replace(self, gone=self.gone - {name})

    def labelled(self, name: str, label: str, given: str = "") -> Mending:
        """A row is of a class; that is no change where the data have ``given`` it."""
        others = {each: other for each, other in self.labels.items() if each != name}
        return replace(self, labels=others if label == given else {**others, name: label})

    def applied(self, dataset: Kind) -> Kind:
        """The data set with these changes, as far as they are of its rows."""
        if isinstance(dataset, LabelledDataset):
            labels = dataset.labels.copy()
            for row, name in enumerate(dataset.paths):
                if name in self.labels:
                    labels[row] = dataset.classes.index(self.labels[name])
            dataset = replace(dataset, labels=labels)
        kept = [row for row, name in enumerate(dataset.paths) if name not in self.gone]
        return dataset.select(kept)


UNCHANGED = Mending()


def has_manifest(dataset: object) -> bool:
    """Whether a manifest can hold the rows: images that are files, or texts, with one class each.

    Of other data no file says what was left out, and no row gets another class.
    """
    return isinstance(dataset, LabelledDataset) and (isinstance(dataset, TextDataset) or dataset.store is None)


def write(dataset: LabelledDataset, path: Path) -> None:
    """Write a mended data set as a manifest; an earlier one of ours at that place is replaced.

    Raises:
        DataError: It cannot be written, or something else stands there.
    """
    write_manifest(dataset, path, replace=True)
