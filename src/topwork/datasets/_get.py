"""Gets a data set: downloads what is missing, unpacks it, and prepares a folder that appears whole or not at all."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topwork._system import has_module, take
from topwork._web import RemoteFile, download, is_archive, remember, unpack
from topwork.datasets._catalogue import DataRow
from topwork.datasets._layouts import prepare
from topwork.errors import DataError

FACTS = ".source.json"
"""What is kept beside the data: where they are from, their licence, and what was downloaded."""

Progress = Callable[[int, int], None]
Announce = Callable[[str], Progress | None]


@dataclass(frozen=True)
class Prepared:
    """A data set on this machine.

    Attributes:
        row: What it is.
        folder: Where it lies.
        data: What ``fit`` takes: the folder, or a table in it.
        sha256: Of each file that was downloaded, by its address.
    """

    row: DataRow
    folder: Path
    data: Path
    sha256: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        facts = {"folder": str(self.folder), "data": str(self.data), "sha256": self.sha256}
        return {"name": self.row.name, "licence": self.row.licence, **facts}


def is_here(row: DataRow) -> bool:
    """Whether a data set can be had now without the internet."""
    return bool(row.package) and has_module({"scikit-learn": "sklearn"}.get(row.package, row.package.replace("-", "_")))


def get(row: DataRow, folder: Path, announce: Announce | None = None) -> Prepared:
    """Download and prepare a data set; one that lies there already is left as it is.

    What is downloaded lies in ``FOLDER.download`` until the folder is whole, so that a second call goes on.

    Args:
        row: Of the catalogue.
        folder: Where it is to lie; its own content is what ``fit`` reads.
        announce: Is told what begins; may give what is told of progress in bytes.

    Raises:
        DataError: The place is taken, a file cannot be had or is not what it must be, or its content is another.
        MissingExtraError: The package that holds it is not installed.
    """
    found = _found(row, folder)
    if found is not None:
        return found
    kept = folder.with_name(f"{folder.name}.download")
    try:
        with _own(kept):
            draft = kept / "unpacked"
            sha256 = _collected(row, kept, draft, announce)
            if announce is not None:
                announce("preparing")
            inner = prepare(draft, row.layout)
            for each in row.files:
                remember(each, sha256[each.address])
            facts = {"name": row.name, "licence": row.licence, "source": row.source, "data": inner, "sha256": sha256}
            (draft / FACTS).write_text(json.dumps(facts, indent=1), "utf-8")
            draft.rename(folder)
            shutil.rmtree(kept, ignore_errors=True)  # while nobody else can begin in it
    except OSError as error:
        told = f"{folder}: cannot be written: {error.strerror or error}"
        raise DataError(told, hint="choose a writable folder") from error
    return Prepared(row, folder, folder / inner, sha256)


@contextlib.contextmanager
def _own(folder: Path) -> Iterator[None]:
    """The folder of what is downloaded, for this process alone.

    A folder of a hundred thousand small files is not pushed to the disk one by one: it can be had again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        taken = True
        with contextlib.suppress(OSError):  # there are no locks on this file system
            taken = take(lock.fileno())
        if not taken:
            raise DataError(
                f"{folder}: another run is at work there", hint="wait for it, or name another folder with -o"
            )
        shutil.rmtree(folder / "unpacked", ignore_errors=True)  # of a run that was broken off
        yield


def _found(row: DataRow, folder: Path) -> Prepared | None:
    """What lies at the place already, if it is this data set."""
    if not folder.exists():
        return None
    try:
        told = json.loads((folder / FACTS).read_text("utf-8"))
        if told["name"] == row.name and (folder / told["data"]).exists():
            return Prepared(row, folder, folder / told["data"], dict(told["sha256"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise DataError(f"{folder}: is there already, and is not {row.name}", hint="name another folder with -o")


def _collected(row: DataRow, kept: Path, draft: Path, announce: Announce | None) -> dict[str, str]:
    """Download every file, and unpack or copy it into the draft; gives each one's sha256."""
    draft.mkdir()
    sha256: dict[str, str] = {}
    for each in row.files:
        place = kept / each.name
        progress = announce(f"downloading {each.name}") if announce is not None else None
        sha256[each.address] = download(each, place, progress)
        if announce is not None:
            announce(f"unpacking {each.name}")
        _put(each, place, draft)
    return sha256


def _put(file: RemoteFile, place: Path, draft: Path) -> None:
    if is_archive(place):
        unpack(place, draft)
    else:
        shutil.copyfile(place, draft / file.name)
