"""Finds the columns of a table by the names that people give them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from topwork.data._names import printable, quoted
from topwork.errors import DataError

_FEW = 6  # of many columns that a message names


@dataclass(frozen=True)
class Schema:
    """The columns that a kind of table has, and what may stand in them beside text.

    Args:
        names: Column -> what else people call it, in small letters.
        required: Those without which there is nothing to read.
        numbers: Those in which a whole number stands for its digits.
        scalars: Those in which any number or truth stands for how it is written.
        gaps: Those in which nothing may stand.
        binary: Those whose text may be bytes in Parquet, for what is not UTF-8.
        hints: Suffix -> how a file of that kind should look.
        longest: Characters in a line of JSON; keeps a file without line ends out of memory.
    """

    names: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...]
    numbers: tuple[str, ...]
    scalars: tuple[str, ...]
    gaps: tuple[str, ...]
    binary: tuple[str, ...]
    hints: Mapping[str, str]
    longest: int


LABEL_NAMES = (
    *("labels", "class", "class_name", "classname", "category", "target", "species"),
    *("분류", "클래스", "라벨", "레이블", "정답"),
)
SPLIT_NAMES = ("subset", "partition", "set")
GROUP_NAMES = ("groups",)


class Columns:
    """Finds a table's columns by their names.

    Args:
        asked: Column -> what it is called here; the others are found by their usual names.
        hint: What to say where one is missing.
        schema: The columns that there can be.
        wanted: Those that are looked for; all where None.

    Raises:
        DataError: ``asked`` names a column that topwork does not read.
    """

    first_line_is_row = False
    """Whether a CSV file has no line that names the columns."""

    def __init__(
        self, asked: Mapping[str, str] | None, hint: str, schema: Schema, wanted: Sequence[str] | None = None
    ) -> None:
        self._asked = dict(asked or {})
        self._hint = hint
        self.schema = schema
        self._wanted = tuple(schema.names) if wanted is None else wanted
        self.unused: dict[str, None] = {}
        self.called: dict[str, str] = {}
        if strange := sorted(self._asked.keys() - schema.names.keys()):
            raise DataError(f"no column {quoted(strange)} is read; these are: {', '.join(schema.names)}")

    def find(self, names: Sequence[str], where: str) -> dict[str, int]:
        """Column -> its place among these names.

        Raises:
            DataError: One is missing, comes twice, or is one of several that it may be.
        """
        if len(set(names)) != len(names):
            raise DataError(f"{where}: a column comes twice: {quoted(names)}", hint=self._hint)
        found = {}
        for column in self._wanted:
            name = self._name_of(column, names, where)
            if name is not None:
                found[column] = names.index(name)
        rest = [name for place, name in enumerate(names) if place not in found.values()]
        missing = [column for column in self.schema.required if column in self._wanted and column not in found]
        for name in rest:
            if near := difflib.get_close_matches(name, [each for each in self._wanted if each not in found], 1, 0.75):
                raise DataError(
                    f"{where}: unknown column '{printable(name)}'; nearest: {quoted(near)}", hint=self._hint
                )
        if missing:
            raise DataError(f"{where}: no column {quoted(missing)} among {_few(names)}", hint=self._hint)
        self.unused |= dict.fromkeys(name for name in rest if name and not name.startswith("Unnamed: "))  # an index
        self.called = {column: names[place] for column, place in found.items()}
        return found

    def _name_of(self, column: str, names: Sequence[str], where: str) -> str | None:
        if column in self._asked:
            if self._asked[column] in names:
                return self._asked[column]
            shown = printable(self._asked[column])
            raise DataError(
                f"{where}: no column '{shown}' for the {column}; there are {_few(names)}",
                hint=f"--columns {column}=NAME takes one of these names",
            )
        if column in names:
            return column
        usual = [name for name in names if is_called(name, column, self.schema)]
        usual = [name for name in usual if name not in self._asked.values()]
        if len(usual) > 1:
            raise DataError(
                f"{where}: which is the {column}: {quoted(usual)}?", hint=f"--columns {column}={usual[0]} says so"
            )
        return usual[0] if usual else None


def _few(names: Sequence[str]) -> str:
    """The names, the first of them where they are many, as in a table of features."""
    if len(names) <= 2 * _FEW:
        return quoted(names)
    return f"{quoted(names[:_FEW])}, … ({len(names):,} columns)"


def is_called(name: str, column: str, schema: Schema) -> bool:
    """Tell whether a column of this name usually is the one that is meant."""
    return name.casefold() in (column, *schema.names[column])
