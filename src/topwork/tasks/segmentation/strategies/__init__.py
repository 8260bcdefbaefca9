"""The ways to a segmenter: a head on pixels of a frozen backbone's maps, a decoder on them, or the backbone too."""

from topwork.tasks.segmentation.strategies._fitted import Fitted, Judged, judged
from topwork.tasks.segmentation.strategies._options import ProbeOptions
from topwork.tasks.segmentation.strategies._probe import fit_probe
from topwork.tasks.segmentation.strategies._targets import target

__all__ = ["Fitted", "Judged", "ProbeOptions", "fit_probe", "judged", "target"]
