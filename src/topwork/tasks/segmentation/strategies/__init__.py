"""The ways to a segmenter: a head on pixels of a frozen backbone's maps, a decoder on them, or the backbone too."""

from topwork.tasks.segmentation.strategies._fitted import Fitted, Judged, judged
from topwork.tasks.segmentation.strategies._options import ProbeOptions
from topwork.tasks.segmentation.strategies._probe import fit_probe
from topwork.tasks.segmentation.strategies._targets import target
from topwork.tasks.segmentation.strategies._untrained import AsIsOptions, WordsOptions, fit_as_is, fit_in_words

__all__ = [
    "AsIsOptions",
    "Fitted",
    "Judged",
    "ProbeOptions",
    "WordsOptions",
    "fit_as_is",
    "fit_in_words",
    "fit_probe",
    "judged",
    "target",
]
