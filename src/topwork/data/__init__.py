"""Read a labelled set of images, decode one, split the set; what cannot be used is listed, not dropped.

One natural pass: :func:`read` lists a folder, a manifest, tar shards or a Hugging Face data set into an
:class:`ImageDataset` without opening an image (:func:`from_arrays` does so for pixels), :func:`split` gives each row
its split, ``dataset.source(row)`` says where a row's image lies, and :func:`decode` turns that into pixels. Needs
numpy, simplejpeg and Pillow; Parquet and Hugging Face data need an extra each.
"""

from __future__ import annotations

from topwork.data._arrays import from_arrays
from topwork.data._dataset import Dataset, ImageDataset, LeftOut
from topwork.data._decode import assumed_white, decode
from topwork.data._folder import image_files
from topwork.data._given import Held, as_source, several
from topwork.data._manifest import is_manifest, manifest_paths
from topwork.data._names import printable, quoted
from topwork.data._read import read
from topwork.data._source import MAX_FILE_BYTES, Slice, Source, content_key, read_bytes, read_source, try_source
from topwork.data._split import grouped, k_folds, k_folds_or_fewer, split
from topwork.data._write import require_free, write_manifest

__all__ = [
    "Dataset",
    "Held",
    "ImageDataset",
    "LeftOut",
    "MAX_FILE_BYTES",
    "Slice",
    "Source",
    "as_source",
    "assumed_white",
    "content_key",
    "decode",
    "from_arrays",
    "grouped",
    "image_files",
    "is_manifest",
    "k_folds",
    "k_folds_or_fewer",
    "manifest_paths",
    "printable",
    "quoted",
    "read",
    "read_bytes",
    "read_source",
    "require_free",
    "several",
    "split",
    "try_source",
    "write_manifest",
]
