"""The catalogue of open data sets: what each holds, under which licence, where its makers publish it.

The table ``datasets.tsv`` beside this file has one set a line, cells parted by tabs. ``files`` lists what is
downloaded: ``ADDRESS|BYTES|ALGORITHM:CHECKSUM``, parted by spaces; a file whose checksum nobody tells has none, and the
first one that proved sound is remembered. ``layout`` says how the files become what ``fit`` reads.
"""

from __future__ import annotations

import csv
import difflib
import functools
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from topwork._web import RemoteFile
from topwork.errors import DataError

Task = Literal["classification", "detection", "segmentation", "text"]

_TABLE = Path(__file__).with_name("datasets.tsv")
_COLUMNS = ["name", "title", "task", "classes", "rows", "licence", "layout", "package", "source", "files", "advice"]


@dataclass(frozen=True)
class DataRow:
    """What is known of one data set before anything is downloaded.

    Attributes:
        name: What ``topwork data get`` takes.
        title: Its makers' name of it.
        classes: How many there are.
        rows: Images or texts, all splits together.
        licence: SPDX name, or in words where it has none.
        layout: How it is prepared: a kind, and after colons what that needs.
        package: Distribution that holds it, empty for what is downloaded.
        source: The page on which its makers describe it.
        files: What is downloaded.
        advice: One line on what it is good for.
    """

    name: str
    title: str
    task: Task
    classes: int
    rows: int
    licence: str
    layout: str
    package: str
    source: str
    files: tuple[RemoteFile, ...]
    advice: str

    def __post_init__(self) -> None:
        """Refuse, by a DataError, what cannot be true of any data set."""
        texts = (self.title, self.licence, self.layout, self.source, self.advice)
        checks = {
            "a name has small letters, digits and - alone": re.fullmatch(r"[a-z0-9-]+", self.name) is not None,
            "a title, a licence, a layout, a source or advice is missing": all(texts),
            f"task must be one of {', '.join(get_args(Task))}, not {self.task!r}": self.task in get_args(Task),
            "classes and rows must be above 0": self.classes > 0 and self.rows > 0,
            "a data set has files or a package": bool(self.files) != bool(self.package),
        }
        for complaint, fine in checks.items():
            if not fine:
                raise DataError(f"{self.name}: {complaint}")

    @property
    def bytes(self) -> int:
        """What is downloaded, as far as it is known; a few small files' sizes are not."""
        return sum(each.bytes for each in self.files)

    @property
    def checked(self) -> bool:
        """Whether a checksum of every file is known, from its makers or from those who downloaded it."""
        return all(each.checksum for each in self.files)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {**asdict(self), "bytes": self.bytes, "checked": self.checked}


def data_rows() -> tuple[DataRow, ...]:
    """Every data set in the table's order.

    Raises:
        DataError: The table is not as expected; the error names the line.
    """
    return _rows()


@functools.cache
def _rows() -> tuple[DataRow, ...]:
    with _TABLE.open(encoding="utf-8", newline="") as lines:
        return parse_table(lines)


def parse_table(lines: Iterable[str]) -> tuple[DataRow, ...]:
    """Rows of the table's text, whose first line names the columns.

    Raises:
        DataError: A column is missing or unknown, a cell cannot be read or be true, or two sets have one name.
    """
    reader = csv.DictReader(lines, dialect="excel-tab", quoting=csv.QUOTE_NONE, restval="")
    if list(reader.fieldnames or ()) != _COLUMNS:
        raise DataError(f"{_TABLE.name}: columns must be {', '.join(_COLUMNS)}")
    found: dict[str, DataRow] = {}
    for cells in reader:
        try:
            row = _parsed(cells)
            if row.name in found:
                raise DataError(f"{row.name} is there twice")
            found[row.name] = row
        except (DataError, ValueError, TypeError) as error:
            raise DataError(f"{_TABLE.name}, line {reader.line_num}: {error}") from error
    return tuple(found.values())


def _parsed(cells: dict[str, str]) -> DataRow:
    values: dict[str, Any] = {name: cell.strip() for name, cell in cells.items() if name is not None}
    values |= {name: int(values[name]) for name in ("classes", "rows")}
    return DataRow(**{**values, "files": tuple(_file(text) for text in values["files"].split())})


def _file(text: str) -> RemoteFile:
    address, bytes_, checksum = text.split("|")
    algorithm, _, digits = checksum.partition(":")
    return RemoteFile(address, int(bytes_ or 0), algorithm, digits)


def select_data(task: str | None = None) -> tuple[DataRow, ...]:
    """The sets for a task, in the catalogue's order; all where none is named."""
    return tuple(row for row in data_rows() if task is None or row.task == task)


def data_row(name: str) -> DataRow:
    """The data set of that name; case, ``_`` and ``-`` do not matter.

    Raises:
        DataError: There is none; the hint names the nearest.
    """
    plain = name.strip().lower().replace("_", "-")
    known = {row.name: row for row in data_rows()}
    bare = {each.replace("-", ""): row for each, row in known.items()}
    found = known.get(plain) or bare.get(plain.replace("-", ""))
    if found is None:
        near = difflib.get_close_matches(plain, known, n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else "`topwork data list` lists those that there are"
        raise DataError(f"no data set is called {name!r}", hint=hint)
    return found
