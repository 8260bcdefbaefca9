"""Read a labelled set of images, texts or boxes, decode an image, split the set; what cannot be used is listed.

One natural pass: :func:`read` lists a folder, a manifest, tar shards or a Hugging Face data set into an
:class:`ImageDataset` without opening an image (:func:`from_arrays` does so for pixels), :func:`split` gives each row
its split, ``dataset.source(row)`` says where a row's image lies, and :func:`decode` turns that into pixels. For texts
:func:`read_texts` gives a :class:`TextDataset`, whose ``source(row)`` is the text; for boxes :func:`read_boxes` gives a
:class:`BoxDataset`, and :func:`write_boxes` writes it in other formats; for masks :func:`read_masks` gives a
:class:`MaskDataset`, and :func:`write_masks` writes it. Needs numpy, simplejpeg and Pillow; Parquet and Hugging Face
data need an extra each.
"""

from __future__ import annotations

from topwork.data._annotations._read import looks_like_boxes, read_boxes
from topwork.data._annotations._write import BOX_FORMATS, BoxFormat, WrittenBoxes, write_boxes
from topwork.data._arrays import from_arrays
from topwork.data._between import Named, images_between
from topwork.data._boxes import BoxDataset, Boxes, BoxFlaw
from topwork.data._dataset import Dataset, ImageDataset, LabelledDataset, LeftOut, TextDataset, name_bytes
from topwork.data._decode import assumed_white, decode
from topwork.data._encoding import text_of
from topwork.data._folder import TEXT_SUFFIXES, files_below, image_files
from topwork.data._given import Held, as_source, in_chunks, name_of, several
from topwork.data._given_texts import given_texts, table_texts, text_rows
from topwork.data._image_size import image_size
from topwork.data._labels import ToldLabel, table_labels
from topwork.data._layout import split_of
from topwork.data._looks_like_texts import looks_like_texts
from topwork.data._manifest import is_manifest, manifest_paths
from topwork.data._mask_files._pieces import pieces
from topwork.data._mask_files._read import looks_like_masks, read_masks
from topwork.data._mask_files._rle import filled, mask_of_rle, rle_of
from topwork.data._mask_files._write import MASK_FORMATS, MaskFormat, WrittenMasks, write_masks
from topwork.data._masks import UNLABELLED, Mask, MaskDataset, MaskFlaw, MaskStore
from topwork.data._names import decoded, printable, quoted
from topwork.data._read import read
from topwork.data._shards import split_in
from topwork.data._shrunk import shrunk, shrunk_size
from topwork.data._source import MAX_FILE_BYTES, Slice, Source, content_key, read_bytes, read_source, try_source
from topwork.data._split import grouped, k_folds, k_folds_or_fewer, split
from topwork.data._tar_images import TarImage, tar_images
from topwork.data._text_store import TextStore
from topwork.data._texts import read_texts
from topwork.data._write import require_free, write_manifest
from topwork.data.formats import IMAGE_SUFFIXES

__all__ = [
    "BOX_FORMATS",
    "BoxDataset",
    "BoxFlaw",
    "BoxFormat",
    "Boxes",
    "Dataset",
    "Held",
    "IMAGE_SUFFIXES",
    "ImageDataset",
    "LabelledDataset",
    "LeftOut",
    "MASK_FORMATS",
    "MAX_FILE_BYTES",
    "Mask",
    "MaskDataset",
    "MaskFlaw",
    "MaskFormat",
    "MaskStore",
    "Named",
    "Slice",
    "Source",
    "TEXT_SUFFIXES",
    "TarImage",
    "TextDataset",
    "TextStore",
    "ToldLabel",
    "UNLABELLED",
    "WrittenBoxes",
    "WrittenMasks",
    "as_source",
    "assumed_white",
    "content_key",
    "decode",
    "decoded",
    "files_below",
    "filled",
    "from_arrays",
    "given_texts",
    "grouped",
    "image_files",
    "image_size",
    "images_between",
    "in_chunks",
    "is_manifest",
    "k_folds",
    "k_folds_or_fewer",
    "looks_like_boxes",
    "looks_like_masks",
    "looks_like_texts",
    "manifest_paths",
    "mask_of_rle",
    "name_bytes",
    "name_of",
    "pieces",
    "printable",
    "quoted",
    "read",
    "read_boxes",
    "read_bytes",
    "read_masks",
    "read_source",
    "read_texts",
    "require_free",
    "rle_of",
    "several",
    "shrunk",
    "shrunk_size",
    "split",
    "split_in",
    "split_of",
    "table_labels",
    "table_texts",
    "tar_images",
    "text_of",
    "text_rows",
    "try_source",
    "write_boxes",
    "write_manifest",
    "write_masks",
]
