"""What a network sees, as a page: pictures, what they say, the numbers behind them, and maps that show their images."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from topwork.data import ImageDataset
from topwork.drawing import class_colours
from topwork.errors import ImageError
from topwork.explain import FeatureSpace
from topwork.report._page import brief, render
from topwork.report._pictures import rows_of, thumbnail

MOST_RESULTS = 40  # of a page; a sheet takes 50 to 200 kB
MOST_POINTS = 400  # of a map; each has an image of 2 kB
_LEGEND = 30  # classes
_THUMB = 96  # pixels
_NUMBERS = 20_000  # characters
_QUALITY = 82


class Result(Protocol):
    """What every result of ``topwork.explain`` can do."""

    @property
    def headline(self) -> str:
        """What was found, in a line."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        ...

    def picture(self) -> npt.NDArray[np.uint8]:
        """A sheet, uint8 (H, W, 3)."""
        ...


class Dot(NamedTuple):
    """An image on a map: its place from 0 to 100, its colour, its name and class, and which thumbnail is its."""

    x: float
    y: float
    colour: str
    name: str
    label: str
    thumb: int


@dataclass(frozen=True, slots=True)
class _Depth:
    """A map of one depth, and how often neighbours have the same class."""

    output: str
    agreement: float
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class _Section:
    """One result as the page shows it.

    Attributes:
        source: The image that it is of; empty where it is of none.
        headline: What was found.
        uri: Its sheet; empty where there are maps.
        depths: Its maps, where it is a feature space.
        thumbs: Their images as URIs; empty ones for those that cannot be read.
        legend: Its classes and their colours, the first thirty.
        numbers: Behind it, as JSON.
    """

    source: str
    headline: str
    uri: str
    depths: tuple[_Depth, ...]
    thumbs: tuple[str, ...]
    legend: tuple[tuple[str, str], ...]
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
    fields = {key: value for key, value in result.to_dict().items() if key not in ("paths", "labels", "depths")}
    numbers = json.dumps(fields, indent=1, ensure_ascii=False)[:_NUMBERS]
    if not isinstance(result, FeatureSpace):
        return _Section(source, result.headline, _webp(result.picture()), (), (), (), numbers)
    rows = np.linspace(0, len(result.paths) - 1, min(MOST_POINTS, len(result.paths))).astype(int)
    places = rows_of(dataset, {result.paths[row] for row in rows}) if dataset is not None else {}
    thumbs = tuple(_thumb(dataset, places.get(result.paths[row])) for row in rows)
    depths = tuple(
        _Depth(output, agreement, _dots(result, points[rows], rows))
        for output, agreement, points in zip(result.outputs, result.agreement, result.points, strict=True)
    )
    legend = tuple(zip(result.classes, _colours(result), strict=True))[:_LEGEND]
    return _Section(source, result.headline, "", depths, thumbs, legend, numbers)


def _colours(space: FeatureSpace) -> list[str]:
    return [f"#{bytes(colour).hex()}" for colour in class_colours(len(space.classes))]


def _dots(space: FeatureSpace, points: npt.NDArray[Any], rows: npt.NDArray[Any]) -> tuple[Dot, ...]:
    low, high = points.min(axis=0), points.max(axis=0)
    places = 3 + 94 * (points - low) / np.where(high > low, high - low, 1)
    colours = _colours(space)
    return tuple(
        Dot(
            round(float(x), 1),
            round(100 - float(y), 1),
            colours[space.labels[row]],
            brief(space.paths[row]),
            brief(space.classes[space.labels[row]]),
            number,
        )
        for number, (row, (x, y)) in enumerate(zip(rows, places, strict=True))
    )


def _thumb(dataset: ImageDataset | None, row: int | None) -> str:
    if dataset is None or row is None:
        return ""
    try:
        return thumbnail(dataset.source(row), _THUMB)
    except ImageError:
        return ""


def _webp(pixels: npt.NDArray[np.uint8]) -> str:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", quality=_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
