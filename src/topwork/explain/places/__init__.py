"""What in an image a score rests on, whatever gives the score: windows are blurred, and the model is asked again.

In: a ``Target``, one thing that a model said of a square. Out: a map, and whether it holds when it is checked. No torch
is needed.
"""

from topwork.explain.places._checked import Checked, checked, named, verdict
from topwork.explain.places._occlusion import occlusion
from topwork.explain.places._shown import Corners, Shown
from topwork.explain.places._target import Target

__all__ = ["Checked", "Corners", "Shown", "Target", "checked", "named", "occlusion", "verdict"]
