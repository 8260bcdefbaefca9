"""The worst mistakes of a page, each with the text that is most like it: two labels that differ ask for a look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from topwork.report import PageContext, sections


def worst(page: PageContext) -> Any:
    """Wrong answers, the surest first, with the nearest of the texts whose features are known."""
    found = sections.worst(page)
    if not isinstance(found, tuple):
        return found
    near = dict(_nearest(page, [each.picture.name for each in found]))
    return tuple(replace(each, nearest=near.get(each.picture.name)) for each in found)


def _nearest(page: PageContext, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Each name's nearest text by the cosine of standardised features; scores of n-grams alone are too few for that."""
    table = page.evaluated.features
    if table is None or table.backbone.family == "ngrams" or page.album is None:
        return
    values = table.values - table.values.mean(axis=0)
    values /= np.maximum(values.std(axis=0), 1e-6)
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)
    places = {name: place for place, name in enumerate(table.dataset.paths)}
    rows = {name: row for row, name in enumerate(page.evaluated.dataset.paths)}
    for name in names:
        place = places.get(name)
        if place is None or len(table) < 2:
            continue
        alike = values @ values[place]
        alike[place] = -np.inf
        yield name, page.album.picture(rows[table.dataset.paths[int(alike.argmax())]])
