"""Lists the texts of a Hugging Face data set."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from topwork.data._columns import Columns, is_called
from topwork.data._huggingface import label_of, splits_in
from topwork.data._listing import Listing
from topwork.data._names import printable
from topwork.data._table import Place, cell_text
from topwork.data._text_rows import SCHEMA, TextRows

_BATCH = 1024  # rows
_HINT = "other names are told by --columns text=NAME,label=NAME"


def list_text_rows(
    data: Any, root: Path, asked: Mapping[str, str] | None = None, classes: Collection[str] | None = None
) -> Listing:
    """List a ``Dataset`` or ``DatasetDict`` of texts; a row without a label is left out.

    The text is the column with a usual name, or the only one of text; the label the one with a usual name, or the only
    ``ClassLabel``. With ``classes``, those of a saved model, other labels need not look like classes.

    Raises:
        DataError: A column is missing or one of several, a split comes twice, a text that is none, labels that are no
            classes.
    """
    rows = TextRows(Listing(root, what="text"))
    called: dict[str, str] = {}
    rows.store(
        text
        for name, split, rows_of in splits_in(data, root, rows.listing.leave_out)
        for text in _texts(rows, rows_of, name, split, asked, called)
    )
    if not rows.listing.order:  # the data do not say that the labels are classes
        rows.listing.table = root
        if classes is None:
            rows.require_classes(called)
    return rows.listing


def columns_found(kinds: Mapping[str, str], asked: Mapping[str, str] | None, where: str) -> Columns:
    """The columns of a data set with these features, name -> kind, such as ``string`` or ``ClassLabel``.

    Raises:
        DataError: One is missing or one of several.
    """
    told = dict(asked or {})
    for column, kind in (("label", "ClassLabel"), ("text", "string")):
        only = [name for name, each in kinds.items() if each in (kind, f"large_{kind}") and name not in told.values()]
        usual = any(is_called(name, column, SCHEMA) for name in kinds)
        if column not in told and not usual and len(only) == 1:
            told[column] = only[0]
    columns = Columns(told, _HINT, SCHEMA, ("text", "label", "group"))
    columns.find(list(kinds), where)
    return columns


def kinds_of(features: Mapping[str, Any]) -> dict[str, str]:
    """Name of each feature -> what it is: the type of plain values, or the feature's own."""
    return {
        name: str(feature.dtype) if type(feature).__name__ == "Value" else type(feature).__name__
        for name, feature in features.items()
    }


def _texts(
    rows: TextRows, rows_of: Any, name: str, split: str, asked: Mapping[str, str] | None, called: dict[str, str]
) -> Iterator[str]:
    """The texts of one split; ``called`` is told what its columns are called."""
    where = f"{printable(str(rows.listing.root))}{f', split {printable(name)}' if name else ''}"
    columns = columns_found(kinds_of(rows_of.features), asked, where)
    here, listing = columns.called, rows.listing
    called.update(here)
    names = tuple(getattr(rows_of.features[here["label"]], "names", None) or ())
    for label in names:
        listing.add_class(label, split)
    listing.order = listing.order if listing.order and split != "train" else names
    number = 0
    for table in rows_of.select_columns(list(here.values())).with_format("arrow").iter(batch_size=_BATCH):
        cells = [table.column(here[column]).to_pylist() for column in ("text", "label")]
        groups = table.column(here["group"]).to_pylist() if "group" in here else [None] * len(table)
        for text, value, group in zip(*cells, groups, strict=True):
            row = f"{name}/{number}" if name else str(number)
            label, fault = label_of(value, names)
            if fault:
                listing.leave_out(row, fault)
            else:
                text = cell_text("text", text, Place(where, "row", number), SCHEMA)
                yield from rows.taken(row, text, label, split, "" if group is None else str(group))
            number += 1
    rows.note_unused(columns)
