"""Writes the rows of a data set as a CSV manifest; never over a file of the user's that is something else."""

from __future__ import annotations

import csv
import io
import os
import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path

from topwork._system import fault_of_place, write_whole
from topwork.data._dataset import LabelledDataset, TextDataset
from topwork.data._listing import label_fault
from topwork.data._manifest_rows import REQUIRED, inner_path
from topwork.data._names import printable
from topwork.data._text_rows import SCHEMA as TEXTS
from topwork.errors import DataError

_Cells = tuple[str, str, str, str]
"""A path or a text, label, split and group."""


def write_manifest(dataset: LabelledDataset, path: str | os.PathLike[str], *, replace: bool = False) -> Path:
    """Write the rows as a CSV that :func:`read` takes, ``path,label[,split][,group]``, or with the texts themselves.

    That is ``text,label[,split][,group]``, for :func:`read_texts`; every text comes back as it is.

    Paths are relative to the manifest's folder, with links resolved. A name that is not UTF-8 is written as its
    bytes; line ends, commas and quotes in names are quoted. What a manifest cannot say is lost: what was left out,
    and a class without images or an order of classes other than sorted (give those to :func:`read` as
    ``classes``). The file appears whole or not at all.

    Args:
        dataset: Images that are files, or texts.
        path: Ends in ``.csv``; in a folder that holds all the images, at any depth.
        replace: Whether another manifest that lies there may go; any other file never does, nor one that the texts
            were read from.

    Returns:
        The path.

    Raises:
        DataError: The images are no files or lie outside the manifest's folder, something stands at ``path``, a
            row that a manifest cannot hold, or the folder cannot be written.
    """
    final = Path(path)
    _check_place(dataset, final)
    content = _content(dataset, final)
    if not _is_there(final, content, replace=replace and not _is_source(dataset, final)):
        try:
            write_whole(final, content)
        except OSError as error:
            raise _not_written(final, error) from error
    return final


def require_free(dataset: LabelledDataset, path: str | os.PathLike[str]) -> None:
    """Refuse, before any work is done, what :func:`write_manifest` would refuse for these rows or for some of them.

    Another manifest may be there: it may turn out to be the same.

    Raises:
        DataError: What :func:`write_manifest` says, but for another manifest that is there.
    """
    final = Path(path)
    _check_place(dataset, final)
    if isinstance(dataset, TextDataset):
        _columns(dataset)  # any text can be written
    else:
        _content(dataset, final)


def _check_place(dataset: LabelledDataset, final: Path) -> None:
    if final.suffix.lower() != ".csv":
        name = printable(str(final))
        raise DataError(f"{name}: the name of a manifest must end in .csv", hint=f"call it {name}.csv")
    required = _required(dataset)
    try:
        fault = fault_of_place(final, lambda head: _is_manifest(head, required), "manifest")
    except OSError as error:
        raise _not_written(final, error) from error
    if fault:
        raise DataError(f"{printable(str(final))}: {fault}", hint="choose another name")


def _required(dataset: LabelledDataset) -> tuple[str, ...]:
    return TEXTS.required if isinstance(dataset, TextDataset) else REQUIRED


def _not_written(final: Path, error: OSError) -> DataError:
    return DataError(f"{printable(str(final))}: cannot be written: {error.strerror or error}")


def _columns(dataset: LabelledDataset) -> list[str]:
    without = dataset.splits == ""
    if without.any() and not without.all():
        raise DataError("some rows are in a split and others are not", hint="split the data set, or select one split")
    return [*_required(dataset), *([] if without.any() else ["split"]), *(["group"] if any(dataset.groups) else [])]


def _content(dataset: LabelledDataset, manifest: Path) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")  # RFC 4180; a lone "\r" in a name is then quoted
    columns = _columns(dataset)
    places = [(*_required(dataset), "split", "group").index(column) for column in columns]
    writer.writerow(columns)
    if isinstance(dataset, TextDataset):
        writer.writerows([row[place] for place in places] for row in _text_cells(dataset))
        return text.getvalue().encode("utf-8", "surrogatepass")
    writer.writerows([row[place] for place in places] for row in _image_cells(dataset, manifest))
    try:
        return text.getvalue().encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        name = printable(error.object[max(error.start - 20, 0) : error.end])
        raise DataError(f"a name cannot be written as UTF-8: '…{name}'", hint="rename it") from error


def _cells(dataset: LabelledDataset, first: Iterable[str]) -> Iterator[_Cells]:
    labels = (dataset.classes[label] for label in dataset.labels.tolist())
    splits: list[str] = dataset.splits.tolist()
    yield from zip(first, labels, splits, dataset.groups or ("",) * len(dataset), strict=True)


def _text_cells(dataset: TextDataset) -> Iterator[_Cells]:
    return _cells(dataset, map(dataset.text, range(len(dataset))))


def _image_cells(dataset: LabelledDataset, manifest: Path) -> Iterator[_Cells]:
    if dataset.store is not None:
        raise DataError(f"the images of {printable(str(dataset.root))} are not files: a manifest cannot name them")
    if len(set(dataset.paths)) < len(dataset):
        raise DataError("an image comes twice: a manifest names it once")
    root = os.path.relpath(os.path.realpath(dataset.root), os.path.realpath(manifest.parent)).replace(os.sep, "/")
    for name, label, split, group in _cells(dataset, dataset.paths):
        where = f"{printable(str(manifest))} cannot name '{printable(name)}'"
        inner = inner_path(inner_path(posixpath.join(root, name), where), where)  # as it will be read: without "./"
        if fault := label_fault(label):
            raise DataError(f"{where}: {fault}")
        # "./" since "file:" at the start would be a URL's
        yield f"./{inner}" if inner[:5].casefold() == "file:" else inner, label, split, group


def _is_source(dataset: LabelledDataset, final: Path) -> bool:
    """Tell a table that texts were read from: it is not to be lost."""
    names = {name.rpartition(":")[0] for name in dataset.paths} if isinstance(dataset, TextDataset) else set()
    return any(os.path.realpath(dataset.root / name) == os.path.realpath(final) for name in names)


def _is_manifest(head: bytes, required: Iterable[str]) -> bool:
    names = head.removeprefix(b"\xef\xbb\xbf").split(b"\n")[0].decode("ascii", "replace").split(",")
    return set(required).issubset(name.strip() for name in names)


def _is_there(final: Path, content: bytes, *, replace: bool) -> bool:
    """Ask whether this very manifest stands there already.

    Raises:
        DataError: Another one does, and may not be replaced.
    """
    try:
        with open(final, "rb") as file:
            there = file.read(len(content) + 1)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _not_written(final, error) from error
    if there != content and not replace:
        raise DataError(
            f"{printable(str(final))}: another manifest is there",
            hint="choose another name, or allow it to be replaced",
        )
    return there == content
