"""Features: what a backbone makes of images.

In: a data set and a backbone. Out: a ``FeatureTable``, memory-mapped, through a cache on disk.
"""

from topwork.data import Source
from topwork.features._extract import NOT_FINITE, Extraction, Progress, extract, extract_few
from topwork.features._read_ahead import read_ahead
from topwork.features._table import FeatureTable, scattered_rows

__all__ = [
    "NOT_FINITE",
    "Extraction",
    "FeatureTable",
    "Progress",
    "Source",
    "extract",
    "extract_few",
    "read_ahead",
    "scattered_rows",
]
