"""From rows of a data set to the words and cases of a finding."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from topwork.checking._finding import MOST_CASES, Case, number, ranked
from topwork.data import ImageDataset


def share(count: int, of: int) -> str:
    """``12 of 2,002 images``."""
    return f"{count:,} of {number(of, 'image')}"


def worst(
    dataset: ImageDataset, rows: npt.NDArray[np.intp], scores: npt.NDArray[np.floating], describe: Callable[[int], str]
) -> tuple[Case, ...]:
    """Cases of single images, the largest score first.

    Args:
        dataset: N rows.
        rows: (M,), which of them.
        scores: (M,).
        describe: One row in words.
    """
    chosen = np.argsort(-scores, kind="stable")[:MOST_CASES]
    pairs = zip(rows[chosen].tolist(), scores[chosen].tolist(), strict=True)
    return ranked(Case((dataset.paths[row],), describe(row), float(score)) for row, score in pairs)


def of_groups(
    dataset: ImageDataset, groups: list[tuple[int, ...]], describe: Callable[[tuple[int, ...]], str]
) -> tuple[Case, ...]:
    """Cases of several images each, the largest group first; a group shows its first twenty paths."""
    chosen = sorted(groups, key=len, reverse=True)[:MOST_CASES]
    return ranked(
        Case(tuple(dataset.paths[row] for row in rows[:20]), describe(rows), float(len(rows))) for rows in chosen
    )
