"""The checkup as a value: what was found, the features made on the way, and the data set without its bad rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.checking._finding import Finding
from topwork.data import ImageDataset, LeftOut
from topwork.features import FeatureTable

_KEPT_FIRST = ("test", "val", "train", "")


@dataclass(frozen=True, eq=False)
class Checkup:
    """What the data doctor found.

    Attributes:
        dataset: What was checked, N rows.
        findings: What is wrong or worth knowing: what blocks first, then warnings, then notes.
        features: Of the images that can be used; they lie in the cache, where ``fit`` finds them. None where no
            image can be, or no network was asked (``vet``).
        clusters: Groups of rows that are copies or show nearly the same picture, two or more each: for
            ``data.grouped``.
        unusable: Row and reason of every image that cannot be decoded.
        exact: Groups of rows with equal pixels.
        keys: uint64 (N, 2), equal for equal files; zeros where an image cannot be decoded.
    """

    dataset: ImageDataset
    findings: tuple[Finding, ...]
    features: FeatureTable | None
    clusters: tuple[tuple[int, ...], ...]
    unusable: dict[int, str]
    exact: tuple[tuple[int, ...], ...]
    keys: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros((0, 2), np.uint64))

    def blocking(self, allow: Collection[str] = ()) -> tuple[Finding, ...]:
        """Findings for which ``fit`` must refuse, but for those allowed by name."""
        return tuple(found for found in self.findings if found.severity == "blocks" and found.name not in allow)

    def finding(self, name: str) -> Finding | None:
        """The finding of that name, where there is one."""
        return next((found for found in self.findings if found.name == name), None)

    def clean(self) -> ImageDataset:
        """The data set without rows that can only do harm; each goes on its ``left_out`` with the reason.

        Out go images that cannot be decoded; all copies of a picture that stands under two labels, since which of
        them is right cannot be known here; and of other copies all but one. The one that stays is in ``test``
        before ``val`` before ``train``, so that a held-out split keeps its images and its figures can be compared with
        earlier ones, and comes first in the data set among those. Everything else stays: a suspicion is for a person
        to judge.
        """
        gone = dict(self._superfluous()) | self.unusable
        kept = [row for row in range(len(self.dataset)) if row not in gone]
        left_out = tuple(LeftOut(self.dataset.paths[row], gone[row]) for row in sorted(gone))
        return replace(self.dataset.select(kept), left_out=self.dataset.left_out + left_out)

    def _superfluous(self) -> Iterator[tuple[int, str]]:
        labels, splits = self.dataset.labels, self.dataset.splits.tolist()
        for rows in self.exact:
            if len({int(labels[row]) for row in rows}) > 1:
                yield from ((row, "the same picture stands under another label") for row in rows)
                continue
            stays = min(rows, key=lambda row: (_KEPT_FIRST.index(splits[row]), row))
            yield from ((row, f"a copy of {self.dataset.paths[stays]}") for row in rows if row != stays)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields; features and clusters are left out, being as large as the data set."""
        return {
            "images": len(self.dataset),
            "usable": len(self.dataset) - len(self.unusable),
            "classes": len(self.dataset.classes),
            "blocking": [found.name for found in self.blocking()],
            "findings": [found.to_dict() for found in self.findings],
        }
