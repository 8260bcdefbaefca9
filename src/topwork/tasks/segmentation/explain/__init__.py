"""Why a segmenter calls a region what it does: what in the image its pixels rest on, checked in the image itself.

In: a ``Segmenter``, which region, and an image. Out: a frozen value that holds the map and what the check says, and
whose ``picture()`` draws both. No torch is needed.
"""

from topwork.tasks.segmentation.explain._explain import Explain
from topwork.tasks.segmentation.explain._found import PointEvidence, RegionEvidence

__all__ = ["Explain", "PointEvidence", "RegionEvidence"]
