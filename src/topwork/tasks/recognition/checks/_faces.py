"""Findings on faces: none, several, and those that cannot be relied on. Asked where the backbone is one of faces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from topwork._system import Executor
from topwork.backbones import face_row
from topwork.checking import Case, Examined, Finding, ranked, share
from topwork.data import ImageDataset, decode, try_source
from topwork.tasks.recognition._finder import Find, open_finder

_AHEAD = 8  # pictures a core that may wait


class _Flaw(NamedTuple):
    """How a find's flaw ends, and the finding on it."""

    flaw: str
    name: str
    what: str
    advice: str


_FLAWS = (
    _Flaw(
        "pixels wide",
        "small-faces",
        "have a face of less than 28 pixels across: errors grow quickly below that.",
        "use larger originals if there are any; enlarging small ones adds no detail",
    ),
    _Flaw(
        "blurred",
        "blurred-faces",
        "have a blurred face: what tells people apart is gone.",
        "look at them, and take new pictures",
    ),
    _Flaw(
        "turned away",
        "turned-faces",
        "have a face that is turned away: half of it is not seen.",
        "use pictures in which the face looks at the camera",
    ),
    _Flaw(
        "cut off",
        "cut-faces",
        "have a face that is cut off at the border.",
        "use pictures that show the whole face",
    ),
)


def check_faces(examined: Examined) -> Iterator[Finding]:
    """Pictures without a face, with several, and with one that is small, blurred, turned away or cut off."""
    row = face_row(examined.backbone.name) if examined.backbone is not None else None
    if row is None:
        return
    dataset: ImageDataset = examined.dataset
    rows = np.flatnonzero(examined.usable).tolist()
    found = dict(zip(rows, _found(dataset, rows, row.finder), strict=True))
    none = [row for row, finds in found.items() if not finds]
    if none:
        yield Finding(
            "no-face",
            "warning",
            len(none),
            f"{share(len(none), len(rows))} have no face that can be found: they take no part.",
            "use pictures in which the face looks at the camera",
            ranked(Case((dataset.paths[row],)) for row in none),
        )
    several = [(row, len(finds)) for row, finds in found.items() if len(finds) > 1]
    if several:
        yield Finding(
            "several-faces",
            "warning",
            len(several),
            f"{share(len(several), len(rows))} have several faces: the largest is compared, perhaps another one's.",
            "cut out the right one",
            ranked(Case((dataset.paths[row],), f"{count} faces", count) for row, count in several),
        )
    largest = {row: max(finds, key=lambda each: each.area) for row, finds in found.items() if finds}
    yield from _flawed(dataset, largest, len(rows))


def _flawed(dataset: ImageDataset, largest: dict[int, Find], rows: int) -> Iterator[Finding]:
    for flaw in _FLAWS:
        cases = [
            Case((dataset.paths[row],), told if told != flaw.flaw else "", -(find.corners[2] - find.corners[0]))
            for row, find in largest.items()
            for told in find.flaw.split(", ")
            if told.endswith(flaw.flaw)
        ]
        if cases:
            what = f"{share(len(cases), rows)} {flaw.what}"
            yield Finding(flaw.name, "warning", len(cases), what, flaw.advice, ranked(cases))


def _found(dataset: ImageDataset, rows: Sequence[int], name: str) -> Iterator[Sequence[Find]]:
    """What is found in each picture; nothing in one that has gone meanwhile."""
    finder, sources = open_finder({"name": name}), dataset.sources()

    def find(row: int) -> Sequence[Find]:
        found = try_source(sources, row, lambda source: finder.find(decode(source)))
        return () if isinstance(found, str) else found

    with Executor("faces") as pool:
        yield from pool.map_ordered(find, rows, in_flight=_AHEAD * pool.workers)
