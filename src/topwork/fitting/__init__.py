"""Fitting: the one pass from a data set to a measured model. In: a folder or data set. Out: a ``Model``."""

from topwork.fitting._advise import advise
from topwork.fitting._fit import fit
from topwork.fitting._held_out import held_out_again
from topwork.fitting._sample import sample_folder
from topwork.fitting._words import from_words

__all__ = ["advise", "fit", "from_words", "held_out_again", "sample_folder"]
