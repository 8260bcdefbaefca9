"""Predictions as a list that a notebook shows as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from topwork._html import html_table


class Predictions(list[Any]):
    """What ``Model.predict`` gives: a list, one prediction a source."""

    def _repr_html_(self) -> str:
        return predictions_html(self)


def predictions_html(found: Sequence[Any]) -> str:
    """Predictions as a table of their fields, whatever a task's predictions have; long ones are left out."""
    rows = [each.to_dict() for each in found]
    plain = (str, int, float, bool)
    columns = list(dict.fromkeys(name for row in rows for name, value in row.items() if isinstance(value, plain)))
    cells = [[_cell(row.get(name)) for name in columns] for row in rows]
    return html_table("1 prediction" if len(rows) == 1 else f"{len(rows)} predictions", columns, cells)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)
