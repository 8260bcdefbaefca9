"""What a check is given: all that was found out about a data set, before anything in it is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from topwork.backbones import Backbone, load
from topwork.checking._finding import Finding
from topwork.checking._near_duplicates import Embedding, NearDuplicates, find_near_duplicates
from topwork.checking._survey import Survey as ImageSurvey
from topwork.checking._survey import survey
from topwork.data import Dataset
from topwork.data.formats import mostly_square
from topwork.engines import EngineName
from topwork.features import FeatureTable, Progress, extract

Rows = npt.NDArray[np.intp]


class Survey(Protocol):
    """What one quick look at each of N rows gave, whatever they are; a task's checks know what else there is.

    Attributes:
        dataset: What was looked at.
        refused: Row and reason of every row that cannot be used.
        keys: uint64 (N, 2), equal for equal contents.
        usable: bool (N,).
    """

    @property
    def dataset(self) -> Any: ...
    @property
    def refused(self) -> dict[int, str]: ...
    @property
    def keys(self) -> npt.NDArray[np.uint64]: ...
    @property
    def usable(self) -> npt.NDArray[np.bool_]: ...


@dataclass(frozen=True)
class Examination:
    """How rows of one kind are looked at before a check asks of them.

    Attributes:
        survey: One quick look at every row of a data set; takes it, what is told how many are done, and ``cache``,
            whether what is seen may be kept on disk.
        duplicates: Which rows are copies or nearly so, from the survey and perhaps from features.
        backbone: Whose features are asked where the caller names none, by what the survey saw.
        thing: What a row is called.
    """

    survey: Callable[..., Any]
    duplicates: Callable[[Any, Embedding | None], NearDuplicates]
    backbone: Callable[[Any], Any]
    thing: str

    @property
    def things(self) -> str:
        """What several rows are called."""
        return f"{self.thing}s"


@dataclass(frozen=True, eq=False)
class Examined:
    """Facts of a data set's files, its copies, and its features where a network was asked.

    Attributes:
        survey: Facts of every row of the data set.
        duplicates: Which rows are copies, or nearly so.
        backbone: What made the features; None where no network was asked (``vet``).
        features: Of the images that can be used; None where no image can be, or no network was asked.
        rows: (M,), which row of the data set each row of the features is.
        seed: Of whatever a check draws.
        cache: Whether what a check computes may be kept on disk.
        thing: What a row is called.
    """

    survey: Any
    duplicates: NearDuplicates
    backbone: Any = None
    features: FeatureTable | None = None
    rows: Rows = field(default_factory=lambda: np.empty(0, np.intp))
    seed: int = 0
    cache: bool = True
    thing: str = "image"

    @property
    def things(self) -> str:
        """What several rows are called."""
        return f"{self.thing}s"

    @property
    def dataset(self) -> Any:
        """What was looked at, N rows: the task's kind of data set."""
        return self.survey.dataset

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """(N,), which images could be decoded."""
        usable: npt.NDArray[np.bool_] = self.survey.usable
        return usable

    @property
    def distinct(self) -> npt.NDArray[np.bool_]:
        """(N,), without all but the first of exact copies: an image that trains must not judge its own copy."""
        kept = np.ones(len(self.dataset), dtype=bool)
        kept[[row for rows in self.duplicates.exact for row in rows[1:]]] = False
        return kept


Check = Callable[[Examined], Iterable[Finding]]
"""A question to a data set: what it finds of what was examined."""


def look_through(
    dataset: Dataset, examination: Examination, progress: Progress | None, *, cache: bool = False
) -> Examined:
    """One quick look at every row, without a network; progress is called with (rows done, rows in all)."""
    rows = len(dataset)
    tell = (lambda done: progress(done, rows)) if progress else (lambda done: None)
    seen = examination.survey(dataset, tell, cache=cache)
    return Examined(seen, examination.duplicates(seen, None), thing=examination.thing)


def examine(
    dataset: Any,
    backbone: Any,
    examination: Examination,
    *,
    outputs: Sequence[str] | None,
    engine: EngineName | None,
    cache: bool,
    seed: int,
    progress: Progress | None,
) -> Examined:
    """A look at every row, and features of those that can be used; see ``check`` for the arguments."""
    count, tell = len(dataset), progress or (lambda done, of: None)
    seen = examination.survey(dataset, lambda done: tell(done, 2 * count), cache=cache)
    chosen = backbone or examination.backbone(seen)
    names = tuple(outputs) if outputs is not None else chosen.outputs("all")
    if not seen.usable.any():
        return Examined(seen, examination.duplicates(seen, None), chosen, seed=seed, thing=examination.thing)

    def extracted(done: int, of: int) -> None:
        tell(count + done * count // max(of, 1), 2 * count)

    table = extract(dataset.select(seen.usable), chosen, outputs=names, engine=engine, cache=cache, progress=extracted)
    seen = _with_refused(seen, table)
    rows = np.flatnonzero(seen.usable)
    copies = examination.duplicates(seen, Embedding(table, rows))
    return Examined(seen, copies, chosen, table, rows, seed, cache, examination.thing)


def _default_backbone(seen: ImageSurvey) -> Backbone:
    """The default network, fitting images into its square as the probe does to begin with."""
    backbone = load()
    facts = seen.facts[seen.usable]
    return backbone.replace(crop_mode="squash") if mostly_square(facts["height"], facts["width"]) else backbone


IMAGES = Examination(survey, find_near_duplicates, _default_backbone, "image")
"""How images are looked at."""


def _with_refused(seen: Any, table: FeatureTable) -> Any:
    """The survey, with what went missing since then among what it refused."""
    gone = {item.path: item.reason for item in table.dataset.left_out[len(seen.dataset.left_out) :]}
    if not gone:
        return seen
    late = {row: gone[path] for row, path in enumerate(seen.dataset.paths) if path in gone and row not in seen.refused}
    return replace(seen, refused=seen.refused | late)
