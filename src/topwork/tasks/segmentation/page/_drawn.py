"""Images with their masks upon them: what is there, what was said, and where both differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from topwork.data import Mask, decode
from topwork.drawing import DIFFERENCES, STRIPED, class_colours, differing, overlay, painted, scaled
from topwork.errors import TopworkError
from topwork.metrics import WorstMask
from topwork.report import Missing, PageContext, webp
from topwork.tasks.segmentation._certainty import SURE
from topwork.tasks.segmentation._found import FoundMask
from topwork.tasks.segmentation.page._facts import ranked

MOST_PICTURES = 8
MOST_EXAMPLES = 3  # of each kind, on the first screen
_SIDE, _SMALL = 288, 200  # pixels
_DOUBT = 0.6  # from which on the brightest colour is painted: more is rare
_ROOM = 1_500_000  # characters of the pictures of the worst images

Kind = Literal["given", "found", "differing", "doubtful"]


@dataclass(frozen=True)
class Drawn:
    """An image, and how it was told.

    Attributes:
        name: Of the image.
        iou: Mean over the classes that it shows, or was said to.
        pictures: ``data:`` URIs by what each shows; none where the image could not be read again.
        reason: Why there is no picture.
        meant: The true class of the pixels that were most often taken for another.
        called: What they were called.
        pixels: How many they are; 0 where all are right.
        counts: Objects that are there, and that were found; None where they are not told apart.
    """

    name: str
    iou: float
    pictures: Mapping[Kind, str]
    reason: str = ""
    meant: str = ""
    called: str = ""
    pixels: int = 0
    counts: tuple[int, int] | None = None


def worst(page: PageContext) -> dict[str, Any] | Missing | None:
    """The images that were told worst: each with its mask, with the answer, and with where they differ."""
    if page.evaluated is None:
        return page.without_images
    rows = [each for each in ranked(page) if each.wrong][:MOST_PICTURES]
    shown, room = [], _ROOM
    for each in drawn(page, rows, ("given", "found", "differing", "doubtful"), _SIDE):
        room -= sum(map(len, each.pictures.values()))
        shown += [each] if room >= 0 else []
    return {"shown": shown, "classes": legend(page), "kinds": differences(page)} if shown else None


def examples(page: PageContext) -> list[tuple[str, tuple[Drawn, ...]]]:
    """The best images, the worst, and those that the model is least sure of; no kind that there is none of."""
    if page.evaluated is None:
        return []
    several = ranked(page)
    most = min(MOST_EXAMPLES, max(1, len(several) // 3))
    wrong = [each for each in several if each.wrong][:most]
    rights = [each for each in several[::-1] if each not in wrong][:most]
    taken = {each.row for each in (*wrong, *rights)}
    by_row = {each.row: each for each in several if each.row not in taken}
    unsure = [by_row[row] for row in _unsure(page) if row in by_row][:most]
    kinds: tuple[tuple[str, list[WorstMask], Kind], ...] = (
        ("right_answers", rights, "found"),
        ("wrong_answers", wrong, "differing"),
        ("unsure_answers", unsure, "found"),
    )
    return [(key, tuple(drawn(page, rows, (kind,), _SMALL))) for key, rows, kind in kinds if rows]


def _unsure(page: PageContext) -> list[int]:
    """Rows by the mean confidence of their pixels, the lowest first."""
    bins = [(row, each.bins) for row, each in enumerate(page.evaluated.counts) if each.bins is not None]
    means = [(float(held[:, 1].sum() / max(held[:, 0].sum(), 1)), row) for row, held in bins]
    return [row for _, row in sorted(means)]


def legend(page: PageContext) -> list[tuple[str, str]]:
    """Names and colours of the classes that are painted."""
    dataset = page.evaluated.dataset
    names = [dataset.classes[place] for place in dataset.foreground]
    return list(zip(names, _hex(len(names)), strict=True))


def differences(page: PageContext) -> list[tuple[str, str, bool]]:
    """Kinds of difference that the data can have, their colours, and whether these are striped."""
    dataset = page.evaluated.dataset
    can: dict[str, bool] = {
        "missed": dataset.has_background,
        "invented": dataset.has_background,
        "confused": len(dataset.foreground) > 1,
        "unknown": bool(dataset.pixels[:, -1].any()),
    }
    return [(kind, colour, kind in STRIPED) for kind, colour in DIFFERENCES.items() if can[kind]]


def _hex(count: int) -> list[str]:
    return [f"#{bytes(colour).hex()}" for colour in class_colours(count)]


def drawn(page: PageContext, rows: Sequence[WorstMask], kinds: Sequence[Kind], side: int) -> list[Drawn]:
    """Images as the model tells them now, each with the pictures that are asked for."""
    dataset = page.evaluated.dataset
    model: Any = page.model
    sources = [dataset.source(each.row) for each in rows]
    found = model.predict_each(sources, certainty="doubtful" in kinds)
    return [_drawn(dataset, each, said, kinds, side) for each, said in zip(rows, found, strict=True)]


def _drawn(dataset: Any, each: WorstMask, said: FoundMask, kinds: Sequence[Kind], side: int) -> Drawn:
    name, classes = dataset.paths[each.row], dataset.classes
    told: Any = (
        {"meant": classes[each.meant], "called": classes[each.called], "pixels": each.pixels} if each.pixels else {}
    )
    try:
        mask, image = dataset.mask(each.row), decode(dataset.source(each.row))
    except TopworkError as error:
        return Drawn(name, each.iou, {}, error.message, **told)
    if said.error or said.size != mask.labels.shape:
        return Drawn(name, each.iou, {}, said.error or "the image is not what it was", **told)
    names = {place: classes[place] for place in dataset.foreground}
    how: Any = {"side": side, "legend": False}
    makers = {
        "given": lambda: painted(image, mask.labels, names, mask.objects, **how),
        "found": lambda: painted(image, said.labels, names, said.objects, **how),
        "differing": lambda: differing(
            image, mask.labels, said.labels, has_background=dataset.has_background, side=side
        ),
    }
    if said.certainty is not None:
        canvas, at = scaled(image, side)
        doubt = 1 - said.certainty[at] / np.float32(SURE)
        makers["doubtful"] = lambda: overlay(canvas, np.minimum(doubt / _DOUBT, 1))
    pictures = {kind: webp(makers[kind]()) for kind in kinds}
    return Drawn(name, each.iou, pictures, counts=_counts(mask, said), **told)


def _counts(mask: Mask, said: FoundMask) -> tuple[int, int] | None:
    if mask.objects is None or said.count is None:
        return None
    return len(np.unique(mask.objects[mask.objects > 0])), said.count
