"""Why a detector is sure of an object: what in the image the score of its box rests on, checked in the image itself.

In: a ``Detector``, which object, and an image. Out: a frozen value that holds the map and what the check says, and
whose ``picture()`` draws both. No torch is needed.
"""

from topwork.explain.places import Checked, occlusion
from topwork.tasks.detection.explain._explain import Explain
from topwork.tasks.detection.explain._found import BoxEvidence

__all__ = ["BoxEvidence", "Checked", "Explain", "occlusion"]
