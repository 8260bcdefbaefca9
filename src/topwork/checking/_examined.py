"""What a check is given: all that was found out about a data set, before anything in it is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork.backbones import Backbone, load
from topwork.checking._finding import Finding
from topwork.checking._near_duplicates import Embedding, NearDuplicates, find_near_duplicates
from topwork.checking._survey import Survey, survey
from topwork.data import Dataset
from topwork.data.formats import mostly_square
from topwork.engines import EngineName
from topwork.features import FeatureTable, Progress, extract

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Examined:
    """Facts of a data set's files, its copies, and its features where a network was asked.

    Attributes:
        survey: Facts of every image, row by row of the data set.
        duplicates: Which images are copies, or show nearly the same picture.
        backbone: What made the features; None where no network was asked (``vet``).
        features: Of the images that can be used; None where no image can be, or no network was asked.
        rows: (M,), which row of the data set each row of the features is.
        seed: Of whatever a check draws.
        cache: Whether what a check computes may be kept on disk.
    """

    survey: Survey
    duplicates: NearDuplicates
    backbone: Backbone | None = None
    features: FeatureTable | None = None
    rows: Rows = field(default_factory=lambda: np.empty(0, np.intp))
    seed: int = 0
    cache: bool = True

    @property
    def dataset(self) -> Any:
        """What was looked at, N rows: the task's kind of data set."""
        return self.survey.dataset

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """(N,), which images could be decoded."""
        return self.survey.usable

    @property
    def distinct(self) -> npt.NDArray[np.bool_]:
        """(N,), without all but the first of exact copies: an image that trains must not judge its own copy."""
        kept = np.ones(len(self.dataset), dtype=bool)
        kept[[row for rows in self.duplicates.exact for row in rows[1:]]] = False
        return kept


Check = Callable[[Examined], Iterable[Finding]]
"""A question to a data set: what it finds of what was examined."""


def look_through(dataset: Dataset, progress: Progress | None) -> Examined:
    """One quick look at every file, without a network; progress is called with (images done, images in all)."""
    images = len(dataset)
    seen = survey(dataset, (lambda done: progress(done, images)) if progress else (lambda done: None))
    return Examined(seen, find_near_duplicates(seen, None))


def examine(
    dataset: Any,
    backbone: Backbone | None,
    *,
    outputs: Sequence[str] | None,
    engine: EngineName | None,
    cache: bool,
    seed: int,
    progress: Progress | None,
) -> Examined:
    """A look at every file, and features of those that can be used; see ``check`` for the arguments."""
    images, tell = len(dataset), progress or (lambda done, of: None)
    seen = survey(dataset, lambda done: tell(done, 2 * images))
    chosen = backbone or _default_backbone(seen)
    names = tuple(outputs) if outputs is not None else chosen.outputs("all")
    if not seen.usable.any():
        return Examined(seen, find_near_duplicates(seen, None), chosen, seed=seed)

    def extracted(done: int, of: int) -> None:
        tell(images + done * images // max(of, 1), 2 * images)

    table = extract(dataset.select(seen.usable), chosen, outputs=names, engine=engine, cache=cache, progress=extracted)
    seen = _with_refused(seen, table)
    rows = np.flatnonzero(seen.usable)
    return Examined(seen, find_near_duplicates(seen, Embedding(table, rows)), chosen, table, rows, seed, cache)


def _default_backbone(seen: Survey) -> Backbone:
    """The default network, fitting images into its square as the probe does to begin with."""
    backbone = load()
    facts = seen.facts[seen.usable]
    return backbone.replace(crop_mode="squash") if mostly_square(facts["height"], facts["width"]) else backbone


def _with_refused(seen: Survey, table: FeatureTable) -> Survey:
    """The survey, with what went missing since then among what it refused."""
    gone = {item.path: item.reason for item in table.dataset.left_out[len(seen.dataset.left_out) :]}
    if not gone:
        return seen
    late = {row: gone[path] for row, path in enumerate(seen.dataset.paths) if path in gone and row not in seen.refused}
    return replace(seen, refused=seen.refused | late)
