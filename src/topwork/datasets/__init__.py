"""Open data sets by name: their facts, a download that goes on where it broke off, and folders that ``fit`` reads.

In: a name of the catalogue ``datasets.tsv``. Out: a folder, whole or not at all.
"""

from topwork.datasets._catalogue import DataRow, data_row, data_rows, select_data
from topwork.datasets._get import Prepared, get, is_here

__all__ = ["DataRow", "Prepared", "data_row", "data_rows", "get", "is_here", "select_data"]
