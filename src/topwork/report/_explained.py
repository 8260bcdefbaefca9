"""What a network sees, as a page: pictures, what they say, the numbers behind them, and maps that show their images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from topwork.data import ImageDataset
from topwork.explain import FeatureSpace, Result
from topwork.report._page import brief, render
from topwork.report._pictures import webp
from topwork.report._space import SpaceMap, space_map

MOST_RESULTS = 40  # of a page; a sheet takes 50 to 200 kB
_NUMBERS = 20_000  # characters


@dataclass(frozen=True, slots=True)
class _Section:
    """One result as the page shows it.

    Attributes:
        source: The image that it is of; empty where it is of none.
        headline: What was found.
        uri: Its sheet; empty where there is a map.
        map: Where it is a feature space.
        numbers: Behind it, as JSON.
    """

    source: str
    headline: str
    uri: str
    map: SpaceMap | None
    numbers: str


def explained_page(found: Sequence[tuple[str, Result]], *, name: str, dataset: ImageDataset | None = None) -> str:
    """Show what ``topwork.explain`` found as one HTML page that needs nothing else.

    Args:
        found: Results, each with the image that it is of, or an empty string; the first 40 are shown.
        name: Of the model or network.
        dataset: Where the images of a feature space lie: they are shown where one points at them.

    Returns:
        The page; ``write_page`` writes it.
    """
    sections = tuple(_section(source, result, dataset) for source, result in found[:MOST_RESULTS])
    return render("explained.html", name=brief(name), sections=sections, more=max(0, len(found) - MOST_RESULTS))


def _section(source: str, result: Result, dataset: ImageDataset | None) -> _Section:
    numbers = numbers_of(result.to_dict())
    if isinstance(result, FeatureSpace):
        return _Section(source, result.headline, "", space_map(result, dataset), numbers)
    return _Section(source, result.headline, webp(result.picture()), None, numbers)


def numbers_of(fields: Mapping[str, Any]) -> str:
    """A result's numbers as a person reads them, without those that a picture is made of."""
    kept = {key: value for key, value in fields.items() if key not in ("paths", "labels", "depths")}
    return json.dumps(kept, indent=1, ensure_ascii=False)[:_NUMBERS]
