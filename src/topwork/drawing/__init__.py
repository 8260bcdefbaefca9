"""Drawing: arrays and words in, pictures out. It knows nothing of networks.

A ``sheet`` lays out pictures with words beneath them; ``framed`` draws boxes, an ``Outline`` each, upon one,
``painted`` a mask, and ``differing`` where two masks differ; ``line_chart`` and ``scatter`` draw numbers, and ``Axes``
says where those lie, for whoever draws them otherwise. Pillow alone is needed for it.
"""

from __future__ import annotations

from topwork.drawing._axes import Axes, Axis, accuracy_axis, logarithmic_axis, named_axis, share_axis, spread
from topwork.drawing._boxes import framed
from topwork.drawing._chart import Curve, legend, line_chart, scatter
from topwork.drawing._colours import class_colours, heat, overlay, signed, stretched
from topwork.drawing._differences import DIFFERENCES, STRIPED, differing
from topwork.drawing._masks import painted, scaled
from topwork.drawing._outlines import Outline, Stroke
from topwork.drawing._sheet import Cell, sheet

__all__ = [
    "DIFFERENCES",
    "STRIPED",
    "Axes",
    "Axis",
    "Cell",
    "Curve",
    "Outline",
    "Stroke",
    "accuracy_axis",
    "class_colours",
    "differing",
    "framed",
    "heat",
    "legend",
    "line_chart",
    "logarithmic_axis",
    "named_axis",
    "overlay",
    "painted",
    "scaled",
    "scatter",
    "share_axis",
    "sheet",
    "signed",
    "spread",
    "stretched",
]
