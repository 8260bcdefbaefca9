"""Features: what a backbone makes of images.

In: a data set and a backbone. Out: a ``FeatureTable``, memory-mapped, through a cache on disk.
"""

from topwork.data import Source
from topwork.features._extract import Extraction, Progress, extract, extract_few
from topwork.features._read_ahead import read_ahead
from topwork.features._table import FeatureTable

__all__ = ["Extraction", "FeatureTable", "Progress", "Source", "extract", "extract_few", "read_ahead"]
