"""Reads a legend: which number or colour is which class.

``classes.txt`` with a name a line, or a number and a name; ``labelmap.txt`` of CVAT (``name:r,g,b::``) or of lines
``r g b name`` or ``name r g b``; a table ``name,r,g,b`` or ``name,value``; JSON with names as a list, or beside numbers
or colours.
"""

from __future__ import annotations

import csv
import json
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from topwork.data._annotations._files import content_of, text_of_names
from topwork.data._mask_files._told import Legend
from topwork.data._names import printable
from topwork.errors import DataError

NAMES = frozenset(
    f"{stem}{suffix}"
    for stem in ("classes", "labels", "labelmap", "label_map", "label_names", "label_colors", "legend", "class_dict")
    for suffix in (".txt", ".csv", ".tsv", ".json")
) | {"codes.txt", "class_names.txt", "obj.names"}
_MOST = 2**22  # bytes
_MOST_CLASSES = 10_000
_NUMBER = r"(\d{1,5})"
_RGB = r"[ \t,;]+".join([_NUMBER] * 3)
_CVAT = re.compile(rf"([^:]+):{_NUMBER},{_NUMBER},{_NUMBER}(?::.*)?")
_RGB_NAME = re.compile(rf"{_RGB}[ \t,;]+(.+)")
_NAME_RGB = re.compile(rf"(.+?)[ \t,;:]+{_RGB}")
_NUMBER_NAME = re.compile(rf"{_NUMBER}[ \t]*[ \t:;,=][ \t]*(\S.*)")
_COLUMNS = {
    "name": ("name", "class", "label", "class_name", "이름", "클래스"),
    "r": ("r", "red"),
    "g": ("g", "green"),
    "b": ("b", "blue"),
    "value": ("value", "index", "id", "pixel", "pixel_value", "label_id", "class_id", "값"),
}


def legend_in(root: Path, files: Mapping[str, Sequence[str]], folders: Iterable[str]) -> tuple[Legend | None, str]:
    """The legend that lies in one of these folders, or in the root, and its path.

    Raises:
        DataError: It cannot be read, or says nothing that can be meant.
    """
    for folder in dict.fromkeys(("", *folders)):
        for name in sorted(files.get(folder, ())):
            if name.casefold() in NAMES and (legend := _read(root / folder / name)) is not None:
                return legend, posixpath.join(folder, name)
    return None, ""


def _read(file: Path) -> Legend | None:
    text = text_of_names(content_of(file, _MOST))
    if file.suffix.lower() == ".json":
        return _of_json(file, text)
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("#", "//"))]
    if not lines:
        raise DataError(f"{printable(str(file))}: a legend without a line", hint="write a class name in each line")
    if len(lines) > _MOST_CLASSES:
        raise DataError(f"{printable(str(file))}: a legend of {len(lines):,} lines", hint="write a class in each line")
    if file.suffix.lower() in (".csv", ".tsv") and _has_columns(file, lines):
        return _of_table(file, lines)
    return _of_lines(file, lines)


def _of_lines(file: Path, lines: Sequence[str]) -> Legend:
    for pattern, made in _FORMS:
        found = [pattern.fullmatch(line) for line in lines]
        if all(found):
            return _checked(file, [made(each.groups()) for each in found if each])
    return _checked(file, [(name, None) for name in lines])


_FORMS: tuple[tuple[re.Pattern[str], Callable[[Sequence[str]], tuple[str, Any]]], ...] = (
    (_CVAT, lambda parts: (parts[0], parts[1:4])),
    (_RGB_NAME, lambda parts: (parts[3], parts[:3])),
    (_NAME_RGB, lambda parts: (parts[0], parts[1:4])),
    (_NUMBER_NAME, lambda parts: (parts[1], parts[0])),
)


def _rows_of(file: Path, lines: Sequence[str]) -> list[list[str]]:
    return list(csv.reader(lines, delimiter="\t" if file.suffix.lower() == ".tsv" else ","))


def _has_columns(file: Path, lines: Sequence[str]) -> bool:
    """Whether the first line names columns, and is no name of a class alone."""
    header = {cell.strip().casefold() for cell in _rows_of(file, lines[:1])[0]}
    return len(header) > 1 and not header.isdisjoint(_COLUMNS["name"])


def _of_table(file: Path, lines: Sequence[str]) -> Legend | None:
    """None where its columns say nothing of values."""
    rows = _rows_of(file, lines)
    header = [cell.strip().casefold() for cell in rows[0]]
    at = {column: header.index(name) for column, names in _COLUMNS.items() for name in names if name in header}
    colours = all(part in at for part in "rgb")
    if not colours and "value" not in at:
        return None
    keys = [at[part] for part in "rgb"] if colours else [at["value"]]
    if (
        short := next((place for place, row in enumerate(rows) if len(row) <= max(at["name"], *keys)), None)
    ) is not None:
        raise DataError(f"{printable(str(file))}: line {short + 1} is short", hint="the columns are name,r,g,b")
    told = [(row[at["name"]], [row[key] for key in keys] if colours else row[keys[0]]) for row in rows[1:]]
    return _checked(file, told)


def _of_json(file: Path, text: str) -> Legend | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{printable(str(file))}: not JSON: {printable(str(error))}") from error
    if isinstance(content, list) and content and all(isinstance(each, str) for each in content):
        return _checked(file, [(name, None) for name in content])
    if not isinstance(content, dict) or not content:
        return None
    if all(str(key).isdecimal() and isinstance(value, str) for key, value in content.items()):
        return _checked(file, [(value, key) for key, value in content.items()])
    if all(isinstance(value, int) or (isinstance(value, list) and len(value) == 3) for value in content.values()):
        return _checked(file, list(content.items()))
    return None


def _checked(file: Path, rows: Sequence[tuple[str, Any]]) -> Legend:
    names = tuple(name.strip() for name, _ in rows)
    where = printable(str(file))
    if not rows:
        raise DataError(f"{where}: a legend without a class", hint="write a class in each line")
    if (empty := next((place for place, name in enumerate(names) if not name), None)) is not None:
        raise DataError(f"{where}: line {empty + 1} has no class name")
    if rows[0][1] is None:
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"{where}: the class '{printable(twice)}' comes twice", hint="name each class once")
        return Legend(names)
    keys = []
    for name, value in rows:
        parts = list(value) if isinstance(value, list | tuple) else [value]
        try:
            numbers = [int(part) for part in parts]
        except (TypeError, ValueError):
            numbers = [-1]
        if min(numbers) < 0 or (len(numbers) == 3 and max(numbers) > 255):
            raise DataError(
                f"{where}: the class '{printable(name)}' has no number or colour from 0 to 255",
                hint="the columns are name,r,g,b, or name,value",
            )
        keys.append(numbers[0] << 16 | numbers[1] << 8 | numbers[2] if len(numbers) == 3 else numbers[0])
    if len(set(keys)) < len(keys):
        twice = names[next(place for place, key in enumerate(keys) if keys.index(key) < place)]
        raise DataError(f"{where}: the class '{printable(twice)}' has the value of another", hint="give each its own")
    return Legend(names, tuple(keys), colours=isinstance(rows[0][1], list | tuple))
