"""Features: what a backbone makes of images or texts.

In: a data set and a backbone. Out: a ``FeatureTable``, memory-mapped, through a cache on disk.
"""

from topwork.data import Source
from topwork.features._extract import NOT_FINITE, Extraction, OpenNetwork, Progress, extract, extract_few, recipe_of
from topwork.features._map_samples import MapSamples, Pictures, on_all_cores
from topwork.features._read_ahead import ImageReader, Item, read_ahead, reader_of
from topwork.features._squares import Squares, scratch, squares
from topwork.features._store import rows_on_disk
from topwork.features._stream import AT_ONCE, Streamed, choose, streamed
from topwork.features._table import FeatureTable, scattered_rows

__all__ = [
    "AT_ONCE",
    "NOT_FINITE",
    "Extraction",
    "FeatureTable",
    "ImageReader",
    "Item",
    "MapSamples",
    "OpenNetwork",
    "Pictures",
    "Progress",
    "Source",
    "Squares",
    "Streamed",
    "choose",
    "extract",
    "extract_few",
    "on_all_cores",
    "read_ahead",
    "reader_of",
    "recipe_of",
    "rows_on_disk",
    "scattered_rows",
    "scratch",
    "squares",
    "streamed",
]
