"""What ``topwork.explain`` found as a page: sheets, the numbers behind them, and maps of the feature space.

On a map there are dots in the classes' colours, and the image of the one that is pointed at.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from topwork._system import Executor
from topwork.data import ImageDataset
from topwork.drawing import class_colours, spread
from topwork.errors import ImageError
from topwork.explain import FeatureSpace
from topwork.report._page import brief, render
from topwork.report._pictures import rows_of, thumbnail, webp

MOST_RESULTS = 40  # of a page; a sheet takes 50 to 200 kB
_NUMBERS = 20_000  # characters
MOST_POINTS = 400  # each has an image of 2 kB
_LEGEND = 30  # classes
_THUMB = 96  # pixels
_ROOM = 1_000_000  # characters of all images of a map


def space_map(
    space: FeatureSpace,
    dataset: ImageDataset | None = None,
    *,
    mistakes: Mapping[str, str] | None = None,
    most: int = MOST_POINTS,
) -> dict[str, Any]:
    """Lay a feature space out for a page.

    Args:
        space: The images' places.
        dataset: Where they lie; without it there are no thumbnails.
        mistakes: Images that a model names wrong, and what it says of them.
        most: Dots on a map; of more images, as many of each part of their order.

    Returns:
        ``depths``, each with how often neighbours have the same class and a dot for each image; ``thumbs``, an empty
        text for an image without one; ``legend``, classes and colours; ``more_classes`` that it lacks; the number of
        images ``shown`` on each map, and of those that are named ``wrong``.
    """
    rows = np.linspace(0, len(space.paths) - 1, min(most, len(space.paths))).astype(int)
    names = [space.paths[row] for row in rows]
    said = [(mistakes or {}).get(name, "") for name in names]
    colours = [f"#{bytes(colour).hex()}" for colour in class_colours(len(space.classes))]
    told = [
        {
            "colour": colours[label],
            "name": brief(name),
            "label": brief(space.classes[label], 60),
            "said": brief(mistake, 60),
            "thumb": number,
        }
        for number, (name, label, mistake) in enumerate(zip(names, space.labels[rows].tolist(), said, strict=True))
    ]
    legend = list(zip(space.classes, colours, strict=True))[:_LEGEND]
    return {
        "depths": [
            {"output": output, "agreement": agreement, "dots": _dots(points[rows], told)}
            for output, agreement, points in zip(space.outputs, space.agreement, space.points, strict=True)
        ],
        "thumbs": _thumbs(dataset, names),
        "legend": legend,
        "more_classes": len(space.classes) - len(legend),
        "shown": len(rows),
        "wrong": sum(map(bool, said)),
    }


def _dots(points: npt.NDArray[np.float32], told: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Places from 0 to 100, downwards as a drawing counts them."""
    places = spread(points, 100)
    return [
        {"x": round(float(x), 1), "y": round(100 - float(y), 1), **each}
        for each, (x, y) in zip(told, places, strict=True)
    ]


def _thumbs(dataset: ImageDataset | None, names: list[str]) -> tuple[str, ...]:
    """A small picture of each; an empty text where it is not available."""
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


def explained_page(found: Sequence[tuple[str, Any]], *, name: str, dataset: ImageDataset | None = None) -> str:
    """Show what ``topwork.explain`` found as one HTML page that needs nothing else.

    Args:
        found: Results, each with the image that it is of, or an empty string; the first 40 are shown. One with
            ``marked`` is of a text: its pieces stand there, each with how much it speaks for a class, with its
            ``notes`` and the ``rows`` of a table, if it has any.
        name: Of the model or network.
        dataset: Where the images of a feature space lie: they are shown where one points at them.

    Returns:
        The page; ``write_page`` writes it.
    """
    shown = [_seen(source, result, dataset) for source, result in found[:MOST_RESULTS]]
    return render("explained.html", name=brief(name), shown=shown, more=max(0, len(found) - MOST_RESULTS))


def _seen(source: str, result: Any, dataset: ImageDataset | None) -> dict[str, Any]:
    if (pieces := getattr(result, "marked", None)) is not None:
        shown = [(" ".join(f".{each}.".split())[1:-1], weight) for each, weight in pieces]  # on one line
        text = {"pieces": shown, "notes": result.notes, "rows": getattr(result, "rows", ())}
        return seen(result.headline, result.source or source, result.to_dict(), text=text)
    if isinstance(result, FeatureSpace):
        return seen(result.headline, source, result.to_dict(), map=space_map(result, dataset))
    return seen(result.headline, source, result.to_dict(), webp(result.picture()))


def seen(
    sentence: str,
    source: str,
    numbers: Mapping[str, Any],
    uri: str = "",
    map: dict[str, Any] | None = None,
    text: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """One result as a page shows it: what was found, what it is of, the numbers behind it, and sheet, map or text."""
    shown = {"uri": uri, "map": map, "text": text}
    return {"sentence": sentence, "source": source, "numbers": _numbers_of(numbers), **shown}


def _numbers_of(fields: Mapping[str, Any]) -> str:
    """A result's numbers as a person reads them, without those that a picture is made of."""
    kept = {key: value for key, value in fields.items() if key not in ("paths", "labels", "depths")}
    return json.dumps(kept, indent=1, ensure_ascii=False)[:_NUMBERS]
