"""A file of outlines, written as they are found: those of a large image are never held at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from topwork._system import fault_of_place, file_written_whole
from topwork.data import printable
from topwork.errors import ExplainError

_HEAD = b'{"type": "FeatureCollection", "generator": "topwork", "features": ['


def write_outlines(features: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Write a GeoJSON ``FeatureCollection``, a feature in each line; whole or not at all.

    Args:
        features: What ``FoundMask.features`` gives.
        path: A file; its folder is made where it is not there. An earlier one of topwork's may lie there.

    Returns:
        How many there are.

    Raises:
        ExplainError: The folder cannot be written, or ``path`` is something of the user's.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if fault := fault_of_place(path, lambda head: head.startswith(_HEAD), "file of outlines by topwork"):
            raise ExplainError(f"{printable(str(path))}: {fault}", hint="choose another folder")
        with file_written_whole(path) as file:
            pieces = sum(1 for piece in outlines_lines(features) if file.write(piece))
    except OSError as error:
        raise ExplainError(
            f"{printable(str(path))}: cannot be written: {error.strerror or error}", hint="choose a writable folder"
        ) from error
    return pieces - 2  # what is first and last is no feature


def outlines_lines(features: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """The file that ``write_outlines`` writes, piece by piece: what stands before the features, each, and the end."""
    yield _HEAD
    for count, each in enumerate(features):
        yield (b",\n" if count else b"\n") + json.dumps(each).encode()
    yield b"\n]}\n"
