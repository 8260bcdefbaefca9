"""The model of texts: a classifier whose sources are texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from topwork.data import LabelledDataset, given_texts, read_texts
from topwork.model import TEXTS, Classifier, Kind


class TextClassifier(Classifier):
    """A classifier of texts. What is predicted is a list of texts, and a row's name its place."""

    kind: ClassVar[Kind] = TEXTS

    def _several(self, sources: Iterable[Any]) -> Iterator[Any]:
        return given_texts(sources)

    def _name(self, source: Any) -> str:
        return ""

    def _read(self, data: Any) -> LabelledDataset:
        return read_texts(data, classes=self.classes)
