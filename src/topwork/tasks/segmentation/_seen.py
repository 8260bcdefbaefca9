"""A data set as its network sees it: which images can be read, and a way through their maps, which are never kept.

Maps of all stages of one image are megabytes: of ten thousand images they would fill a disk, and reading them back
takes as long as making them anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from topwork._arrays import Float32Array, IntpArray
from topwork.backbones import Backbone
from topwork.data import LeftOut, MaskDataset, printable
from topwork.engines import EngineChoice, EngineName
from topwork.errors import DataError
from topwork.features import OpenNetwork, Progress, choose, streamed
from topwork.heads import one_thread

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Seen:
    """Images with masks that can be read, and what makes their maps.

    Attributes:
        dataset: Its N rows; under ``left_out`` those that cannot be read.
        backbone: With the preprocessing.
        choice: Engine and precision.
        outputs: The maps, in the order in which a head reads them.
        digests: uint64 (N,), 8 bytes that name each image's content.
    """

    dataset: MaskDataset
    backbone: Backbone
    choice: EngineChoice
    outputs: tuple[str, ...]
    digests: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.dataset)

    def select(self, rows: IntpArray) -> Seen:
        """Some of its rows."""
        return replace(self, dataset=self.dataset.select(rows), digests=self.digests[rows])

    def split(self, name: str) -> Seen:
        """The rows of one split."""
        return self.select(np.flatnonzero(self.dataset.splits == name))

    def each(
        self,
        then: Callable[[int, Float32Array], Result],
        *,
        progress: Progress | None = None,
        open_network: OpenNetwork | None = None,
    ) -> Iterator[Result]:
        """What is made of each row's maps (D,), in order; ``then`` is called in several threads.

        Raises:
            DataError: An image cannot be read any more.
        """
        how = {"progress": progress, "open_network": open_network}
        sources = self.dataset.sources()
        for found in streamed(sources, self.backbone, self.outputs, self.choice, then, **how):  # type: ignore[arg-type]
            if found.reason:
                raise DataError(f"{printable(self.dataset.paths[found.place])}: {found.reason}", hint="run it again")
            yield found.result  # type: ignore[misc]


def look(
    dataset: MaskDataset,
    backbone: Backbone,
    outputs: tuple[str, ...],
    then: Callable[[int, Float32Array], Result],
    *,
    wanted: Callable[[int], bool] = lambda row: True,
    engine: EngineName | None = None,
    choice: EngineChoice | None = None,
    open_network: OpenNetwork | None = None,
    progress: Progress | None = None,
) -> tuple[Seen, tuple[Result | None, ...]]:
    """Look at every image once: what can be read, and what is made of the maps of those that are wanted.

    Args:
        dataset: N rows.
        backbone: What makes the maps.
        outputs: Which of them.
        then: Of a row of the data set and its maps (D,) what is wanted of them.
        wanted: Whether the network is to see a row; the others are only read.
        engine: What runs the network; the best that is here when None.
        choice: Engine and precision, where a model demands those that trained it.
        open_network: Gives an engine, for a caller that keeps engines.
        progress: Called with (images done, images in all).

    Returns:
        What can be read, and for each of its rows what was made of it; None where it was not wanted.
    """
    sources = dataset.sources()
    chosen = choice or choose(sources, backbone, engine)
    how = {"wanted": wanted, "open_network": open_network, "progress": progress}
    with one_thread():  # images share the cores
        found = [*streamed(sources, backbone, outputs, chosen, then, **how)]  # type: ignore[arg-type]
    left_out = [LeftOut(dataset.paths[each.place], each.reason) for each in found if each.reason]
    kept = [each for each in found if not each.reason]
    digests = np.array([each.digest for each in kept], np.uint64)
    return Seen(dataset.without(left_out), backbone, chosen, outputs, digests), tuple(each.result for each in kept)
