"""What ``topwork.explain`` found as a page: sheets, the numbers behind them, and maps of the feature space.

On a map there are dots in the classes' colours, and the image of the one that is pointed at.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from topwork._system import Executor
from topwork.data import ImageDataset
from topwork.drawing import class_colours, spread
from topwork.errors import ImageError
from topwork.explain import FeatureSpace, Result
from topwork.report._page import brief, render
from topwork.report._pictures import rows_of, thumbnail, webp

MOST_RESULTS = 40  # of a page; a sheet takes 50 to 200 kB
_NUMBERS = 20_000  # characters
MOST_POINTS = 400  # each has an image of 2 kB
_LEGEND = 30  # classes
_THUMB = 96  # pixels
_ROOM = 1_000_000  # characters of all images of a map


class Dot(NamedTuple):
    """An image on a map: its place from 0 to 100, its colour, name and class, what is said of it, its thumbnail."""

    x: float
    y: float
    colour: str
    name: str
    label: str
    said: str
    thumb: int


@dataclass(frozen=True, slots=True)
class Depth:
    """A map of one depth, and how often neighbours have the same class."""

    output: str
    agreement: float
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class SpaceMap:
    """A feature space, ready to be drawn.

    Attributes:
        depths: A map of each.
        thumbs: The images as URIs; empty ones for those that cannot be read.
        legend: The classes and their colours, the first thirty.
        more_classes: How many are left out there.
        shown: Images on each map.
        wrong: Those of them that are named wrong.
    """

    depths: tuple[Depth, ...]
    thumbs: tuple[str, ...]
    legend: tuple[tuple[str, str], ...]
    more_classes: int
    shown: int
    wrong: int


def space_map(
    space: FeatureSpace,
    dataset: ImageDataset | None = None,
    *,
    mistakes: Mapping[str, str] | None = None,
    most: int = MOST_POINTS,
) -> SpaceMap:
    """Lay a feature space out for a page.

    Args:
        space: The images' places.
        dataset: Where they lie; without it there are no thumbnails.
        mistakes: Images that a model names wrong, and what it says of them.
        most: Dots on a map; of more images, as many of each part of their order.
    """
    rows = np.linspace(0, len(space.paths) - 1, min(most, len(space.paths))).astype(int)
    names = [space.paths[row] for row in rows]
    said = [(mistakes or {}).get(name, "") for name in names]
    colours = [f"#{bytes(colour).hex()}" for colour in class_colours(len(space.classes))]
    depths = tuple(
        Depth(output, agreement, _dots(space, points[rows], rows, colours, said))
        for output, agreement, points in zip(space.outputs, space.agreement, space.points, strict=True)
    )
    legend = tuple(zip(space.classes, colours, strict=True))[:_LEGEND]
    more = len(space.classes) - len(legend)
    return SpaceMap(depths, _thumbs(dataset, names), legend, more, len(rows), sum(map(bool, said)))


def _dots(
    space: FeatureSpace,
    points: npt.NDArray[np.float32],
    rows: npt.NDArray[np.intp],
    colours: list[str],
    said: list[str],
) -> tuple[Dot, ...]:
    return tuple(
        Dot(
            round(float(x), 1),
            round(100 - float(y), 1),
            colours[space.labels[row]],
            brief(space.paths[row]),
            brief(space.classes[space.labels[row]], 60),
            brief(said[number], 60),
            number,
        )
        for number, (row, (x, y)) in enumerate(zip(rows, spread(points, 100), strict=True))
    )


def _thumbs(dataset: ImageDataset | None, names: list[str]) -> tuple[str, ...]:
    """A small picture of each; an empty text where it is not to be had."""
    if dataset is None:
        return ("",) * len(names)
    places = rows_of(dataset, set(names))

    def thumb(name: str) -> str:
        try:
            return thumbnail(dataset.source(places[name]), _THUMB) if name in places else ""
        except ImageError:
            return ""

    with Executor("thumbs") as pool:
        found = tuple(pool.map_ordered(thumb, names, in_flight=2 * pool.workers))
    step = math.ceil(sum(map(len, found)) / _ROOM) or 1  # what does not fit in is left out evenly, not class by class
    return tuple(uri if number % step == 0 else "" for number, uri in enumerate(found))


@dataclass(frozen=True, slots=True)
class Seen:
    """One result as a page shows it.

    Attributes:
        sentence: What was found.
        source: The image that it is of; empty where it is of none.
        numbers: Behind it, as JSON.
        uri: Its sheet; empty where it is not to be had, or there is a map.
        map: Where it is a feature space.
    """

    sentence: str
    source: str
    numbers: str
    uri: str = ""
    map: SpaceMap | None = None


def explained_page(found: Sequence[tuple[str, Result]], *, name: str, dataset: ImageDataset | None = None) -> str:
    """Show what ``topwork.explain`` found as one HTML page that needs nothing else.

    Args:
        found: Results, each with the image that it is of, or an empty string; the first 40 are shown.
        name: Of the model or network.
        dataset: Where the images of a feature space lie: they are shown where one points at them.

    Returns:
        The page; ``write_page`` writes it.
    """
    shown = tuple(_seen(source, result, dataset) for source, result in found[:MOST_RESULTS])
    return render("explained.html", name=brief(name), shown=shown, more=max(0, len(found) - MOST_RESULTS))


def _seen(source: str, result: Result, dataset: ImageDataset | None) -> Seen:
    numbers = numbers_of(result.to_dict())
    if isinstance(result, FeatureSpace):
        return Seen(result.headline, source, numbers, map=space_map(result, dataset))
    return Seen(result.headline, source, numbers, webp(result.picture()))


def numbers_of(fields: Mapping[str, Any]) -> str:
    """A result's numbers as a person reads them, without those that a picture is made of."""
    kept = {key: value for key, value in fields.items() if key not in ("paths", "labels", "depths")}
    return json.dumps(kept, indent=1, ensure_ascii=False)[:_NUMBERS]
