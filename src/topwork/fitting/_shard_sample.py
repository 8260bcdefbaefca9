"""What a model keeps of the rows in shards that trained it: digests of all, and a sample that tells strange images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from topwork.heads import FOLDS, Novelty, equal_blocks, fit_novelty
from topwork.sharding import LabelledShards, mixed

_MOST = 2000  # rows that the alarm for strange images is fitted on: 32 directions need no more
_FEWEST = 19  # references with which one image in twenty can be told
_DIGESTS = 5_000_000  # rows: 40 MB in the model's folder


class Sample(NamedTuple):
    """What is kept.

    Attributes:
        novelty: What tells images that are unlike these; None where they are too few.
        digests: uint64, ascending, of the rows' content; None where they are too many.
        notes: What the user should know of it.
    """

    novelty: Novelty | None
    digests: npt.NDArray[np.uint64] | None
    notes: tuple[str, ...]


def sampled(rows: LabelledShards, widths: Sequence[int], seed: int) -> Sample:
    """Read all rows once.

    Args:
        rows: Those that trained.
        widths: Columns of each output.
        seed: Of the draw; the rows are drawn by their keys.
    """
    below = np.uint64(min(1.0, _MOST / rows.rows) * (2.0**64 - 2**11))
    values, keys, contents = [], [], []
    few = rows.rows <= _DIGESTS
    for name in rows.names:
        for block, content in rows.hashed_blocks(name):
            drawn = mixed(block.keys, seed) <= below
            values.append(block.features[drawn].astype(np.float32))
            keys.append(block.keys[drawn])
            contents.append(content if few else content[:0])
    note = f"the model cannot tell its {rows.rows:,} training images again: they are too many"
    digests = np.unique(np.concatenate(contents)) if few else None
    return Sample(_novelty(np.concatenate(values), np.concatenate(keys), widths, seed), digests, () if few else (note,))


def _novelty(
    values: npt.NDArray[np.float32], keys: npt.NDArray[Any], widths: Sequence[int], seed: int
) -> Novelty | None:
    if len(values) < _FEWEST:
        return None
    fold_of = (keys % np.uint64(FOLDS)).astype(np.intp)  # those of the head
    return fit_novelty(values, fold_of, column_weights=equal_blocks(widths), seed=seed)
