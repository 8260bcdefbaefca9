"""SAM: masks for points and boxes on one image, for everything in it, and a mask decoder that learnt other objects.

``Promptable.load("sam-vit-b").image("a.jpg").mask(points=[(120, 80)])`` is a mask. The image's embedding is kept in the
cache by its content, so a second prompt needs no encoder, in this process or a later one.

A module of this room and not among its names.
"""

from topwork.tasks.segmentation.promptable._everything import EverythingOptions
from topwork.tasks.segmentation.promptable._image import PromptableImage
from topwork.tasks.segmentation.promptable._labelling import Labelling, legend, named
from topwork.tasks.segmentation.promptable._masks import PromptedMask
from topwork.tasks.segmentation.promptable._promptable import Promptable
from topwork.tasks.segmentation.promptable._tune import TuneOptions, tuned
from topwork.tasks.segmentation.promptable._written import written_masks

__all__ = [
    "EverythingOptions",
    "Labelling",
    "Promptable",
    "PromptableImage",
    "PromptedMask",
    "TuneOptions",
    "legend",
    "named",
    "tuned",
    "written_masks",
]
