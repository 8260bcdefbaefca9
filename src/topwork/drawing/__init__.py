"""Drawing: arrays and words in, pictures out. It knows nothing of networks.

A ``sheet`` lays out pictures with words beneath them; ``line_chart`` and ``scatter`` draw numbers. Pillow alone is
needed for it.
"""

from __future__ import annotations

from topwork.drawing._chart import Curve, legend, line_chart, scatter
from topwork.drawing._colours import class_colours, heat, overlay, signed, stretched
from topwork.drawing._sheet import Cell, sheet

__all__ = [
    "Cell",
    "Curve",
    "class_colours",
    "heat",
    "legend",
    "line_chart",
    "overlay",
    "scatter",
    "sheet",
    "signed",
    "stretched",
]
