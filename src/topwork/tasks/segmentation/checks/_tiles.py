"""Tiles that were cut from one slide: names that differ in coordinates alone, without groups."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator

from topwork.checking import Case, Examined, Finding, number, ranked
from topwork.data import MaskDataset, printable

_WORD = r"(?:tile|patch|crop|part|block|window|t|p)"
_AXIS = r"(?:x|y|r|c|i|j|row|col|column)"
_STEP = r"[ _.\-]+"
_TILES = tuple(
    re.compile(rf"(.+?){_STEP}{end}", re.IGNORECASE)
    for end in (
        rf"{_WORD}(?:{_STEP})?\d+(?:{_STEP}\d+)?",
        rf"{_AXIS}[_=\-]?\d+[ _.,\-]*{_AXIS}[_=\-]?\d+",
        rf"\d+{_STEP}\d+",
        r"\d+x\d+",
    )
)
_MOST = 0.5  # share of all images that tiles of one name may be: more are frames that a camera counts


def check_tiles(examined: Examined) -> Iterator[Finding]:
    """Tiles of one slide in two splits, or in none where a split would tear them apart."""
    dataset: MaskDataset = examined.dataset
    if dataset.groups:
        return
    slides = {name: rows for name, rows in slides_of(dataset.paths).items() if len(rows) > 1}
    tiles = sum(map(len, slides.values()))
    if len(slides) < 2 or 2 * tiles < len(dataset) or max(map(len, slides.values())) > _MOST * len(dataset):
        return
    torn = {name: rows for name, rows in slides.items() if len({str(dataset.splits[row]) for row in rows}) > 1}
    split = bool((dataset.splits != "").any())
    if split and not torn:
        return
    found = torn if split else slides
    count = number(len(found), "slide")
    yield Finding(
        "tiles-in-two-splits" if split else "tiles-without-groups",
        "blocks" if split else "warning",
        len(found),
        f"{count} with tiles in two splits, by the names of the images."
        if split
        else f"{count} that {number(tiles, 'image')} seem to be tiles of, by their names, and no groups.",
        "give the slide of each image as its group: a table index.csv with the columns name,group beside the folders",
        ranked(
            Case(
                tuple(dataset.paths[row] for row in rows[:20]),
                f"slide '{printable(name)}': {number(len(rows), 'tile')}",
                float(len(rows)),
            )
            for name, rows in found.items()
        ),
    )


def slides_of(paths: tuple[str, ...]) -> dict[str, list[int]]:
    """What names have before their coordinates -> the rows of such names.

    >>> slides_of(("a/s1_x0_y64.png", "a/s1_x64_y0.png", "a/s2_tile3.png", "a/photo.png"))
    {'s1': [0, 1], 's2': [2]}
    """
    found: dict[str, list[int]] = defaultdict(list)
    for row, path in enumerate(paths):
        stem = os.path.splitext(path.rpartition("/")[2])[0]
        match = next((match for pattern in _TILES if (match := pattern.fullmatch(stem))), None)
        if match:
            found[match[1]].append(row)
    return dict(found)
