"""The data doctor of boxes: what is asked of images in which objects are marked.

In: a data set of boxes. Out: ``BOXES``, the examination that ``topwork.checking`` makes, and the checks: functions from
what was examined to findings whose cases have the boxes in question. Those on files, copies, leaks and pictures are
``checking``'s own.
"""

from __future__ import annotations

from dataclasses import replace

from topwork.checking import (
    IMAGES,
    Check,
    check_copies,
    check_files,
    check_leaks,
    check_pictures,
)
from topwork.tasks.detection._size import SIZE
from topwork.tasks.detection.checks._boxes import (
    check_conflicts,
    check_counts,
    check_overlaps,
    check_places,
    check_shapes,
    tiny_at,
)
from topwork.tasks.detection.checks._classes import check_box_classes
from topwork.tasks.detection.checks._flaws import check_flaws
from topwork.tasks.detection.checks._suspects import check_suspects

__all__ = [
    "BOXES",
    "CHECKS",
    "QUICK_CHECKS",
    "check_box_classes",
    "check_conflicts",
    "check_counts",
    "check_flaws",
    "check_overlaps",
    "check_places",
    "check_shapes",
    "check_suspects",
    "tiny_at",
]


def _default_backbone(seen: object) -> object:
    """The default network as a detector uses it: the whole of each image in its square."""
    from topwork.backbones import load

    return load().replace(size=SIZE, crop_mode="squash")


BOXES = replace(IMAGES, backbone=_default_backbone)
"""How images with boxes are looked at."""

QUICK_CHECKS: tuple[Check, ...] = (
    check_files,
    check_flaws,
    check_places,
    check_overlaps,
    check_conflicts,
    check_copies,
    check_leaks,
    check_box_classes,
    check_counts,
    tiny_at(SIZE),
    check_shapes,
    check_pictures,
)
"""What is asked of images with boxes without a network, in one quick look at every file."""

CHECKS: tuple[Check, ...] = (*QUICK_CHECKS, check_suspects)
"""All that is asked of images with boxes."""
