"""Images with what is there and what was found drawn upon them: the worst misses and inventions, and examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from topwork.drawing import Outline
from topwork.metrics import Invention, Miss, worst_inventions, worst_misses
from topwork.report import Missing, PageContext, percent
from topwork.tasks.detection.page._facts import given_of, shown_of

MOST_PICTURES = 12
MOST_EXAMPLES = 3  # of each kind, on the first screen
MOST_OUTLINES = 60  # upon one picture
_ALL = 1_000_000  # misses and inventions


@dataclass(frozen=True)
class Drawn:
    """An image with boxes upon it, and what is to be said of one of them.

    Attributes:
        picture: With outlines.
        label: The class in question; empty where it is all of the image.
        score: How sure the model is; None where it found nothing.
        told: What it is, as a key in the texts, and the class that it was taken for or that is there.
        other: A class beside it; empty where there is none.
        count: Boxes of the image.
    """

    picture: Any
    label: str = ""
    score: float | None = None
    told: str = ""
    other: str = ""
    count: int = 0


def misses(page: PageContext) -> tuple[Drawn, ...] | Missing | None:
    """Objects that were not found, those with the lowest scores first."""
    if page.evaluated is None:
        return page.without_images
    return of_misses(page, _misses(page, MOST_PICTURES)) or None


def inventions(page: PageContext) -> tuple[Drawn, ...] | Missing | None:
    """Boxes of the model that are wrong, the surest first."""
    if page.evaluated is None:
        return page.without_images
    return of_inventions(page, _inventions(page, MOST_PICTURES)) or None


def examples(page: PageContext) -> list[tuple[str, tuple[Drawn, ...]]]:
    """Images in which all is right, misses, and inventions; no kind that there is none of."""
    if page.evaluated is None:
        return []
    missed, invented = _misses(page, _ALL), _inventions(page, _ALL)
    wrong = {each.row for each in missed} | {each.row for each in invented}
    kinds = (
        ("right_answers", _rights(page, wrong)),
        ("wrong_answers", of_misses(page, _of_rows(missed))),
        ("unsure_answers", of_inventions(page, _of_rows(invented))),
    )
    return [(key, shown) for key, shown in kinds if shown]


def _misses(page: PageContext, most: int) -> tuple[Miss, ...]:
    found: tuple[Miss, ...] = worst_misses(*given_of(page), page.record.task.thresholds, most=most)
    return found


def _inventions(page: PageContext, most: int) -> tuple[Invention, ...]:
    found: tuple[Invention, ...] = worst_inventions(*given_of(page), page.record.task.thresholds, most=most)
    return found


def _of_rows(several: Sequence[Any]) -> list[Any]:
    """The first of each image, as many as are shown."""
    by_row: dict[int, Any] = {}
    for each in several:
        by_row.setdefault(each.row, each)
    return list(by_row.values())[:MOST_EXAMPLES]


def _rights(page: PageContext, wrong: set[int]) -> tuple[Drawn, ...]:
    """Images whose boxes were all found and nothing else, the surest first, one of each class before others."""
    dataset = page.evaluated.dataset
    rows = [row for row in np.flatnonzero(dataset.counts).tolist() if row not in wrong and len(shown_of(page, row))]
    rows.sort(key=lambda row: -float(shown_of(page, row).scores.min()))
    kinds = [frozenset(dataset.boxes(row).labels.tolist()) for row in rows]
    first = [row for place, row in enumerate(rows) if kinds[place] not in kinds[:place]]
    chosen = [*first, *(row for row in rows if row not in first)][:MOST_EXAMPLES]
    pictures = _pictures(page, chosen)
    return tuple(
        Drawn(
            replace(picture, outlines=(*given(page, row), *found(page, row))),
            told="drawn_all",
            count=int(dataset.counts[row]),
        )
        for row, picture in zip(chosen, pictures, strict=True)
    )


def of_misses(page: PageContext, several: Sequence[Miss]) -> tuple[Drawn, ...]:
    """Pictures of missed objects: what is missed solid, what was found dashed, all else thin."""
    classes = page.evaluated.dataset.classes
    shown = []
    for each, picture in zip(several, _pictures(page, [each.row for each in several]), strict=True):
        name = classes[each.label]
        over = Outline(each.corners, each.label, name)
        outlines = (*given(page, each.row, but=each.place), *found(page, each.row, named=False), over)
        told = "drawn_taken" if each.called is not None else "drawn_below" if each.score > 0 else "drawn_unseen"
        other = classes[each.called] if each.called is not None else ""
        score = each.score if each.score > 0 else None
        shown.append(Drawn(_with(picture, outlines), name, score, told, other))
    return tuple(shown)


def of_inventions(page: PageContext, several: Sequence[Invention]) -> tuple[Drawn, ...]:
    """Pictures of wrong boxes: these dashed, what is there thin, or solid where a box is of one of them."""
    dataset = page.evaluated.dataset
    shown = []
    for each, picture in zip(several, _pictures(page, [each.row for each in several]), strict=True):
        name = dataset.classes[each.label]
        over = [Outline(each.corners, each.label, f"{name} {percent(each.score)}", "dashed")]
        other = ""
        if each.meant is not None:
            boxes = dataset.boxes(each.row)
            label = int(boxes.labels[each.meant])
            other = dataset.classes[label] if label != each.label else ""
            over.insert(0, Outline(_corners(boxes.corners[each.meant]), label, other))
        outlines = (*given(page, each.row, but=each.meant), *over)
        shown.append(Drawn(_with(picture, outlines), name, each.score, f"drawn_{each.kind}", other))
    return tuple(shown)


def given(page: PageContext, row: int, *, but: int | None = -1) -> tuple[Outline, ...]:
    """The boxes of an image: solid, or thin where all but one are merely beside it."""
    boxes = page.evaluated.dataset.boxes(row)
    several = enumerate(zip(boxes.corners, boxes.labels.tolist(), boxes.crowd.tolist(), strict=True))
    return tuple(
        Outline(_corners(corners), label, stroke="solid" if but == -1 and not crowd else "thin")
        for place, (corners, label, crowd) in several
        if place != but
    )[:MOST_OUTLINES]


def found(page: PageContext, row: int, *, named: bool = True) -> tuple[Outline, ...]:
    """What the model tells of an image."""
    shown, classes = shown_of(page, row), page.evaluated.dataset.classes
    several = zip(shown.corners, shown.labels.tolist(), shown.scores.tolist(), strict=True)
    return tuple(
        Outline(_corners(corners), label, f"{classes[label]} {percent(score)}" if named else "", "dashed")
        for corners, label, score in several
    )[:MOST_OUTLINES]


def _pictures(page: PageContext, rows: Sequence[int]) -> Sequence[Any]:
    return page.album.pictures(rows) if page.album is not None else ()


def _with(picture: Any, outlines: tuple[Outline, ...]) -> Any:
    return replace(picture, outlines=outlines) if picture.uri else picture


def _corners(box: Any) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(edge) for edge in box)
    return left, top, right, bottom
