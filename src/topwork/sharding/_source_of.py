"""Which kind of source a path or an address is: told by what lies there."""

from __future__ import annotations

import os

from topwork.data import IMAGE_SUFFIXES, image_files, printable
from topwork.errors import DataError
from topwork.sharding._archives import TABLES, TARS, Archives
from topwork.sharding._files import LocalFiles, RemoteFiles
from topwork.sharding._folders import Folder, Objects
from topwork.sharding._sources import Images
from topwork.sharding._store import is_remote
from topwork.sharding._texts import TEXT_TABLES, Texts

_ARCHIVES = (*TARS, *TABLES)
_IMAGES = tuple(IMAGE_SUFFIXES)


def kind_of(given: str, *, texts: bool = False) -> str:
    """What lies at a path or an address: ``archives`` (tar, Parquet, Arrow), ``folder`` or ``objects``: images.

    Where texts are wanted it is ``texts``: tables.

    Raises:
        DataError: There is no source.
    """
    if texts:
        _require_texts(given)
        return "texts"
    if is_remote(given):
        return _remote(given)
    if os.path.isfile(given):
        if given.lower().endswith(_ARCHIVES):
            return "archives"
        raise DataError(
            f"{printable(given)}: no source of shards", hint="give a folder of images, or tar, Parquet or Arrow files"
        )
    if not os.path.isdir(given):
        raise DataError(
            f"{printable(given)}: no such folder", hint="give a folder, a file or an address such as s3://…"
        )
    if _has(given, TARS) or (
        _has(given, TABLES) and next(image_files(given), None) is None
    ):  # not a table beside images
        return "archives"
    return "folder"


def source_of(given: str, kind: str) -> Images:
    """The source at a path or an address, of the kind that lies there; looks at nothing."""
    if kind == "folder":
        return Folder(given)
    if kind == "objects":
        return Objects(RemoteFiles(given, _IMAGES))
    read, suffixes = (Texts, TEXT_TABLES) if kind == "texts" else (Archives, _ARCHIVES)
    if not is_remote(given):
        return read(LocalFiles(given, suffixes))
    if given.lower().endswith(suffixes):
        folder, _, only = given.rpartition("/")
        return read(RemoteFiles(folder, suffixes, only))
    return read(RemoteFiles(given, suffixes))


def _require_texts(given: str) -> None:
    """Refuse a path that holds no table; an address is looked at when it is listed."""
    found = os.path.exists(given)
    tables = os.path.isfile(given) and given.lower().endswith(TEXT_TABLES)
    if is_remote(given) or tables or (os.path.isdir(given) and _has(given, TEXT_TABLES)):
        return
    raise DataError(
        f"{printable(given)}: no source of shards" if found else f"{printable(given)}: no such folder",
        hint=f"give a table of texts ({', '.join(TEXT_TABLES)}), or a folder of them",
    )


def _has(folder: str, suffixes: tuple[str, ...]) -> bool:
    """Whether a folder, or one right below it, holds such files."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if any(name.lower().endswith(suffixes) for name in os.listdir(entry.path)):
                    return True
            elif entry.name.lower().endswith(suffixes):
                return True
    return False


def _remote(address: str) -> str:
    if address.lower().endswith(_ARCHIVES):
        return "archives"
    names = [name.lower() for name in RemoteFiles(address, ("",)).sizes()]
    has_images = any(name.endswith(_IMAGES) for name in names)
    tables = not has_images and any(name.endswith(TABLES) for name in names)
    return "archives" if tables or any(name.endswith(TARS) for name in names) else "objects"
