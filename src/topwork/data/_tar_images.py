"""The images of one tar file, with a class where a sample has one: for whoever reads a shard once and whole."""

from __future__ import annotations

import posixpath
from typing import NamedTuple

from topwork.data._shard_index import built
from topwork.data._source import Slice, opened, stamp
from topwork.data.formats import IMAGE_SUFFIXES


class TarImage(NamedTuple):
    """One image of a tar file.

    Attributes:
        name: Of the member; empty for the archive itself, whose rest cannot be read.
        source: Where its bytes lie; None where it has a fault.
        label: Its class; empty where the sample tells none.
        fault: Why it cannot be used; empty where it can.
    """

    name: str
    source: Slice | None
    label: str
    fault: str = ""


def tar_images(path: str) -> list[TarImage]:
    """The images of a tar file in its order, then those that cannot be used; one a sample, as ``read`` chooses it.

    Raises:
        ImageError: The file cannot be read.
    """
    with opened(path) as (file, info):
        index, mark = built(file, info.st_size, unlabelled=True), stamp(info)
    places = zip(index.names, index.labels, index.offsets.tolist(), index.sizes.tolist(), strict=True)
    found = [TarImage(name, Slice(path, offset, size, mark), label) for name, label, offset, size in places]
    for name, reason in index.left_out:
        if not name or posixpath.splitext(name)[1].lower() in IMAGE_SUFFIXES:
            found.append(TarImage(name, None, "", reason))
    return found
