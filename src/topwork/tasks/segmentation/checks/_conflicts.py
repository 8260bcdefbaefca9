"""Copies of one image with different masks: at least one of them is wrong."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from topwork.checking import Case, Examined, Finding, number, ranked
from topwork.data import MaskDataset
from topwork.tasks.segmentation.checks._flaws import UNTRUE


def check_conflicts(examined: Examined) -> Iterator[Finding]:
    """Exact copies of an image whose masks are not the same."""
    dataset: MaskDataset = examined.dataset
    groups = [rows for rows in examined.duplicates.exact if len(np.unique(dataset.digests[list(rows)], axis=0)) > 1]
    if not groups:
        return
    count = sum(map(len, groups))
    yield Finding(
        "mask-conflicts",
        "blocks" if count > UNTRUE * len(dataset) else "warning",
        len(groups),
        f"{number(len(groups), 'image')} that {'is' if len(groups) == 1 else 'are'} there several times, with masks "
        "that differ.",
        "keep the right mask of each image",
        ranked(
            Case(
                tuple(dataset.paths[row] for row in rows[:20]), f"{len(rows)} copies with masks that differ", len(rows)
            )
            for rows in groups
        ),
    )
