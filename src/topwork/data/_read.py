"""Tells what kind of data set it was given, and has the right reader list it."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from topwork.data._annotations._coco import is_coco
from topwork.data._arrays import from_arrays
from topwork.data._dataset import ImageDataset
from topwork.data._folder import IDENTITIES, IMAGES, Files, list_folder
from topwork.data._huggingface import is_huggingface, is_saved, list_object, list_saved
from topwork.data._listing import Listing, assembled
from topwork.data._manifest import list_frame, list_manifest
from topwork.data._names import printable
from topwork.data._shards import COMPRESSED_HINT, has_shards, is_compressed, list_shards, list_tar
from topwork.data._source import why
from topwork.data._table import TABLES
from topwork.errors import DataError

SUFFIXES = (*TABLES, ".tar")
"""Of the files that are read."""

_UNDERSTOOD = (
    "a folder of class folders (alone, or under train/, val/ and test/), a manifest with the columns path,label (.csv, "
    ".tsv, .jsonl, .parquet, or a data frame), WebDataset shards (a .tar or a folder of them), a Hugging Face data set "
    "(saved with save_to_disk, or the object), and images in memory with their labels, as from_arrays(images, labels)"
)


def read(
    data: object,
    *,
    classes: Sequence[str] | None = None,
    columns: Mapping[str, str] | None = None,
    follow_links: bool = False,
    identities: bool = False,
) -> ImageDataset:
    """Read a labelled data set; lists what there is and opens no image.

    ``data`` is the path of a folder of class folders, of the same under ``train/`` (with ``val/`` and ``test/`` if
    wanted), of a manifest ``path,label[,split][,group]`` (CSV, TSV, JSONL or Parquet), of a WebDataset shard or a
    folder of shards, or of a folder that a Hugging Face data set was saved to; or such a data set itself, a data frame
    with a manifest's columns, or a pair ``(images, labels)`` (see :func:`from_arrays`). A data set that was read
    already is given back: whoever takes a path takes that too. Classes come from the training split, in the order that
    the data declare and sorted where they declare none; a class without images keeps its place. What is found and not
    used is in ``left_out``, or counted in ``ignored``.

    Args:
        data: The path, the Hugging Face ``Dataset`` or ``DatasetDict``, the data frame, the pair, or an
            ``ImageDataset``.
        classes: The class names of a saved model, in its order; for evaluation. Then these are the classes,
            all names in the data must be among them, and one class is enough.
        columns: What a manifest or a data frame calls ``path``, ``label``, ``split`` and ``group``, as far as it is
            neither that nor another usual name.
        follow_links: Whether a folder's links are followed to where they lead; only those to files in it otherwise.
        identities: Whether the classes are such as a model need not know, so that ``val`` and ``test`` may hold others
            than ``train``.

    Raises:
        DataError: Nothing there or nothing that is understood, no class folders, fewer than two classes to train
            on, no training image, a class in ``val`` or ``test`` that is not in ``train`` (or not among
            ``classes``), a group in two splits, a manifest's path that leaves its folder; an ``ImageDataset`` of
            other classes.
        MissingExtraError: The package that reads this kind is not installed.
    """
    if isinstance(data, ImageDataset):
        return data if classes is None else data.relabelled(classes)
    if isinstance(data, str | os.PathLike):
        return assembled(_list(Path(data), classes, columns, follow_links, identities), classes, identities=identities)
    if is_huggingface(data):
        return assembled(list_object(data), classes, identities=identities)
    if hasattr(data, "iloc") and hasattr(data, "columns"):
        return assembled(list_frame(data, columns), classes, identities=identities)
    if isinstance(data, tuple) and len(data) == 2:
        return from_arrays(*data, classes=classes)
    raise DataError(f"not a data set: a {type(data).__name__}", hint=f"topwork reads {_UNDERSTOOD}")


def _list(
    path: Path,
    classes: Sequence[str] | None,
    columns: Mapping[str, str] | None,
    follow_links: bool,
    identities: bool,
) -> Listing:
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "no such folder or manifest" if missing else why(error)
        raise DataError(f"{printable(str(path))}: {reason}", hint="check the path") from error
    if stat.S_ISDIR(mode):
        return _list_directory(path, classes, follow_links, IDENTITIES if identities else IMAGES)
    if is_compressed(path.name):
        raise DataError(f"{printable(str(path))} is compressed", hint=COMPRESSED_HINT)
    suffix = path.suffix.lower()
    if suffix == ".json" and stat.S_ISREG(mode) and not is_coco(path):
        raise DataError(
            f"{printable(str(path))}: not COCO JSON, which is what topwork reads of .json files",
            hint='it names "images", "annotations" and "categories"; JSON with one object a line is called .jsonl',
        )
    if suffix not in SUFFIXES or not stat.S_ISREG(mode):
        raise DataError(
            f"{printable(str(path))} is neither a folder nor a file of a supported kind ({', '.join(SUFFIXES)})",
            hint=f"topwork reads {_UNDERSTOOD}",
        )
    return list_tar(path) if suffix == ".tar" else list_manifest(path, columns)


def _list_directory(path: Path, classes: Sequence[str] | None, follow_links: bool, files: Files) -> Listing:
    if is_saved(path):
        return list_saved(path)
    if has_shards(path):
        return list_shards(path)
    return list_folder(path, saved_classes=classes, follow_links=follow_links, files=files)
