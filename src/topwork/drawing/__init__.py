"""Drawing: arrays and words in, pictures out. It knows nothing of networks.

A ``sheet`` lays out pictures with words beneath them. Pillow alone is needed for it.
"""

from __future__ import annotations

from topwork.drawing._colours import class_colours, heat, overlay, signed, stretched
from topwork.drawing._sheet import Cell, sheet

__all__ = ["Cell", "class_colours", "heat", "overlay", "sheet", "signed", "stretched"]
