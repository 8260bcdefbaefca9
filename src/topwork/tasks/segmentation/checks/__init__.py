"""The data doctor of masks: what is asked of images in which every pixel has a class.

In: a data set of masks, looked at as any images are. Out: the checks, functions from what was examined to findings.
Those on files, copies, leaks and pictures are ``checking``'s own.
"""

from __future__ import annotations

from dataclasses import replace

from topwork.checking import IMAGES, Check, check_copies, check_files, check_leaks, check_pictures
from topwork.tasks.segmentation.checks._classes import check_coverage, check_mask_classes
from topwork.tasks.segmentation.checks._conflicts import check_conflicts
from topwork.tasks.segmentation.checks._flaws import check_flaws
from topwork.tasks.segmentation.checks._looks import check_masks, masks_at
from topwork.tasks.segmentation.checks._tiles import check_tiles

__all__ = [
    "CHECKS",
    "MASKS",
    "QUICK_CHECKS",
    "check_conflicts",
    "check_coverage",
    "check_flaws",
    "check_mask_classes",
    "check_masks",
    "check_tiles",
    "masks_at",
]


def _default_backbone(seen: object) -> object:
    """The default network, with the whole of each image in its square: a mask reaches the edges."""
    from topwork.backbones import load

    return load().replace(crop_mode="squash")


MASKS = replace(IMAGES, backbone=_default_backbone)
"""How images with masks are looked at."""

QUICK_CHECKS: tuple[Check, ...] = (
    check_files,
    check_flaws,
    check_coverage,
    check_mask_classes,
    check_conflicts,
    check_copies,
    check_leaks,
    check_tiles,
    check_pictures,
)
"""What is asked of images with masks without a network and without decoding a mask."""

CHECKS: tuple[Check, ...] = (*QUICK_CHECKS, check_masks)
"""All that is asked of images with masks; the last decodes each image and its mask."""
